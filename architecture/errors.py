"""The one error for bad input: it names the place, the fault and what is allowed."""

from __future__ import annotations

from pydantic_core import PydanticCustomError


class InputError(Exception):
    """Input that cannot be used. The command line answers it with exit code 2.

    Attributes:
        where: File, option or environment variable that holds the bad value.
        key: Dotted key inside ``where``, or an empty string.
        allowed: What would be accepted, in words; may be empty.
    """

    def __init__(self, message: str, *, where: str, key: str = "", allowed: str = "") -> None:
        self.where = where
        self.key = key
        self.message = message
        self.allowed = allowed
        place = f"{where}: {key}" if key else where
        hint = f" (allowed: {allowed})" if allowed else ""
        super().__init__(f"{place}: {message}{hint}")


def misplaced(key: str, message: str, allowed: str = "") -> PydanticCustomError:
    """An error for validators that look at several keys at once: it names the key at fault.

    ``key`` counts from the model whose validator raises the error.
    """
    context = {"key": key, "message": message, "allowed": allowed}
    return PydanticCustomError("misplaced", "{key}: {message}", context)

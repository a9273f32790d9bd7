"""The name by which a client asks for a model."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

from reference_stack.serving.problem import Problem

#: Whatever the site serves: a client that may fail over to another site can't name the model.
ANY_MODEL: Final = "default"


def require_model(asked: str | None, served: str) -> None:
    """Raises Problem (404) unless `asked` is the served model's name, "default" or left out."""
    if asked not in {None, ANY_MODEL, served}:
        raise Problem(
            HTTPStatus.NOT_FOUND,
            "model_not_found",
            f"model: {asked!r} is not served here, allowed are {served!r} and {ANY_MODEL!r}",
            param="model",
        )

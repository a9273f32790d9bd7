"""What callbacks are given."""

from __future__ import annotations

from typing import Any, Protocol


class Fired(Protocol):
    """A SimPy event that has happened, with the value its creator gave it."""

    @property
    def value(self) -> Any:
        """Whatever was put in."""

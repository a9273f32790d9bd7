"""What is known about a stack between commands: ``stack.json`` in its directory."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from architecture.design import Design
from architecture.values import Strict
from reference_stack.addresses import AddressPlan, Network
from reference_stack.errors import StackNotRunningError

STATE_FILE = "stack.json"


class StackState(Strict):
    """The facts every command needs to find and rule a stack."""

    design_document: dict[str, Any]
    stack_id: str
    instance: int
    sites: tuple[str, ...]
    network: Network
    backend: Literal["namespace", "tree"]
    control_socket: str
    model_name: str

    @property
    def design(self) -> Design:
        """The design the stack was rendered from."""
        return Design.model_validate(self.design_document)

    @property
    def addresses(self) -> AddressPlan:
        """Where its services listen."""
        return AddressPlan(self.instance, self.sites, self.network)


def write_state(state: StackState, directory: Path) -> None:
    """Write the state atomically."""
    partial = directory / f"{STATE_FILE}.partial"
    partial.write_text(state.model_dump_json(indent=2), encoding="utf-8")
    partial.replace(directory / STATE_FILE)


def read_state(directory: Path) -> StackState:
    """Read a stack's state.

    Raises:
        StackNotRunningError: when there is none, or it is not one of ours.
    """
    path = directory / STATE_FILE
    try:
        return StackState.model_validate_json(path.read_text(encoding="utf-8"))
    except OSError:
        raise StackNotRunningError(
            f"{directory}: there is no stack here (start one with `testbed stack up`)"
        ) from None
    except ValidationError as error:
        raise StackNotRunningError(f"{path}: is not a stack's state: {error}") from None

"""The requirements: what each design promises, and the doubts the testbed is to settle."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from architecture.errors import InputError
from architecture.validation import validated
from architecture.values import Strict
from architecture.yaml_files import read_yaml

FILE = Path(__file__).with_suffix(".yaml")

DESIGN_OF = {"A": "mac-mini-cluster", "B": "dual-m3-ultra"}

_ID = re.compile(r"\b[ABD]-\d\d\b")


@dataclass(frozen=True)
class Requirement:
    """One row of what the documents say (``promise``) or of what is questioned (``doubt``).

    Attributes:
        id: For example ``B-20``.
        part: The part of the system a promise speaks of; empty for a doubt.
        text: What the document says, or what is doubted.
        kind: ``promise`` or ``doubt``.
        design: The design that makes the promise; None for a doubt.
    """

    id: str
    part: str
    text: str
    kind: Literal["promise", "doubt"]
    design: str | None

    @property
    def cites(self) -> tuple[str, ...]:
        """Ids of other requirements its text names, in their order, each once."""
        return tuple(dict.fromkeys(_ID.findall(self.text)))


def requirement(requirement_id: str) -> Requirement:
    """The requirement with this id.

    Raises:
        InputError: when there is none; names the ids there are.
    """
    known = _by_id()
    if requirement_id not in known:
        raise InputError(
            f"there is no requirement '{requirement_id}'",
            where="requirement", allowed=", ".join(known),
        )  # fmt: skip
    return known[requirement_id]


def all_requirements() -> tuple[Requirement, ...]:
    """Every requirement: those of A, of B, then the doubts."""
    return tuple(_by_id().values())


class _Promise(Strict):
    part: str
    text: str


class _Doubt(Strict):
    text: str


class _File(Strict):
    promises: dict[str, _Promise]
    doubts: dict[str, _Doubt]


@cache
def _by_id() -> dict[str, Requirement]:
    file = validated(_File, read_yaml(FILE), where=str(FILE))
    promises = {
        key: Requirement(key, row.part, row.text, "promise", DESIGN_OF[key[0]])
        for key, row in file.promises.items()
    }
    doubts = {
        key: Requirement(key, "", row.text, "doubt", None) for key, row in file.doubts.items()
    }
    return promises | doubts

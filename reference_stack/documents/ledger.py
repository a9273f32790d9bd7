"""An account of documents kept outside the system: what was acknowledged, and what is still there.

Contents are made from a seed and the document's number, so that a document read back is compared
byte by byte with what was sent, without keeping it.
"""

from __future__ import annotations

import hashlib
import json
import random
import uuid
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

Outcome = Literal["acknowledged", "unknown"]
Fate = Literal["found", "lost", "changed"]

#: Gives each document of a ledger its id, from the ledger's seed and the document's number.
_NAMESPACE = uuid.UUID("2f0a9c1e-5f0e-5d6b-9a53-1d3f5b8c7e21")


@dataclass(frozen=True)
class Entry:
    """One document that was sent; ``at_s`` is when its outcome was known, in the caller's clock."""

    number: int
    document_id: str
    sha256: str
    outcome: Outcome
    at_s: float


@dataclass(frozen=True)
class Account:
    """What became of the acknowledged documents; numbers, sorted."""

    acknowledged: int
    unknown: int
    lost: tuple[int, ...]
    changed: tuple[int, ...]


class DocumentLedger:
    """Sends nothing itself: tells what to send, is told the outcome, and settles the account."""

    def __init__(self, seed: int, size_bytes: int) -> None:
        """``size_bytes``: of each document."""
        self._seed = seed
        self._size_bytes = size_bytes
        self.entries: list[Entry] = []

    def document_id(self, number: int) -> uuid.UUID:
        """The id (and Idempotency-Key) of a document."""
        return uuid.uuid5(_NAMESPACE, f"{self._seed}/{number}")

    def content(self, number: int) -> bytes:
        """The bytes of a document, the same at each call."""
        return random.Random(f"{self._seed}/{number}").randbytes(self._size_bytes)  # noqa: S311

    def record(self, number: int, outcome: Outcome, at_s: float) -> None:
        """Note how sending a document ended: with an acknowledgement, or with a doubt."""
        sha256 = hashlib.sha256(self.content(number)).hexdigest()
        self.entries.append(Entry(number, str(self.document_id(number)), sha256, outcome, at_s))

    def settle(self, read: Callable[[uuid.UUID], bytes | None]) -> Account:
        """Read every acknowledged document back by its content.

        Args:
            read: Returns a document's bytes; None when the system says that it has none. When the
                system does not answer it must raise: silence is no proof of loss.
        """
        fates = {
            entry.number: self._fate(entry, read(uuid.UUID(entry.document_id)))
            for entry in self.entries
            if entry.outcome == "acknowledged"
        }
        return Account(
            acknowledged=len(fates),
            unknown=sum(entry.outcome == "unknown" for entry in self.entries),
            lost=_numbers(fates, "lost"),
            changed=_numbers(fates, "changed"),
        )

    def write(self, path: Path) -> None:
        """Keep the entries as JSON lines."""
        lines = (json.dumps(asdict(entry)) + "\n" for entry in self.entries)
        path.write_text("".join(lines), encoding="utf-8")

    @staticmethod
    def _fate(entry: Entry, content: bytes | None) -> Fate:
        if content is None:
            return "lost"
        return "found" if hashlib.sha256(content).hexdigest() == entry.sha256 else "changed"


def _numbers(fates: dict[int, Fate], fate: Fate) -> tuple[int, ...]:
    numbers: Iterable[int] = (number for number, its in fates.items() if its == fate)
    return tuple(sorted(numbers))

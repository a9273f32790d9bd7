"""``verify_trail``: whether anything of the audit trail was edited, taken out or put in.

Every seal is computed anew from the events it names, and compared. With the stack's key the
signatures are checked too, which tells an event or a seal that somebody else wrote; with heads that
were noted before (``GET /v1/audit/seals``), whether a chain's end is missing.
"""

import argparse
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal
from uuid import UUID

import psycopg

from reference_stack.api.audit_event import FIELDS, AuditEvent, audit_key, signature_of
from reference_stack.api.audit_seal import GENESIS, seal_hash

FindingKind = Literal[
    "event-edited", "event-missing", "event-forged", "seal-edited", "seal-missing", "seal-forged",
    "head-missing",
]  # fmt: skip
Connection = psycopg.Connection[tuple[Any, ...]]

SEALS: Final = """
SELECT chain, number, previous, members, sealed_at, hash, signature FROM audit_seal
ORDER BY chain, number
"""
EVENTS: Final = f"SELECT {', '.join(FIELDS)} FROM audit_event WHERE id = ANY(%s)"  # noqa: S608 - our names
UNSEALED: Final = f"""
SELECT {", ".join(f"e.{name}" for name in FIELDS)} FROM audit_event e
WHERE NOT EXISTS (
    SELECT FROM (SELECT unnest(members) AS id FROM audit_seal) AS sealed WHERE sealed.id = e.id
)
"""  # noqa: S608


@dataclass(frozen=True)
class Finding:
    """Something is wrong: what, with which row, and in words."""

    kind: FindingKind
    where: str
    detail: str


@dataclass(frozen=True)
class TrailReport:
    """What was looked at and what was found.

    ``unsealed`` events are in the trail and under no seal yet: those of the last second, and those
    of a process that died, until another one finds them (a minute). ``heads`` are the last seal's
    number and hash of each chain, to be noted outside the database.
    """

    events: int
    seals: int
    unsealed: int
    findings: tuple[Finding, ...]
    heads: Mapping[UUID, tuple[int, bytes]] = field(repr=False)

    @property
    def is_intact(self) -> bool:
        return not self.findings


def verify_trail(
    connection: Connection, key: bytes | None = None,
    *, noted_heads: Mapping[UUID, tuple[int, bytes]] | None = None,
) -> TrailReport:  # fmt: skip
    """Check the whole trail within one snapshot.

    Args:
        connection: To any server of the stack, a standby too; not inside a transaction.
        key: `audit_event.audit_key` of the stack's token secret; None: signatures are not checked.
        noted_heads: ``TrailReport.heads`` of an earlier check, kept elsewhere.

    Raises:
        psycopg.Error: when the server fails.
    """
    with connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        check = _Check(connection, key)
        check.seals()
        check.unsealed()
        check.noted(noted_heads or {})
    return TrailReport(
        events=len(check.seen) + check.bare, seals=len(check.hashes), unsealed=check.bare,
        findings=tuple(check.findings), heads=check.heads,
    )  # fmt: skip


class _Check:
    def __init__(self, connection: Connection, key: bytes | None) -> None:
        self._connection = connection
        self._key = key
        self.findings: list[Finding] = []
        self.heads: dict[UUID, tuple[int, bytes]] = {}
        self.hashes: set[bytes] = set()
        self.seen: set[UUID] = set()
        self.bare = 0

    def seals(self) -> None:
        """Each chain from its first seal to its last."""
        beginnings: list[tuple[UUID, bytes]] = []
        with self._connection.cursor(name="seals") as cursor:
            cursor.itersize = 200
            cursor.execute(SEALS)
            for row in cursor:
                chain, number, previous = row[0], row[1], bytes(row[2])
                last = self.heads.get(chain)
                expected = last[0] + 1 if last is not None else 0
                if number != expected:
                    self._find("seal-missing", f"{chain}/{expected}", f"next there is {number}")
                elif last is None:
                    beginnings.append((chain, previous))
                elif previous != last[1]:
                    self._find(
                        "seal-edited", f"{chain}/{number}", "it does not follow the one before"
                    )
                self._seal(row)
                self.heads[chain] = (number, bytes(row[5]))
                self.hashes.add(bytes(row[5]))
        for chain, previous in beginnings:
            if previous != GENESIS and previous not in self.hashes:
                self._find("seal-missing", f"{chain}/0", "the seal of another chain it follows")

    def _seal(self, row: tuple[Any, ...]) -> None:
        chain, number, previous, members, sealed_at, noted, signature = row
        where = f"{chain}/{number}"
        events = self._events(members, where)
        digests = [events.get(member, bytes(32)) for member in members]
        sealed = seal_hash(chain, number, bytes(previous), sealed_at, digests)
        complete = all(member in events for member in members)
        if complete and sealed != bytes(noted):
            self._find("seal-edited", where, "its hash is not that of what it seals")
        if self._key is not None and signature_of(self._key, bytes(noted)) != bytes(signature):
            self._find("seal-forged", where, "its signature is not the stack's")

    def _events(self, members: list[UUID], where: str) -> dict[UUID, bytes]:
        """Digests as stored, of the members that are there; edited ones are found on the way."""
        digests = {}
        for row in self._connection.execute(EVENTS, (members,)).fetchall():
            digests[row[0]] = self._event(row)
        for member in members:
            if member not in digests:
                self._find("event-missing", str(member), f"sealed by {where}")
        self.seen.update(digests)
        return digests

    def _event(self, row: tuple[Any, ...]) -> bytes:
        event = AuditEvent.from_row(row)
        stored, signature = bytes(row[-2]), bytes(row[-1])
        if event.digest != stored:
            self._find("event-edited", str(event.id), "its content is not that of its digest")
        if self._key is not None and signature_of(self._key, stored) != signature:
            self._find("event-forged", str(event.id), "its signature is not the stack's")
        return stored

    def unsealed(self) -> None:
        """Events under no seal: counted, and checked by themselves."""
        for row in self._connection.execute(UNSEALED).fetchall():
            self.bare += 1
            self._event(row)

    def noted(self, heads: Mapping[UUID, tuple[int, bytes]]) -> None:
        """Heads that were noted earlier must still be links of their chains."""
        for chain, (number, noted) in heads.items():
            if noted not in self.hashes:
                self._find("head-missing", f"{chain}/{number}", "it was there when it was noted")

    def _find(self, kind: FindingKind, where: str, detail: str) -> None:
        self.findings.append(Finding(kind, where, detail))


def _lines(report: TrailReport) -> Iterator[str]:
    yield f"{report.events} events, {report.seals} seals, {report.unsealed} not sealed yet"
    for finding in report.findings:
        yield f"{finding.kind} {finding.where}: {finding.detail}"
    for chain, (number, head) in report.heads.items():
        yield f"head {chain} {number} {head.hex()}"


def main() -> int:
    """``python -m reference_stack.api.audit_verify``: 0 intact, 1 findings, 2 no database."""
    parser = argparse.ArgumentParser(prog="reference_stack.api.audit_verify", description=__doc__)
    parser.add_argument("--database-url", required=True)
    parser.add_argument(
        "--token-secret-file", type=Path, help="to check signatures: the stack's token secret"
    )
    arguments = parser.parse_args()
    try:
        secret = arguments.token_secret_file
        key = audit_key(secret.read_text(encoding="ascii")) if secret is not None else None
        with psycopg.connect(arguments.database_url, autocommit=True) as connection:
            report = verify_trail(connection, key)
    except (OSError, psycopg.Error) as error:
        sys.stderr.write(f"the trail cannot be read: {str(error).strip()}\n")
        return 2
    sys.stdout.writelines(f"{line}\n" for line in _lines(report))
    return 0 if report.is_intact else 1


if __name__ == "__main__":
    sys.exit(main())

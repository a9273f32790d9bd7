"""B-11 to the letter, measured: an interval of rsync loses what was acknowledged (D-04, D-05)."""

from __future__ import annotations

import os
import subprocess
import uuid
from collections.abc import Iterator

import pytest

from reference_stack import binaries
from reference_stack.documents.ledger import DocumentLedger
from reference_stack.documents.rsync import MODULE, USER
from tests.documents.pair import Pair, running_pair
from tests.documents.places import wait_for

pytestmark = [
    pytest.mark.servers,
    pytest.mark.timeout(120),
    pytest.mark.skipif(binaries.find("rsync") is None, reason="needs rsync"),
]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    directory = tmp_path_factory.mktemp("rsync")
    with running_pair(directory, "rsync-documents", "documents.interval_s=2") as pair:
        yield pair


@pytest.fixture
def literal(running: Pair) -> Pair:
    if not running.health("mac-1"):
        running.service("mac-1").start()
        wait_for(lambda: bool(running.health("mac-1")), "the primary", 40)
    return running


def found(pair: Pair, site: str, document: uuid.UUID) -> bytes | None:
    answer = pair.get(site, document)
    assert answer.status_code in {200, 404}, answer.text
    return answer.content if answer.is_success else None


def test_documents_acknowledged_since_the_last_run_go_with_the_primary(literal: Pair) -> None:
    ledger = DocumentLedger(seed=2, size_bytes=2000)
    early, late = range(5), range(5, 25)
    for number in early:
        literal.put("mac-1", ledger.content(number), document=ledger.document_id(number))
        ledger.record(number, "acknowledged", number)
    for number in early:
        document = ledger.document_id(number)
        wait_for(lambda d=document: found(literal, "mac-2", d) is not None, "rsync")  # type: ignore[misc]
    for number in late:
        answer = literal.put("mac-1", ledger.content(number), document=ledger.document_id(number))
        assert (answer.status_code, answer.json()["durability"]) == (201, "one-node")
        ledger.record(number, "acknowledged", number)
    literal.service("mac-1").kill()
    account = ledger.settle(lambda document: found(literal, "mac-2", document))
    assert account.acknowledged == 25
    assert len(account.lost) > 0
    assert set(account.lost) <= set(late)


def test_the_primary_overwrites_what_was_written_while_it_was_away(literal: Pair) -> None:
    changed, fresh, later = uuid.uuid4(), uuid.uuid4(), uuid.uuid4()
    literal.put("mac-1", b"old", document=changed)
    wait_for(lambda: found(literal, "mac-2", changed) == b"old", "rsync")
    literal.service("mac-1").kill()
    answer = literal.put("mac-2", b"new", document=changed, version=later, replaces=[changed])
    assert answer.status_code == 201
    assert literal.put("mac-2", b"fresh", document=fresh).status_code == 201
    literal.service("mac-1").start()
    wait_for(lambda: bool(literal.health("mac-1")), "the primary", 40)
    wait_for(lambda: found(literal, "mac-1", fresh) == b"fresh", "what the primary lacked")
    for site in ("mac-1", "mac-2"):
        wait_for(lambda site=site: found(literal, site, changed) == b"old", "the primary's copy")  # type: ignore[misc]
        assert literal.get(site, changed, later).status_code == 404


def test_the_daemon_gives_nothing_to_who_lacks_the_secret(literal: Pair) -> None:
    program = binaries.require("rsync").path
    there = literal.addresses.endpoint("mac-2", "documents-rsync")
    answer = subprocess.run(
        [program, f"rsync://{USER}@{there.host}:{there.port}/{MODULE}/"],
        env={**os.environ, "RSYNC_PASSWORD": "a guess"},
        capture_output=True, text=True, check=False, timeout=20,
    )  # fmt: skip
    assert answer.returncode != 0
    assert "auth failed" in answer.stderr

"""B-11 to the letter, measured: an interval of rsync loses what was acknowledged (D-04, D-05)."""

from __future__ import annotations

import asyncio
import os
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from reference_stack import binaries
from reference_stack.documents.health import problems
from reference_stack.documents.ledger import DocumentLedger
from reference_stack.documents.metrics import DocumentMetrics
from reference_stack.documents.records import SHARDS
from reference_stack.documents.rsync import MODULE, USER, RsyncLoop, RsyncTarget
from tests.documents.pair import Pair, running_pair
from tests.waiting import wait_for

pytestmark = [
    pytest.mark.servers,
    pytest.mark.skipif(binaries.find("rsync") is None, reason="needs rsync"),
]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    directory = tmp_path_factory.mktemp("rsync")
    with running_pair(directory, "rsync-documents", "documents.interval_s=5") as pair:
        yield pair


@pytest.fixture
def literal(running: Pair) -> Pair:
    if not running.health("mac-1"):
        running.service("mac-1").start()
        wait_for(lambda: bool(running.health("mac-1")), "the primary")
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
    wait_for(lambda: bool(literal.health("mac-1")), "the primary")
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
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert answer.returncode != 0
    assert "auth failed" in answer.stderr


def test_a_pair_whose_rsync_fails_is_not_whole_and_says_why(literal: Pair) -> None:
    def rsync_problems() -> list[str]:
        return [p for p in problems(literal.design, literal.addresses) if "not copied" in p]

    wait_for(lambda: not rsync_problems(), "rsync's first run", 40)
    literal.service("mac-2", "documents-rsync").kill()
    wait_for(lambda: bool(rsync_problems()), "the complaint", 40)
    (problem,) = rsync_problems()
    assert problem.startswith("mac-1: the documents are not copied to the other node: rsync ended")
    literal.service("mac-2", "documents-rsync").start()
    wait_for(lambda: not rsync_problems(), "the copies again", 40)


def test_a_run_of_rsync_that_never_ends_is_named_too(tmp_path: Path) -> None:
    now_s = 0.0
    target = RsyncTarget(program=Path("/bin/true"), host="127.0.0.1", port=1)
    loop = RsyncLoop(
        target, tmp_path, "secret", interval_s=5, metrics=DocumentMetrics(), clock=lambda: now_s
    )
    assert loop.complaint() == "it has not run yet"
    assert asyncio.run(loop.synchronise())
    assert loop.complaint() is None
    now_s = 24.0
    assert loop.complaint() is None
    now_s = 26.0
    assert loop.complaint() == "rsync has not ended a run for 26 s"


def test_a_change_within_the_second_of_the_last_copy_is_copied_too(literal: Pair) -> None:
    """Equal in size and in whole seconds of age, it looks unchanged to rsync's usual comparison."""
    document, *versions = (uuid.uuid4() for _ in range(3))
    name = f"{document.int % SHARDS:02x}/{document}.current.json"
    here, there = (literal.folder(site) / "versions" / name for site in ("mac-1", "mac-2"))
    literal.put("mac-1", b"old", document=document)
    literal.put("mac-1", b"one", document=document, version=versions[0], replaces=[document])
    wait_for(lambda: literal.get("mac-2", document, versions[0]).status_code == 200, "rsync")
    copied = there.stat()
    literal.put("mac-1", b"two", document=document, version=versions[1], replaces=[document])
    second_ns = 10**9
    changed_ns = copied.st_mtime_ns // second_ns * second_ns + second_ns - 1
    os.utime(here, ns=(changed_ns, changed_ns))
    assert here.stat().st_size == copied.st_size
    wait_for(lambda: literal.get("mac-2", document, versions[1]).status_code == 200, "the change")

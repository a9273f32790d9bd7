"""Two real document services and the bucket: what they promise, through kills and silence."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterator

import httpx
import pytest

from reference_stack.documents.health import problems
from reference_stack.documents.ledger import DocumentLedger
from tests.documents.pair import NODES, Pair, running_pair
from tests.waiting import wait_for

pytestmark = pytest.mark.servers


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    with running_pair(tmp_path_factory.mktemp("pair")) as made:
        yield made


@pytest.fixture(autouse=True)
def whole(pair: Pair) -> None:
    pair.wait_until_paired()


def test_a_document_acknowledged_by_both_is_on_both_disks_and_soon_in_the_bucket(
    pair: Pair,
) -> None:
    document, content = uuid.uuid4(), os.urandom(300_000)
    answer = pair.put("mac-1", content, document=document)
    assert (answer.status_code, answer.json()["durability"]) == (201, "both-nodes")
    sha256 = answer.json()["record"]["sha256"]
    for site in NODES:
        assert (pair.folder(site) / "blobs" / sha256[0] / sha256).read_bytes() == content
    pair.wait_until_sent("mac-1")
    emergency = pair.get("gcp", document)
    assert (emergency.content, emergency.headers["content-type"]) == (content, "application/pdf")
    assert problems(pair.design, pair.addresses) == []


def test_a_repeated_request_is_one_version_whichever_node_it_reaches(pair: Pair) -> None:
    document = uuid.uuid4()
    assert pair.put("mac-1", b"once", document=document).status_code == 201
    for site in NODES:
        again = pair.put(site, b"once", document=document)
        assert (again.status_code, again.json()["durability"]) == (200, "both-nodes")
        assert len(pair.state(site, document)["versions"]) == 1
    assert pair.put("mac-2", b"other", document=document).status_code == 409


def test_without_the_secret_nothing_is_told(pair: Pair) -> None:
    for path in ("/peer/digests", f"/documents/{uuid.uuid4()}"):
        assert httpx.get(pair.url("mac-1") + path, timeout=60).status_code == 401


def test_killing_the_node_that_acknowledged_loses_nothing(pair: Pair) -> None:
    ledger = DocumentLedger(seed=1, size_bytes=20_000)
    for number in range(20):
        if number == 12:
            pair.service("mac-1").kill()
        site = "mac-1" if number < 12 else "mac-2"
        answer = pair.put(site, ledger.content(number), document=ledger.document_id(number))
        ledger.record(number, "acknowledged" if answer.is_success else "unknown", number)
    account = ledger.settle(lambda document: found(pair, "mac-2", document))
    assert (account.acknowledged, account.lost, account.changed) == (20, (), ())
    assert pair.metric("mac-2", "documents_degraded") == 1
    assert any("degraded" in problem for problem in problems(pair.design, pair.addresses))
    pair.service("mac-1").start()
    pair.wait_until_paired()
    account = ledger.settle(lambda document: found(pair, "mac-1", document))
    assert (account.acknowledged, account.lost, account.changed) == (20, (), ())


def found(pair: Pair, site: str, document: uuid.UUID) -> bytes | None:
    answer = pair.get(site, document)
    assert answer.status_code in {200, 404}, answer.text
    return answer.content if answer.is_success else None


def test_a_silent_node_delays_one_put_then_is_declared_lost_in_the_journal(pair: Pair) -> None:
    pair.freeze("mac-2")
    try:
        answer = pair.put("mac-1", b"while the other is silent")
        assert (answer.status_code, answer.json()["durability"]) == (201, "one-node")
        assert answer.elapsed.total_seconds() > 1.0
        # Whoever waits for the other waits every time; a busy machine is not slow every time.
        later = [pair.put("mac-1", b"at once").elapsed.total_seconds() for _ in range(5)]
        assert min(later) < 1.5
    finally:
        pair.thaw("mac-2")
    lines = (pair.folder("mac-1") / "pairing.jsonl").read_text().splitlines()
    assert "degraded" in [json.loads(line)["state"] for line in lines]
    pair.wait_until_paired()


def test_changes_made_apart_are_both_kept_and_said_to_be_a_conflict(pair: Pair) -> None:
    document, left, right, judged = (uuid.uuid4() for _ in range(4))
    pair.put("mac-1", b"first", document=document)
    pair.freeze("mac-2")
    try:
        pair.put("mac-1", b"left", document=document, version=left, replaces=[document])
    finally:
        pair.thaw("mac-2")
    pair.put("mac-2", b"right", document=document, version=right, replaces=[document])
    pair.wait_until_paired()
    for site in NODES:
        wait_for(lambda site=site: len(heads(pair, site, document)) == 2, "both versions")  # type: ignore[misc]
        assert pair.state(site, document)["conflict"] is True
        assert pair.get(site, document, left).content == b"left"
        assert pair.get(site, document, right).content == b"right"
    pair.put("mac-1", b"judged", document=document, version=judged, replaces=[left, right])
    assert heads(pair, "mac-2", document) == {str(judged)}


def heads(pair: Pair, site: str, document: uuid.UUID) -> set[str]:
    return set(pair.state(site, document)["heads"])


@pytest.mark.parametrize("damage", ["flipped", "missing"])
def test_a_damaged_content_is_never_given_out_and_mended_from_the_other_node(
    damage: str, pair: Pair
) -> None:
    document, content = uuid.uuid4(), os.urandom(5000)
    sha256 = pair.put("mac-1", content, document=document).json()["record"]["sha256"]
    path = pair.folder("mac-1") / "blobs" / sha256[0] / sha256
    if damage == "flipped":
        path.write_bytes(bytes([content[0] ^ 1]) + content[1:])
    else:
        path.unlink()
    assert pair.get("mac-1", document).content == content
    assert path.read_bytes() == content


def test_the_outbox_survives_a_dead_bucket_and_a_kill(pair: Pair) -> None:
    document = uuid.uuid4()
    pair.service("gcp", "bucket").kill()
    answer = pair.put("mac-1", b"for later", document=document)
    assert answer.json()["durability"] == "both-nodes"
    assert pair.metric("mac-1", "documents_outbox_size") >= 1
    assert pair.metric("mac-1", "documents_outbox_oldest_seconds") > 0
    pair.service("mac-1").kill()
    pair.service("mac-1").start()
    pair.service("gcp", "bucket").start()
    pair.wait_until_sent("mac-1")
    wait_for(lambda: pair.get("gcp", document).content == b"for later", "the upload")


def test_what_the_emergency_site_wrote_comes_back_to_the_hospital(pair: Pair) -> None:
    document, later = uuid.uuid4(), uuid.uuid4()
    assert pair.put("mac-1", b"before", document=document).is_success
    pair.wait_until_sent("mac-1")
    for site in NODES:
        pair.service(site).kill()
    answer = pair.put("gcp", b"meanwhile", document=document, version=later, replaces=[document])
    assert (answer.status_code, answer.json()["durability"]) == (201, "bucket")
    for site in NODES:
        pair.service(site).start()
    pair.wait_until_paired()
    for site in NODES:
        wait_for(lambda site=site: heads(pair, site, document) == {str(later)}, "the way back")  # type: ignore[misc]
        assert pair.get(site, document, later).content == b"meanwhile"
        assert pair.get(site, document).content == b"before"


def test_a_polite_end_is_a_success_and_quick(pair: Pair) -> None:
    assert pair.service("mac-2").terminate() == 0
    pair.service("mac-2").start()

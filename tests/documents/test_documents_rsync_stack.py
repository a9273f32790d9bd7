"""B-11 to the letter on a whole stack: acknowledged documents go with one node (D-04, D-05)."""

from __future__ import annotations

import time
import uuid
from pathlib import Path

import httpx
import pytest

from architecture import load_design
from reference_stack import binaries
from reference_stack.bringup import running
from reference_stack.documents.ledger import DocumentLedger
from reference_stack.handle import StackHandle
from tests.documents.clinic import (
    Clinic,
    clinic_on,
    direct,
    file_until_acknowledged,
    read_back,
    send_until_acknowledged,
    tell,
)
from tests.waiting import wait_for

pytestmark = [
    pytest.mark.stack,
    pytest.mark.timeout(900),
    pytest.mark.skipif(binaries.find("rsync") is None, reason="needs rsync"),
]

#: Nodes with database, API and documents, and a balancer: nothing that no document passes.
SMALL = (
    "sites.mac-1.services=[etcd, database, documents, api]",
    "sites.mac-2.services=[etcd, database, documents, api]",
    "companions=null",
    "sites.edge-2=null",
    "sites.gcp=null",
    "database.cloud_standby=null",
    "database.backup=null",
    "failures=null",
    "cache=null",
    "emergency=null",
    "fallback=null",
    "edge.tls=false",
    "workload.users=2",
)
PRIMARY, OTHER = "mac-1", "mac-2"
#: Documents of one attempt: well within an interval of rsync's 5 s.
EACH = 5
ATTEMPTS = 3


def test_acknowledged_documents_are_gone_with_their_node_and_the_primarys_return_undoes_changes(
    tmp_path: Path,
) -> None:
    design = load_design("rsync-documents", SMALL)
    with (
        running(design, tmp_path, instance=None, seed=1, progress=tell) as stack,
        clinic_on(stack) as clinic,
    ):
        assert stack.primary() == PRIMARY
        ledger = DocumentLedger(seed=5, size_bytes=2000)
        copied = ledger.document_id(0)
        send_until_acknowledged(clinic, ledger, 0, time.monotonic())
        wait_for(lambda: direct(stack, OTHER, copied) is not None, "rsync's first copy")

        lost = power_lost_after_a_pass(clinic, ledger)
        assert 0 not in lost
        for number in lost:
            # The patient's record still names what nobody has.
            named = clinic.client.get(f"/v1/documents/{ledger.document_id(number)}")
            assert named.status_code == 200
            gone = clinic.client.get(version_path(ledger.document_id(number)))
            assert (gone.status_code, gone.json()["type"].rpartition(":")[2]) == (
                404, "document-lost",
            )  # fmt: skip

        later = uuid.uuid4()
        file_until_acknowledged(
            clinic, f"/v1/documents/{copied}/versions", later, b"changed meanwhile",
            **{"If-Match": f'"{copied}"'},
        )  # fmt: skip
        assert read_back(clinic, copied, later) == b"changed meanwhile"

        power_back(stack)
        wait_for(lambda: runs(stack) >= 1, "rsync's first run after the return")
        for site in (PRIMARY, OTHER):
            assert direct(stack, site, copied) == ledger.content(0)
            assert direct(stack, site, copied, later) is None
        assert read_back(clinic, copied, later) is None
        tell(f"rsync: {len(lost)} of {EACH} documents gone, and one change made meanwhile")


def power_lost_after_a_pass(clinic: Clinic, ledger: DocumentLedger) -> tuple[int, ...]:
    """The numbers of acknowledged documents that are gone with the primary's node.

    They are filed right after a run of rsync's. Should the machine be so busy that the next run
    comes before the power goes, it is tried again.
    """
    stack = clinic.stack
    for attempt in range(ATTEMPTS):
        first = 1 + attempt * EACH
        before = runs(stack)
        wait_for(lambda before=before: runs(stack) > before, "a run of rsync's")  # type: ignore[misc]
        for number in range(first, first + EACH):
            send_until_acknowledged(clinic, ledger, number, time.monotonic())
        stack.lose_power(PRIMARY)
        wait_for(lambda: stack.primary() == OTHER, "the other node's promotion")
        account = ledger.settle(lambda document: read_back(clinic, document))
        assert (account.acknowledged, account.changed) == (first + EACH, ())
        if account.lost:
            assert set(account.lost) <= set(range(first, first + EACH))
            return account.lost
        power_back(stack)
    raise AssertionError(f"rsync was faster than {ATTEMPTS} losses of power")


def power_back(stack: StackHandle) -> None:
    stack.kill(PRIMARY)
    stack.start(PRIMARY)
    wait_for(lambda: not stack.whole(), "the whole stack")


def runs(stack: StackHandle) -> int:
    """How many runs of rsync, both ways, the primary has finished since it was started."""
    url = f"{stack.endpoint(PRIMARY, 'documents').url}/metrics"
    lines = httpx.get(url, timeout=60, trust_env=False).text.splitlines()
    name = "documents_rsync_run_seconds_count "
    return next(int(float(line.removeprefix(name))) for line in lines if line.startswith(name))


def version_path(document: uuid.UUID) -> str:
    return f"/v1/documents/{document}/versions/{document}"

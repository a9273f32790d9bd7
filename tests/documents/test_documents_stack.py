"""The promise on the whole stack: a power loss of the primary takes no acknowledged document."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import httpx
import pytest

from architecture import load_design, overrides_without
from reference_stack.bringup import running
from reference_stack.documents.health import problems
from reference_stack.documents.ledger import DocumentLedger
from reference_stack.handle import StackHandle
from tests.documents.clinic import (
    Clinic,
    clinic_on,
    direct,
    read_back,
    send_until_acknowledged,
    tell,
)
from tests.waiting import wait_for

pytestmark = [pytest.mark.stack, pytest.mark.timeout(900)]

WITHOUT_MODEL = (
    "workload.users=5",
    *overrides_without("local", "inference"),
)
DOCUMENTS = 60
LOSS_AFTER = 20


@pytest.fixture(scope="module")
def clinic(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clinic]:
    directory = tmp_path_factory.mktemp("stack")
    design = load_design("local", [*WITHOUT_MODEL, "edge.tls=false"])
    with (
        running(design, directory, instance=None, seed=1, progress=tell) as stack,
        clinic_on(stack) as clinic,
    ):
        yield clinic


def test_the_loss_of_the_primary_loses_no_acknowledged_document(clinic: Clinic) -> None:
    stack = clinic.stack
    assert problems(stack.design, stack.addresses) == []
    ledger = DocumentLedger(seed=3, size_bytes=20_000)
    primary = stack.primary()
    assert primary is not None
    loss = threading.Thread(target=stack.kill, args=(primary,))
    started = time.monotonic()
    for number in range(DOCUMENTS):
        if number == LOSS_AFTER:
            loss.start()
        send_until_acknowledged(clinic, ledger, number, started)
    loss.join()
    account = ledger.settle(lambda document: read_back(clinic, document))
    tell(f"documents: {account}, the last after {ledger.entries[-1].at_s:.1f} s")
    assert account.acknowledged == DOCUMENTS
    assert (account.lost, account.changed) == ((), ())

    stack.start(primary)
    survivor = next(site for site in stack.hospital_sites if site != primary)
    wait_for(lambda: not problems(stack.design, stack.addresses), "the pair")
    wait_for(lambda: unsent(stack, survivor) == 0, "the outbox")
    for site in (primary, "gcp"):
        account = ledger.settle(lambda document, site=site: direct(stack, site, document))  # type: ignore[misc]
        assert (account.lost, account.changed) == ((), ()), site


def unsent(stack: StackHandle, site: str) -> int:
    url = f"{stack.endpoint(site, 'documents').url}/health"
    return int(httpx.get(url, timeout=60, trust_env=False).json()["unsent"])

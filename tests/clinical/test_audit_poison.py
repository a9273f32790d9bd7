"""Nothing a client writes into an address keeps the trail from taking events."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from reference_stack.api.audit_spool import Spool
from reference_stack.api.audit_trail import PAUSE_S
from tests.api.api_server import api_settings, problem, serving
from tests.api.postgres_server import PostgresServer
from tests.api.upstream import wait_until
from tests.clinical.test_audit import an_event, shipped
from tests.clinical.ward import Ward, key, some_patient


def test_an_event_that_no_database_takes_is_set_aside_and_the_others_go_on(tmp_path: Path) -> None:
    spool, good = Spool(tmp_path), [an_event(number) for number in range(2)]
    for event in (good[0], replace(good[0], route="PUT /\x00"), good[1]):
        spool.append(event)
    assert shipped(Spool(tmp_path)) == good
    assert len(list(tmp_path.glob("*.damaged"))) == 1


@pytest.mark.servers
@pytest.mark.parametrize("name", ["a%00b", "%0a", "%ff", "x" * 5000])
def test_an_account_that_can_be_none_is_denied_and_the_trail_goes_on(
    name: str, shared_server: PostgresServer
) -> None:
    """A text that PostgreSQL can't store would wait on the disk for good, and others behind it."""
    settings = api_settings(shared_server.url("hospital"))
    with serving(settings) as client:
        ward = Ward(client, settings, shared_server)
        headers = {**key(), **ward.as_role("nurse"), "Content-Type": "image/png"}
        denied = client.put(f"/v1/clinicians/{name}/face", content=b"x", headers=headers)
        assert problem(denied) == (403, "not-permitted")
        wait_until(lambda: ward.events_of(denied), 20 * PAUSE_S)
        looked = ward.get(f"/v1/patients/{some_patient()}")
        wait_until(lambda: ward.events_of(looked), 20 * PAUSE_S)
        assert settings.audit_folder is not None
        wait_until(lambda: not list(settings.audit_folder.glob("*.jsonl")), 20 * PAUSE_S)

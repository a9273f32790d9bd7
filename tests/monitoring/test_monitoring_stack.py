"""A real stack is watched: every target up, and a dead standby is told within seconds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest

from architecture import load_design, overrides_without
from reference_stack.bringup import running
from reference_stack.handle import StackHandle
from reference_stack.monitoring.alerts import active_alerts, received_alerts
from reference_stack.monitoring.health import problems
from reference_stack.monitoring.sink import ReceivedAlert
from tests.stack.conftest import tell
from tests.stack.processes import wait_for

pytestmark = [pytest.mark.stack, pytest.mark.timeout(400)]

WITHOUT_LANGUAGE_MODEL = (
    "workload.users=5",
    *overrides_without("local", "inference"),
)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackHandle]:
    design = load_design("local", WITHOUT_LANGUAGE_MODEL)
    directory = tmp_path_factory.mktemp("watched")
    with running(design, directory, instance=None, seed=1, progress=tell) as handle:
        yield handle


def received(stack: StackHandle, name: str, form: str) -> list[ReceivedAlert]:
    return [
        alert
        for alert in received_alerts(stack.design, stack.addresses)
        if alert.name == name and alert.labels.get("form") == form and alert.status == "firing"
    ]


def test_every_target_is_up_and_no_alert_of_the_documents_fires(stack: StackHandle) -> None:
    wait_for(lambda: not problems(stack.design, stack.addresses), "every target", 90)
    forms = {alert.form for alert in active_alerts(stack.design, stack.addresses)}
    assert forms <= {""}


def test_a_dead_standby_is_told_by_the_mended_alerts_and_the_literal_ones_are_late_or_silent(
    stack: StackHandle, record_property: Callable[[str, object], None]
) -> None:
    wait_for(lambda: not problems(stack.design, stack.addresses), "every target", 90)
    standby = next(site for site in stack.hospital_sites if site != stack.primary())
    killed_at = datetime.now(UTC)
    stack.kill(standby)
    wait_for(lambda: bool(received(stack, "MacStudioDown", "mended")), "MacStudioDown")
    wait_for(lambda: bool(received(stack, "HAClusterDegraded", "mended")), "HAClusterDegraded")
    for name in ("MacStudioDown", "HAClusterDegraded"):
        (alert,) = received(stack, name, "mended")
        after_s = (alert.received_at - killed_at).total_seconds()
        record_property(f"{name}_s", after_s)
        tell(f"{name} arrived {after_s:.1f} s after the death of {standby}")
    (down,) = received(stack, "MacStudioDown", "mended")
    assert down.labels["site"] == standby
    assert stack.design.failover is not None
    promised = timedelta(seconds=stack.design.failover.promised_s)
    assert down.received_at - killed_at < promised
    # D-07: it is not even pending. D-08: it waits until the failover should be over.
    assert not received(stack, "MacStudioDown", "literal")
    states = {
        (alert.name, alert.form): alert.state
        for alert in active_alerts(stack.design, stack.addresses)
    }
    assert ("HAClusterDegraded", "literal") not in states
    assert states["MacStudioDown", "literal"] == "pending"

    wait_for(
        lambda: not problems(stack.design, stack.addresses, known_off=[standby]),
        "no problem but those of a site that is known to be off", 60,
    )  # fmt: skip
    assert problems(stack.design, stack.addresses) != []

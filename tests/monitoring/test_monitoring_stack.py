"""A real stack is watched: every target up, and a dead standby is told within seconds."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
import yaml

from architecture import load_design, overrides_without
from reference_stack.bringup import running
from reference_stack.handle import StackHandle
from reference_stack.monitoring.alerts import active_alerts, received_alerts
from reference_stack.monitoring.grafana.files import DATASOURCES
from reference_stack.monitoring.health import problems
from reference_stack.monitoring.panels import columns
from reference_stack.monitoring.sink import ReceivedAlert
from tests.monitoring.test_grafana import expressions
from tests.stack.conftest import tell
from tests.waiting import wait_for

pytestmark = [pytest.mark.stack, pytest.mark.timeout(900)]

PROJECT = Path(__file__).parents[2]
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


def received(stack: StackHandle, name: str, form: str, since: datetime) -> list[ReceivedAlert]:
    """Those that arrived since then: a stack that starts slowly is told of too."""
    return [
        alert
        for alert in received_alerts(stack.design, stack.addresses)
        if (alert.name, alert.labels.get("form"), alert.status) == (name, form, "firing")
        and alert.received_at >= since
    ]


def test_every_target_is_up_and_no_alert_of_the_documents_fires(stack: StackHandle) -> None:
    wait_for(lambda: not problems(stack.design, stack.addresses), "every target", 180)
    forms = {alert.form for alert in active_alerts(stack.design, stack.addresses)}
    assert forms <= {""}


def test_grafana_gets_an_answer_to_its_questions_from_the_prometheus_it_is_pointed_at(
    stack: StackHandle, tmp_path: Path
) -> None:
    answer = subprocess.run(
        [sys.executable, "-m", "cli.main", "stack", "grafana", "--json",
         "--into", tmp_path / "grafana", "--dir", stack.directory],
        capture_output=True, text=True, check=False, cwd=PROJECT,
    )  # fmt: skip
    assert answer.returncode == 0, answer.stderr
    read = {Path(path).name: Path(path) for path in json.loads(answer.stdout)["files"]}
    sources = yaml.safe_load((tmp_path / "grafana" / DATASOURCES).read_text())["datasources"]
    urls = {source["type"]: source["url"] for source in sources}
    assert httpx.get(f"{urls['alertmanager']}/-/ready", timeout=5).is_success
    document = json.loads(read["failover.json"].read_text())

    def silent() -> set[str]:
        found = set()
        for name, query in expressions(document).items():
            asked = httpx.get(
                f"{urls['prometheus']}/api/v1/query", params={"query": query}, timeout=10
            )
            assert asked.status_code == 200, (name, query, asked.text)
            if not asked.json()["data"]["result"]:
                found.add(name)
        return found

    # Nothing alerts, nothing has failed, and this stack has no language model.
    titles = [column.title for column in columns(stack.design)]
    expected = {
        "Alerts A", "Parts that do not answer A", "Alerts: critical", "Alerts: warning",
        "Errors (5xx) by site A", "Failed attempts of the probe A",
        "Chats waiting for a model A", f"Sites C{titles.index('Model')}",
    }  # fmt: skip
    wait_for(lambda: silent() <= expected, "an answer to every other question", 120)
    sites = httpx.get(
        f"{urls['prometheus']}/api/v1/label/site/values", params={"match[]": "up"}, timeout=10
    ).json()["data"]
    assert set(sites) == set(stack.design.sites)


def test_a_dead_standby_is_told_by_the_mended_alerts_and_the_literal_ones_are_late_or_silent(
    stack: StackHandle, record_property: Callable[[str, object], None]
) -> None:
    wait_for(lambda: not problems(stack.design, stack.addresses), "every target", 180)
    standby = next(site for site in stack.hospital_sites if site != stack.primary())
    killed_at = datetime.now(UTC)
    stack.kill(standby)
    wait_for(
        lambda: bool(received(stack, "MacStudioDown", "mended", killed_at)), "MacStudioDown", 120
    )
    wait_for(
        lambda: bool(received(stack, "HAClusterDegraded", "mended", killed_at)),
        "HAClusterDegraded",
        120,
    )
    for name in ("MacStudioDown", "HAClusterDegraded"):
        (alert,) = received(stack, name, "mended", killed_at)
        after_s = (alert.received_at - killed_at).total_seconds()
        record_property(f"{name}_s", after_s)
        tell(f"{name} arrived {after_s:.1f} s after the death of {standby}")
    (down,) = received(stack, "MacStudioDown", "mended", killed_at)
    assert down.labels["site"] == standby
    assert stack.design.failover is not None
    promised = timedelta(seconds=stack.design.failover.promised_s)
    assert down.received_at - killed_at < promised
    # D-08: the document's waits until the failover should be over. D-07: it is not even pending.
    wait_for(
        lambda: bool(received(stack, "MacStudioDown", "literal", killed_at)), "the literal one", 180
    )
    literal = received(stack, "MacStudioDown", "literal", killed_at)[0]
    assert literal.received_at - killed_at >= promised
    states = {
        (alert.name, alert.form): alert.state
        for alert in active_alerts(stack.design, stack.addresses)
    }
    assert ("HAClusterDegraded", "literal") not in states

    wait_for(
        lambda: not problems(stack.design, stack.addresses, known_off=[standby]),
        "no problem but those of a site that is known to be off", 120,
    )  # fmt: skip
    assert problems(stack.design, stack.addresses) != []

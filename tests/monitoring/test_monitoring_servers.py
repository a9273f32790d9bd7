"""The real Prometheus, Alertmanager and sink take the files that are rendered for them."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import yaml

from architecture import Design, load_design
from reference_stack import binaries
from reference_stack.addresses import Endpoint, Network, plan
from reference_stack.monitoring import alertmanager, prometheus
from reference_stack.monitoring.console import PAGE, failover_page
from reference_stack.monitoring.health import ask
from reference_stack.monitoring.pace import Pace
from reference_stack.monitoring.panels import charts
from reference_stack.monitoring.sink import SinkSettings
from reference_stack.monitoring.targets import jobs
from tests.monitoring.promtool import promtool, write_rules
from tests.ports import free_port
from tests.waiting import wait_for

pytestmark = pytest.mark.servers

PROJECT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def design() -> Design:
    return load_design("local")


def program(name: str) -> Path:
    found = binaries.find(name)
    assert found is not None, binaries.MENDING
    return found.path


def free_endpoint() -> Endpoint:
    return Endpoint("127.0.0.1", free_port())


@contextmanager
def process(argv: list[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as output:
        running = subprocess.Popen(argv, stdout=output, stderr=output, cwd=PROJECT)
    try:
        yield running
    finally:
        running.kill()
        running.wait()


def answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=10).is_success
    except httpx.HTTPError:
        return False


@contextmanager
def running_prometheus(
    design: Design, folder: Path
) -> Iterator[tuple[Endpoint, subprocess.Popen[bytes]]]:
    """Prometheus with the design's rules and page; none of the design's targets exists."""
    here = free_endpoint()
    consoles = folder / "consoles"
    consoles.mkdir()
    (consoles / PAGE).write_text(failover_page(design), encoding="utf-8")
    config = folder / "prometheus.yml"
    config.write_text(
        yaml.safe_dump(prometheus.configuration(design, [], write_rules(design, folder), None))
    )
    argv = prometheus.command(
        program("prometheus"), config, listen=here, data=folder / "data", consoles=consoles
    )
    with process(argv, folder / "prometheus.log") as running:
        wait_for(lambda: answers(f"{here.url}/-/ready"), "Prometheus")
        yield here, running


@pytest.mark.parametrize("network", ["namespaces", "addresses", "ports"])
def test_prometheus_accepts_its_configuration_in_every_kind_of_network(
    network: Network, design: Design, tmp_path: Path
) -> None:
    addresses = plan(tuple(design.sites), 7, network)
    found = jobs(design, addresses, ("postgres-exporter", "redis-exporter", "alertmanager"))
    endpoints = [target.endpoint for job in found if not job.only_up for target in job.targets]
    assert len(set(endpoints)) == len(endpoints)
    config = tmp_path / "prometheus.yml"
    receiver = addresses.endpoint("edge-2", "alertmanager")
    document = prometheus.configuration(design, found, write_rules(design, tmp_path), receiver)
    config.write_text(yaml.safe_dump(document))
    check = subprocess.run(
        [promtool(), "check", "config", config], capture_output=True, text=True, check=False
    )
    assert check.returncode == 0, check.stdout + check.stderr


def test_every_part_of_the_design_is_watched(design: Design) -> None:
    addresses = plan(tuple(design.sites), 7)
    found = jobs(design, addresses, ("postgres-exporter", "redis-exporter", "alertmanager"))
    watched = {job.name: [target.site for target in job.targets] for job in found}
    assert watched == {
        "mac-studio": ["mac-1", "mac-2"],
        "api": ["mac-1", "mac-2", "gcp"],
        "inference": ["mac-1", "mac-2", "gcp"],
        "haproxy": ["edge", "edge-2", "gcp"],
        "patroni": ["mac-1", "mac-2", "gcp"],
        "database-keeper": ["mac-1", "mac-2", "gcp"],
        "etcd": ["mac-1", "mac-2", "edge", "gcp"],
        "postgres": ["mac-1", "mac-2", "gcp"],
        "redis": ["mac-1", "mac-2"],
        "documents": ["mac-1", "mac-2", "gcp"],
        "fallback": ["gcp"],
        "failure-detector": ["edge"],
        "probe": ["edge-2"],
        "prometheus": ["edge-2"],
        "alertmanager": ["edge-2"],
    }


def test_what_this_machine_lacks_has_no_target(design: Design) -> None:
    found = {job.name for job in jobs(design, plan(tuple(design.sites), 7), ())}
    assert not found & {"postgres", "redis", "alertmanager"}


def test_the_failover_page_is_whole_even_before_anything_was_measured(
    design: Design, tmp_path: Path
) -> None:
    with running_prometheus(design, tmp_path) as (here, _running):
        answer = httpx.get(f"{here.url}/consoles/{PAGE}", timeout=60)
        assert answer.status_code == 200, answer.text
        # Nothing of a template is left over, and what is not known is said, not left empty.
        assert "{{" not in answer.text
        assert "<!--" not in answer.text
        assert answer.text.count("nobody") == 3
        # It works on a machine without the internet.
        assert re.findall(r'(?:src|href)="(?!data:)', answer.text) == []
        queries = re.findall(r'"query": ("(?:[^"\\]|\\.)*")', answer.text)
        assert len(queries) == len(charts(design))
        for query in map(json.loads, queries):
            asked = httpx.get(f"{here.url}/api/v1/query", params={"query": query}, timeout=60)
            assert asked.status_code == 200, asked.text
        rules = ask(here, "/api/v1/rules")
        groups = {group["name"] for group in rules["groups"]}
        assert groups == {"literal", "mended", "indicators", "error-budget", "operations"}
        wait_for(
            lambda: any(a["labels"]["alertname"] == "Watchdog" for a in alerts(here)),
            "the watchdog",
        )


def alerts(here: Endpoint) -> list[dict[str, dict[str, str]]]:
    found: list[dict[str, dict[str, str]]] = ask(here, "/api/v1/alerts")["alerts"]
    return found


@contextmanager
def running_sink(folder: Path) -> Iterator[tuple[Endpoint, Path, subprocess.Popen[bytes]]]:
    here, file = free_endpoint(), folder / "alerts.jsonl"
    settings = folder / "sink.json"
    settings.write_text(SinkSettings(host=here.host, port=here.port, file=file).model_dump_json())
    argv = [sys.executable, "-m", "reference_stack.monitoring.sink", "--settings", str(settings)]
    with process(argv, folder / "sink.log") as running:
        wait_for(lambda: answers(f"{here.url}/health"), "the sink")
        yield here, file, running


def test_an_alert_comes_through_alertmanager_into_the_sinks_file_and_so_does_its_end(
    tmp_path: Path,
) -> None:
    pace = Pace(scrape_s=1, scrape_timeout_s=1, evaluation_s=0.2)
    manager = free_endpoint()
    labels = {"alertname": "MacStudioDown", "site": "mac-2", "form": "mended"}
    with running_sink(tmp_path) as (sink, file, running):
        config = tmp_path / "alertmanager.yml"
        config.write_text(yaml.safe_dump(alertmanager.configuration(pace, sink)))
        argv = alertmanager.command(
            program("alertmanager"), config, listen=manager, data=tmp_path / "data"
        )

        def post(alert: dict[str, object]) -> None:
            url = f"{manager.url}/api/v2/alerts"
            httpx.post(url, json=[alert], timeout=60).raise_for_status()

        def lines() -> list[dict[str, object]]:
            return [json.loads(line) for line in file.read_text().splitlines()]

        with process(argv, tmp_path / "alertmanager.log"):
            wait_for(lambda: answers(f"{manager.url}/-/ready"), "Alertmanager")
            begun = "2026-01-02T03:04:05Z"
            post({"labels": labels, "annotations": {"summary": "down"}, "startsAt": begun})
            # A dead Mac's parts are not told one by one.
            part = {"alertname": "ComponentDown", "site": "mac-2", "job": "etcd"}
            post({"labels": part, "startsAt": begun})
            wait_for(lambda: len(lines()) >= 1, "the alert")
            post({"labels": labels, "startsAt": begun, "endsAt": "2026-01-02T03:05:05Z"})
            wait_for(lambda: len(lines()) >= 2, "its end")
        told = httpx.get(f"{sink.url}/alerts", timeout=60).json()["alerts"]
        assert told == lines()
        assert [(a["name"], a["status"]) for a in told[:2]] == [
            ("MacStudioDown", "firing"), ("MacStudioDown", "resolved"),
        ]  # fmt: skip
        assert told[0]["labels"] == labels
        assert told[0]["starts_at"] == begun
        assert told[0]["ends_at"] is None
        assert told[1]["ends_at"] is not None
        running.send_signal(signal.SIGTERM)
        assert running.wait(60) == 0


def test_the_sink_refuses_what_is_no_alert(tmp_path: Path) -> None:
    with running_sink(tmp_path) as (sink, file, _):
        for body in (b"", b"{}", b'{"alerts": [{}]}'):
            answer = httpx.post(f"{sink.url}{alertmanager.SINK_PATH}", content=body, timeout=60)
            assert answer.status_code == 400
        assert httpx.post(f"{sink.url}/other", content=b"{}", timeout=60).status_code == 404
        assert file.read_text() == ""

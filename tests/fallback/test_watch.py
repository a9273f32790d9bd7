"""The controller's eyes on real sockets: no target waits for another."""

from __future__ import annotations

import http.server
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest

from architecture import load_design
from reference_stack.addresses import Endpoint
from reference_stack.fallback.decision import Verdict
from reference_stack.fallback.settings import ControllerSettings, PlanSettings
from reference_stack.fallback.watch import Watch
from tests.documents.places import reserved_plan

#: So long that no silent target's first check ends within a test.
SILENT_S = 60
DEADLINE_S = 50.0
DEAD = """\
# pxname,svname,status,check_status
be_api,mac-1,DOWN,L4TOUT
be_api,mac-2,DOWN,L4TOUT
"""


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[ControllerSettings]:
    check = f"{{interval_s: 0.5, timeout_s: {SILENT_S}, fall: 3, rise: 1, fast_interval_s: 0.1}}"
    design = load_design("local", [f"fallback.check={check}"])
    with reserved_plan(list(design.sites)) as addresses:
        yield ControllerSettings(
            site="gcp", design=design, folder=tmp_path / "fallback", directory=tmp_path,
            addresses=PlanSettings(
                instance=addresses.instance, sites=addresses.sites, kind=addresses.kind
            ),
            data_directory=tmp_path, postgresql=tmp_path, superuser_password="x", token="x",
        )  # fmt: skip


@contextmanager
def watching(settings: ControllerSettings) -> Iterator[Watch]:
    watch = Watch(settings)
    try:
        yield watch
    finally:
        watch.close()


@contextmanager
def silent(endpoint: Endpoint) -> Iterator[None]:
    """Connections are accepted, as by a frozen process, and reset in the end."""
    with closing(socket.create_server((endpoint.host, endpoint.port))):
        yield


@contextmanager
def balancer(endpoint: Endpoint, statistics: str) -> Iterator[None]:
    class Answers(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(statistics.encode())

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer((endpoint.host, endpoint.port), Answers)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()


def look_until(watch: Watch, condition: Callable[[Verdict], bool]) -> Verdict:
    end = time.monotonic() + DEADLINE_S
    while not condition(verdict := watch.look()):
        assert time.monotonic() < end, (verdict, watch.nodes, watch.balancers)
        watch.rest(0.5)
    return verdict


def test_a_silent_target_does_not_delay_the_verdict_on_another(
    settings: ControllerSettings,
) -> None:
    """mac-2 refuses three times while mac-1 and a balancer have not ended their first silence."""
    with ExitStack() as held:
        for site, service in (("mac-1", "patroni"), ("mac-1", "api"), ("edge", "balancer-stats")):
            held.enter_context(silent(settings.endpoint(site, service)))
        watch = held.enter_context(watching(settings))
        look_until(watch, lambda _: not watch.nodes["mac-2"])
        assert watch.nodes == {"mac-1": True, "mac-2": False}
        assert watch.balancers["edge"].up
        look_until(watch, lambda _: not watch.balancers["edge-2"].up)
        assert watch.balancers["edge"].up


def test_both_nodes_are_down_by_the_checks_and_by_a_balancers_word(
    settings: ControllerSettings,
) -> None:
    with (
        balancer(settings.endpoint("edge", "balancer-stats"), DEAD),
        watching(settings) as watch,
    ):
        look_until(watch, lambda verdict: verdict is Verdict.BOTH_DOWN)
        assert not any(watch.nodes.values())


def test_a_node_that_answers_keeps_the_hospital_alive_while_the_other_is_silent(
    settings: ControllerSettings,
) -> None:
    with (
        balancer(settings.endpoint("mac-2", "api"), "well"),
        silent(settings.endpoint("mac-1", "api")),
        watching(settings) as watch,
    ):
        assert look_until(watch, lambda _: watch.answering) is Verdict.ALIVE
        assert watch.seen_alive

"""What the observer makes of Patroni's, HAProxy's and etcd's answers."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from architecture import load_design
from chaos.observer import Event, Observer, changes, events_table
from chaos.sights import (
    balancer_look,
    balancer_states,
    etcd_look,
    patroni_look,
    patroni_state,
)
from reference_stack.addresses import Endpoint
from reference_stack.handle import StackHandle
from reference_stack.state import StackState
from tests.documents.places import reserved_plan
from tests.waiting import wait_for

ANYWHERE = Endpoint("127.0.0.1", 0)
CSV = """# pxname,svname,status,check_status
api,FRONTEND,OPEN,
api,mac-1,UP,* L7OK
api,mac-2,DOWN,L4TOUT
api,BACKEND,UP,
database,mac-1,UP 2/3,L7TOUT
"""


@contextmanager
def serving(status: int, body: str, at: Endpoint = ANYWHERE) -> Iterator[Endpoint]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body.encode())

        do_POST = do_GET  # noqa: N815 - the server's own names

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer((at.host, at.port), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield Endpoint("127.0.0.1", server.server_port)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_only_changes_are_events() -> None:
    first = {("haproxy api", "mac-1"): ("mac-1 UP", "L7OK")}
    assert changes({}, first, 1.0) == [Event(1.0, "haproxy api", "mac-1 UP", "L7OK")]
    assert changes(first, dict(first), 2.0) == []
    down = {("haproxy api", "mac-1"): ("mac-1 DOWN", "L7TOUT")}
    assert changes(first, down, 3.0) == [Event(3.0, "haproxy api", "mac-1 DOWN", "L7TOUT")]


def test_servers_are_read_from_haproxys_csv_and_checks_in_progress_are_no_news() -> None:
    assert balancer_states("edge", CSV) == {
        ("haproxy api at edge", "mac-1"): ("mac-1 UP", "L7OK"),
        ("haproxy api at edge", "mac-2"): ("mac-2 DOWN", "L4TOUT"),
        ("haproxy database at edge", "mac-1"): ("mac-1 UP 2/3", "L7TOUT"),
    }


def test_the_holder_of_the_lock_is_primary_and_nobody_else() -> None:
    document = {
        "role": "primary", "state": "running", "timeline": 3,
        "replication": [{"application_name": "mac-2", "state": "streaming", "sync_state": "sync"}],
    }  # fmt: skip
    detail = "running, timeline 3, mac-2 streaming sync"
    assert patroni_state(200, document) == ("primary", detail)
    assert patroni_state(503, document) == ("not primary", detail)
    replica = {"role": "replica", "state": "streaming", "timeline": 3}
    assert patroni_state(503, replica) == ("replica", "streaming, timeline 3")


def test_looks_read_real_answers() -> None:
    """Within half a second each, which a busy machine may need more than one look for."""
    with serving(503, json.dumps({"role": "replica", "state": "running"})) as endpoint:
        told = {("patroni mac-2", ""): ("replica", "running")}
        wait_for(lambda: patroni_look("mac-2", endpoint)() == told, "Patroni's answer")
    with serving(200, CSV) as endpoint:
        one = ("haproxy api at edge-2", "mac-1")
        wait_for(lambda: one in balancer_look("edge-2", endpoint)(), "HAProxy's answer")
    answer = {"leader": "7", "members": [{"ID": "7", "name": "edge"}]}
    with serving(200, json.dumps(answer)) as endpoint:
        led = {("etcd", ""): ("leader edge", "")}
        wait_for(lambda: etcd_look([endpoint])() == led, "etcd's answer")


def test_who_does_not_answer_is_silent() -> None:
    with serving(200, "") as gone:
        pass
    assert patroni_look("mac-1", gone)()["patroni mac-1", ""][0] == "silent"
    assert balancer_look("edge", gone)()["haproxy at edge", ""][0] == "silent"
    assert etcd_look([gone])() == {("etcd", ""): ("silent", "")}


def test_every_balancer_is_watched_so_that_a_takeover_is_seen_wherever_the_address_goes(
    tmp_path: Path,
) -> None:
    """The first balancer goes; the second says that the address is its own."""
    design = load_design("local")
    with reserved_plan(list(design.sites)) as plan:
        state = StackState(
            design_document=design.model_dump(mode="json"), stack_id="x", instance=plan.instance,
            sites=plan.sites, network=plan.kind, backend="tree", control_socket="", model_name="",
        )  # fmt: skip
        first, second = (plan.endpoint(site, "balancer-stats") for site in ("edge", "edge-2"))
        with Observer(StackHandle(state, tmp_path)) as observer:
            with serving(200, holding("UP"), first), serving(200, holding("DOWN"), second):
                seen(observer, "haproxy shared-address at edge", "held-here UP")
                seen(observer, "haproxy shared-address at edge-2", "held-here DOWN")
            seen(observer, "haproxy at edge", "silent")
            with serving(200, holding("UP"), second):
                seen(observer, "haproxy shared-address at edge-2", "held-here UP")


def holding(status: str) -> str:
    return f"# pxname,svname,status,check_status\nshared-address,held-here,{status},L7OK\n"


def seen(observer: Observer, source: str, event: str) -> None:
    def there() -> bool:
        return (source, event) in {(e.source, e.event) for e in observer.events()}

    wait_for(there, f"{source}: {event}")


def test_a_member_that_is_gone_is_passed_over() -> None:
    with serving(200, "") as gone:
        pass
    answer = {"leader": "7", "members": [{"ID": "7", "name": "edge"}]}
    with serving(200, json.dumps(answer)) as endpoint:
        led = {("etcd", ""): ("leader edge", "")}
        wait_for(lambda: etcd_look([gone, endpoint])() == led, "etcd's answer")


def test_events_are_kept_in_order_of_time() -> None:
    table = events_table([Event(2.0, "b", "later"), Event(1.0, "a", "first", "why")])
    assert table["event"].tolist() == ["first", "later"]

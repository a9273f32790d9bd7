"""The gate lets Patroni start where that can't make a second primary, and nowhere else."""

from __future__ import annotations

import http.server
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reference_stack.fallback.gate import ORDER_FILE, Instruction, ruling
from reference_stack.fallback.settings import GateSettings
from tests.waiting import wait_for


@given(
    order=st.sampled_from(["start", "wait", "salvage", "set-aside"]),
    runs=st.booleans(), data=st.booleans(), peer=st.booleans(),
)  # fmt: skip
def test_an_answer_is_always_obeyed(order: str, runs: bool, data: bool, peer: bool) -> None:
    instruction = Instruction(order)  # type: ignore[arg-type]
    assert order == ruling(instruction, server_runs=runs, has_data=data, peer_is_primary=peer)


def test_without_an_answer_a_node_with_data_and_nobody_to_join_waits() -> None:
    alone = {"server_runs": False, "has_data": True, "peer_is_primary": False}
    assert ruling(None, **alone) == "wait"
    for name, value in (("server_runs", True), ("has_data", False), ("peer_is_primary", True)):
        assert ruling(None, **{**alone, name: value}) == "start"


class Answering:
    """A controller that answers what it was told to."""

    def __init__(self) -> None:
        self.order: str | None = None
        self.asked = 0
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked += 1
                if outer.order is None:
                    self.send_error(503)
                    return
                body = json.dumps({"order": outer.order, "epoch": 1, "since_xid": None}).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def controller() -> Iterator[Answering]:
    answering = Answering()
    yield answering
    answering.server.shutdown()


def start_gate(folder: Path, url: str) -> subprocess.Popen[bytes]:
    data = folder / "postgresql"
    data.mkdir(exist_ok=True)
    (data / "PG_VERSION").write_text("15\n")
    settings = GateSettings(
        site="mac-1", controller_url=url, token="secret", peers={}, folder=folder,
        data_directory=data, postgresql=folder, targets=(("127.0.0.1", 1),),
        superuser_password="x",
    )  # fmt: skip
    path = folder / "gate.json"
    path.write_text(settings.model_dump_json())
    command = [sys.executable, "-c", f"open({str(folder / 'started')!r}, 'w')"]
    return subprocess.Popen(
        [sys.executable, "-m", "reference_stack.fallback.gate", "--settings", str(path), "--",
         *command]
    )  # fmt: skip


@pytest.mark.servers
def test_a_gate_waits_while_the_cloud_leads_and_then_becomes_the_command(
    controller: Answering, tmp_path: Path
) -> None:
    controller.order = "wait"
    gate = start_gate(tmp_path, controller.url)
    wait_for(lambda: controller.asked >= 3, "the gate's third question")
    assert gate.poll() is None
    assert not (tmp_path / "started").exists()
    controller.order = "start"
    assert gate.wait(180) == 0
    assert (tmp_path / "started").exists()


@pytest.mark.servers
def test_a_person_can_open_a_waiting_gate_but_an_old_order_does_not(
    controller: Answering, tmp_path: Path
) -> None:
    (tmp_path / ORDER_FILE).write_text("start")
    gate = start_gate(tmp_path, controller.url)
    wait_for(lambda: not (tmp_path / ORDER_FILE).exists(), "the old order's end")
    before = controller.asked
    wait_for(lambda: controller.asked >= before + 2, "the gate's next question")
    assert gate.poll() is None, "an order from before it waited opened it"
    (tmp_path / ORDER_FILE).write_text("start")
    assert gate.wait(180) == 0

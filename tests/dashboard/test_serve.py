"""The dashboard as a process: it answers on loopback and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import psutil
import pytest

from dashboard.serve import command
from tests.ports import free_port

pytestmark = pytest.mark.servers

DEADLINE_S = 180.0


def wait_for_health(port: int) -> None:
    end = time.monotonic() + DEADLINE_S
    while True:
        try:
            with urllib.request.urlopen(
                f"http://127.0.0.1:{port}/_stcore/health", timeout=10
            ) as answer:
                assert answer.status == 200
                return
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.2)


def test_no_telemetry_and_loopback_only() -> None:
    flags = " ".join(command(1234))
    assert "--browser.gatherUsageStats false" in flags
    assert "--server.address 127.0.0.1" in flags


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_and_ends_with_its_caller(tmp_path: Path, ending: signal.Signals) -> None:
    port = free_port()
    code = (
        "import sys; from pathlib import Path; from dashboard.serve import serve\n"
        f"sys.exit(serve(Path({str(tmp_path)!r}), {port}))"
    )
    packages = Path(__file__).parents[2]
    caller = subprocess.Popen(
        [sys.executable, "-c", code], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(packages)},
        start_new_session=True,
    )  # fmt: skip
    try:
        wait_for_health(port)
        (child,) = psutil.Process(caller.pid).children()
        assert {c.laddr.ip for c in child.net_connections() if c.status == "LISTEN"} == {
            "127.0.0.1"
        }
        caller.send_signal(ending)
        caller.wait(DEADLINE_S)
        if ending == signal.SIGINT:
            assert caller.returncode == 0
        _, alive = psutil.wait_procs([child], timeout=DEADLINE_S)
        assert not alive
    finally:
        if caller.poll() is None:
            for served in psutil.Process(caller.pid).children():
                served.kill()
            caller.kill()

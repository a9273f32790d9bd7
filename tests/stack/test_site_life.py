"""A site is started, frozen and killed as one, and nothing of it outlives its supervisor."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from reference_stack.errors import StackError
from reference_stack.site.backend import Backend, best_backend
from reference_stack.site.description import ServiceSpec, SiteSpec
from reference_stack.site.process import SiteProcess
from reference_stack.site.supervisor import Supervisor
from tests.stack.processes import processes_of
from tests.waiting import wait_for

pytestmark = pytest.mark.servers

BACKENDS: list[Backend] = ["namespace", "tree"]
COMMAND_S = 60

# A service that leaves its parent and its session, as PostgreSQL does under Patroni, and whose
# daemon writes a growing file: the file's growth is the site's pulse.
DAEMON = """
import os, sys, time
if os.fork():
    time.sleep(3600)
os.setsid()
if os.fork():
    os._exit(0)
while True:
    with open(sys.argv[1], "a") as pulse:
        pulse.write("x")
    time.sleep(0.02)
"""


def size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def states(pulse: Path) -> set[str]:
    """Of the site's processes but its init."""
    found = set()
    for process in processes_of(pulse):
        with suppress(psutil.NoSuchProcess):
            if "site.init" not in str(process.cmdline()):
                found.add(process.status())
    return found


def site_file(tmp_path: Path) -> tuple[Path, Path]:
    pulse = tmp_path / "pulse"
    spec = SiteSpec(
        site="mac-1",
        services=(
            ServiceSpec(
                name="daemon",
                argv=(sys.executable, "-c", DAEMON, str(pulse)),
                working_directory=str(tmp_path),
                log=str(tmp_path / "daemon.log"),
            ),
            ServiceSpec(
                name="short-lived",
                argv=(sys.executable, "-c", "import sys; sys.exit(3)", str(pulse)),
                working_directory=str(tmp_path),
                log=str(tmp_path / "short.log"),
            ),
        ),
    )
    path = tmp_path / "site.json"
    path.write_text(spec.model_dump_json())
    return path, pulse


@pytest.fixture(params=BACKENDS)
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[SiteProcess, Path]]:
    if request.param == "namespace" and best_backend() != "namespace":
        pytest.skip("this machine allows no PID namespaces")
    path, pulse = site_file(tmp_path)
    process = SiteProcess("mac-1", request.param, path, tmp_path / "site.log")
    process.start()
    try:
        wait_for(lambda: size(pulse) > 2, "the first pulse")
        yield process, pulse
    finally:
        process.kill()
        for left in processes_of(tmp_path):
            left.kill()


def test_killing_a_site_ends_even_daemons_that_left_their_parents(
    site: tuple[SiteProcess, Path],
) -> None:
    process, pulse = site
    process.kill()
    assert processes_of(pulse) == []
    assert process.status()["state"] == "dead"


def test_a_frozen_site_has_no_pulse_until_it_is_thawed(site: tuple[SiteProcess, Path]) -> None:
    process, pulse = site
    process.command({"command": "freeze"}, COMMAND_S)
    # A process stops when it is next given a processor, on a busy machine some time later.
    wait_for(lambda: states(pulse) <= {psutil.STATUS_STOPPED, psutil.STATUS_SLEEPING}, "the stop")
    before = size(pulse)
    time.sleep(0.3)
    assert size(pulse) == before
    assert process.status()["state"] == "frozen"
    process.command({"command": "thaw"}, COMMAND_S)
    wait_for(lambda: size(pulse) > before, "the pulse after thawing")


def test_a_frozen_site_can_be_killed(site: tuple[SiteProcess, Path]) -> None:
    process, pulse = site
    process.command({"command": "freeze"}, COMMAND_S)
    process.kill()
    assert processes_of(pulse) == []


def test_a_service_that_ends_by_itself_is_started_again(site: tuple[SiteProcess, Path]) -> None:
    process, _ = site
    wait_for(
        lambda: process.status()["services"]["short-lived"]["restarts"] >= 2, "the second restart"
    )
    assert process.status()["services"]["short-lived"]["exit_code"] in {3, None}


def test_a_politely_stopped_site_leaves_nothing(site: tuple[SiteProcess, Path]) -> None:
    process, pulse = site
    process.stop(grace_s=5)
    assert processes_of(pulse) == []
    assert process.status()["state"] == "stopped"


HOLDER = """
import sys, time
from pathlib import Path
from reference_stack.site.process import SiteProcess
site = SiteProcess("mac-1", sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
site.start()
print("started", flush=True)
time.sleep(3600)
"""


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_site_dies_with_a_supervisor_that_is_killed(backend: Backend, tmp_path: Path) -> None:
    if backend == "namespace" and best_backend() != "namespace":
        pytest.skip("this machine allows no PID namespaces")
    path, pulse = site_file(tmp_path)
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, backend, str(path), str(tmp_path / "site.log")]
    )
    try:
        wait_for(lambda: size(pulse) > 2, "the first pulse")
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        wait_for(lambda: not processes_of(pulse), "the site's end")
        assert not json.loads(path.read_text())["postgres_data_directories"]
    finally:
        holder.kill()
        for left in processes_of(tmp_path):
            left.kill()


LATE = """
import json, sys, time
for line in sys.stdin:
    request = json.loads(line)
    if request["command"] == "slow":
        time.sleep(1)
    answer = {"ok": True, "said": request["command"], "number": request.get("number")}
    print(json.dumps(answer), flush=True)
"""


def test_an_answer_that_comes_too_late_is_not_taken_for_the_next_ones(tmp_path: Path) -> None:
    site = SiteProcess("mac-1", "tree", tmp_path / "site.json", tmp_path / "site.log")
    command = [sys.executable, "-c", LATE]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        site._process = process
        assert site.command({"command": "first"}, 30)["said"] == "first"
        with pytest.raises(StackError, match="did not answer 'slow'"):
            site.command({"command": "slow"}, 0.1)
        assert site.command({"command": "status"}, 30)["said"] == "status"
        process.kill()


@pytest.mark.parametrize("words", [b"{half a requ\n", b"[]\n", b"\xff\n", b"7\n"])
def test_a_request_that_is_none_is_refused_and_ends_nothing(words: bytes) -> None:
    supervisor = Supervisor.__new__(Supervisor)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.sendall(words)
        supervisor._answer(theirs)
        with ours.makefile("rb") as stream:
            theirs.close()
            assert json.loads(stream.readline())["ok"] is False

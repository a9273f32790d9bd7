"""Ctrl-C: no process is left, nothing finished is lost, and the same call goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from simulator.replications import Store
from tests.replications.interrupted import REPLICATIONS
from tests.replications.tasks import Counted

pytestmark = pytest.mark.servers

DEADLINE_S = 240.0


def start(folder: Path, jobs: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.replications.interrupted", str(folder), str(jobs)],
        stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip


def wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not true():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.02)


def members(session: int) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if os.getsid(process.pid) == session and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (ProcessLookupError, psutil.NoSuchProcess):
            continue
    return found


def test_ctrl_c_leaves_no_process_and_the_same_call_goes_on(tmp_path: Path) -> None:
    (tmp_path / "ran").mkdir()
    task = Counted(tmp_path / "ran")
    store = Store(tmp_path / "kept", {"task": "interrupted"}, seed=1, code="1")
    program = start(tmp_path, jobs=2)
    wait_until(lambda: len(task.runs()) >= 10)
    os.killpg(program.pid, signal.SIGINT)  # as a terminal does
    _, said = program.communicate(timeout=DEADLINE_S)
    assert program.returncode == 130, said
    assert "Traceback" not in said
    wait_until(lambda: not members(program.pid))
    before = task.runs()
    kept = store.load()
    assert 1 <= len(kept) <= len(before) < REPLICATIONS

    again = start(tmp_path, jobs=1)
    _, said = again.communicate(timeout=DEADLINE_S)
    assert again.returncode == 0, said
    assert f"{REPLICATIONS} of {REPLICATIONS}" in said
    assert sorted(store.load()) == list(range(REPLICATIONS))
    made_again = task.runs()
    for number in before:
        made_again.remove(number)
    assert made_again == [number for number in range(REPLICATIONS) if number not in kept]


def test_a_killed_program_takes_its_workers_along(tmp_path: Path) -> None:
    (tmp_path / "ran").mkdir()
    task = Counted(tmp_path / "ran")
    program = start(tmp_path, jobs=2)
    wait_until(lambda: len(task.runs()) >= 4)
    program.kill()
    program.communicate(timeout=DEADLINE_S)
    wait_until(lambda: not members(program.pid))

"""A real worker process that crashes, hangs and loses its parent."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psutil
import pytest

from reference_stack.serving.child import ChildFailedError, ChildProcess, RefusedError
from tests.serving.echo_worker import EchoSettings

MODULE = "tests.serving.echo_worker"
DEADLINE_S = 180.0


@contextlib.contextmanager
def child(**settings: Any):
    process = ChildProcess(MODULE, EchoSettings(**settings), start_timeout_s=DEADLINE_S)
    try:
        yield process
    finally:
        process.close()


def ask(process: ChildProcess, task: Any, timeout_s: float = DEADLINE_S):
    return asyncio.run(process.call(task, timeout_s))


def wait_until(condition: Callable[[], bool]) -> None:
    ends_at = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < ends_at
        time.sleep(0.01)


def gone(pid: int) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    return True


def test_one_process_answers_all_calls_starting_with_the_first() -> None:
    with child() as process:
        assert process.pid is None
        assert [ask(process, number) for number in (1, 2, 3)] == [2, 4, 6]
        assert ask(process, "pid") == process.pid
        assert process.starts == 1


def test_the_worker_yields_to_others() -> None:
    with child() as process:
        assert ask(process, "nice") == min(19, os.nice(0) + 3)


def test_a_refusal_is_an_answer_and_the_process_lives_on() -> None:
    with child() as process:
        with pytest.raises(RefusedError, match="don't like"):
            ask(process, "refuse")
        assert ask(process, 4) == 8
        assert process.starts == 1


@pytest.mark.parametrize("task", ["crash", "raise"])
def test_a_crash_is_an_error_and_the_next_call_gets_a_new_process(task: str) -> None:
    with child() as process:
        with pytest.raises(ChildFailedError) as failure:
            ask(process, task)
        assert failure.value.kind == "worker_failed"
        assert ask(process, 4) == 8
        assert process.starts == 2


def test_a_call_that_takes_too_long_ends_the_process() -> None:
    with child() as process:
        ask(process, 1)
        pid = process.pid
        with pytest.raises(ChildFailedError) as failure:
            ask(process, "hang", timeout_s=0.2)
        assert failure.value.kind == "worker_timeout"
        assert gone(pid)
        assert ask(process, 4) == 8


def test_a_worker_that_stands_still_does_not_even_take_a_large_task_and_is_ended() -> None:
    with child() as process:
        ask(process, 1)
        os.kill(process.pid, signal.SIGSTOP)
        with pytest.raises(ChildFailedError) as failure:
            ask(process, b"x" * 10_000_000, timeout_s=0.2)
        assert failure.value.kind == "worker_timeout"
        assert ask(process, 4) == 8


def test_closing_ends_a_worker_that_starts_and_keeps_the_next_from_starting() -> None:
    with child(load_s=600) as process, ThreadPoolExecutor(1) as executor:
        call = executor.submit(ask, process, 1)
        wait_until(lambda: process.status == "loading")
        pid = process.pid
        process.close()
        with pytest.raises(ChildFailedError):
            call.result(DEADLINE_S)
        assert gone(pid)
        with pytest.raises(ChildFailedError, match="closed"):
            process._call(1, DEADLINE_S)
        assert process.pid is None


def test_a_worker_that_can_not_be_started_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with child() as process:
        with pytest.raises(ChildFailedError, match="No such file"):
            ask(process, 1)
        assert process.status == "failed"


def test_the_status_says_how_the_worker_is() -> None:
    with child() as process:
        assert process.status == "idle"
        ask(process, 1)
        assert process.status == "ready"
        with pytest.raises(ChildFailedError):
            ask(process, "crash")
        assert process.status == "failed"
        ask(process, 1)
        assert process.status == "ready"


def test_a_worker_that_can_not_load_says_why() -> None:
    with child(load=False) as process, pytest.raises(ChildFailedError, match="no weights"):
        ask(process, 1)


PARENT = f"""
import asyncio, os, sys
from reference_stack.serving.child import ChildFailedError, ChildProcess
from tests.serving.echo_worker import EchoSettings
process = ChildProcess({MODULE!r}, EchoSettings(), start_timeout_s=180)

async def run():
    print(await process.call("pid", 180), flush=True)
    if sys.argv[1] == "busy":
        asyncio.create_task(process.call("hang", 600))
        await asyncio.sleep(0.2)
    os.kill(os.getpid(), 9)

asyncio.run(run())
"""


@pytest.mark.parametrize("state", ["idle", "busy"])
def test_the_worker_ends_with_its_parent_even_if_that_is_killed(state: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PARENT, state],
        capture_output=True, text=True, timeout=400, check=False,
    )  # fmt: skip
    pid = int(done.stdout)
    wait_until(lambda: gone(pid))

"""A real worker process that crashes, hangs and loses its parent."""

import asyncio
import contextlib
import os
import subprocess
import sys
import time

import psutil
import pytest

from reference_stack.serving.child import ChildFailedError, ChildProcess, RefusedError
from tests.serving.echo_worker import EchoSettings

MODULE = "tests.serving.echo_worker"
DEADLINE_S = 60.0


@contextlib.contextmanager
def child(**settings):
    process = ChildProcess(MODULE, EchoSettings(**settings), start_timeout_s=DEADLINE_S)
    try:
        yield process
    finally:
        process.close()


def ask(process: ChildProcess, task, timeout_s: float = DEADLINE_S):
    return asyncio.run(process.call(task, timeout_s))


def gone(pid: int) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    return True


def test_one_process_answers_all_calls_starting_with_the_first():
    with child() as process:
        assert process.pid is None
        assert [ask(process, number) for number in (1, 2, 3)] == [2, 4, 6]
        assert ask(process, "pid") == process.pid
        assert process.starts == 1


def test_the_worker_yields_to_others():
    with child() as process:
        assert ask(process, "nice") == os.nice(0) + 3


def test_a_refusal_is_an_answer_and_the_process_lives_on():
    with child() as process:
        with pytest.raises(RefusedError, match="don't like"):
            ask(process, "refuse")
        assert ask(process, 4) == 8
        assert process.starts == 1


@pytest.mark.parametrize("task", ["crash", "raise"])
def test_a_crash_is_an_error_and_the_next_call_gets_a_new_process(task):
    with child() as process:
        with pytest.raises(ChildFailedError) as failure:
            ask(process, task)
        assert failure.value.kind == "worker_failed"
        assert ask(process, 4) == 8
        assert process.starts == 2


def test_a_call_that_takes_too_long_ends_the_process():
    with child() as process:
        ask(process, 1)
        pid = process.pid
        with pytest.raises(ChildFailedError) as failure:
            ask(process, "hang", timeout_s=0.2)
        assert failure.value.kind == "worker_timeout"
        assert gone(pid)
        assert ask(process, 4) == 8


def test_a_worker_that_can_not_load_says_why():
    with child(load=False) as process, pytest.raises(ChildFailedError, match="no weights"):
        ask(process, 1)


PARENT = f"""
import asyncio, os
from reference_stack.serving.child import ChildProcess
from tests.serving.echo_worker import EchoSettings
process = ChildProcess({MODULE!r}, EchoSettings(), start_timeout_s=60)
print(asyncio.run(process.call("pid", 60)), flush=True)
os.kill(os.getpid(), 9)
"""


def test_the_worker_ends_with_its_parent_even_if_that_is_killed():
    done = subprocess.run(
        [sys.executable, "-c", PARENT], capture_output=True, text=True, timeout=120, check=False
    )
    pid = int(done.stdout)
    ends_at = time.monotonic() + DEADLINE_S
    while not gone(pid):
        assert time.monotonic() < ends_at
        time.sleep(0.01)

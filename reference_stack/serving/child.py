"""A worker process: where heavy native code runs, so that it can stall or crash nobody else.

Parent and child talk over a socket pair that nobody else holds. When the parent ends, however it
ends, the child reads the end of the stream and ends too. A call that lasts too long ends the child;
the next call starts a new one.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, Literal

from pydantic import BaseModel

log = logging.getLogger(__name__)

ChildFailure = Literal["worker_failed", "worker_timeout"]
_READY = "ready"


class ChildFailedError(Exception):
    """The worker process ended, could not start, or had to be ended; `kind` says which."""

    def __init__(self, kind: ChildFailure, detail: str) -> None:
        super().__init__(detail)
        self.kind = kind


@dataclass(frozen=True)
class _NotReady:
    detail: str


class RefusedError(Exception):
    """The worker can't use what it was given; nothing is wrong with the worker."""


class ChildProcess:
    """Runs `python -m MODULE` and has it answer calls, one after another.

    The module's main hands its arguments to `serve_parent`.
    """

    def __init__(self, module: str, settings: BaseModel, *, start_timeout_s: float) -> None:
        """`settings` reach the child as JSON. `start_timeout_s` covers loading its models."""
        self._module = module
        self._settings = settings
        self._start_timeout_s = start_timeout_s
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection[Any, Any] | None = None
        self._lock = threading.Lock()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=module)
        self.starts = 0

    @property
    def pid(self) -> int | None:
        """The process's id while it runs."""
        process = self._process
        return None if process is None or process.poll() is not None else process.pid

    async def call(self, task: object, timeout_s: float) -> Any:
        """The child's answer to `task`, starting the child if there is none.

        Raises ChildFailedError, and RefusedError when the child refuses the task.
        """
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, self._call, task, timeout_s)

    async def start(self) -> None:
        """Have the child load what it needs. Raises ChildFailedError."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._started)

    def close(self) -> None:
        """End the child; a call under way fails."""
        with self._lock:
            if self._process is not None:
                self._process.kill()
        self._thread.shutdown(cancel_futures=True)
        self._end()

    def _call(self, task: object, timeout_s: float) -> Any:
        connection = self._started()
        answer = self._ask(connection, lambda: connection.send(task), timeout_s)
        if isinstance(answer, RefusedError):
            raise answer
        return answer

    def _started(self) -> Connection[Any, Any]:
        if self._connection is not None and self.pid is not None:
            return self._connection
        self._end()
        ours, theirs = socket.socketpair()
        command = [sys.executable, "-m", self._module, str(theirs.fileno())]
        with theirs:
            process = subprocess.Popen(
                [*command, self._settings.model_dump_json()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )
        connection: Connection[Any, Any] = Connection(ours.detach())
        with self._lock:
            self._process, self._connection = process, connection
        self.starts += 1
        log.info("%s started as process %d", self._module, process.pid)
        self._ask(connection, lambda: None, self._start_timeout_s)
        return connection

    def _ask(
        self, connection: Connection[Any, Any], send: Callable[[], None], timeout_s: float
    ) -> Any:
        try:
            send()
            if not connection.poll(timeout_s):
                self._end()
                raise ChildFailedError(
                    "worker_timeout", f"{self._module} did not answer within {timeout_s:g} s"
                )
            answer = connection.recv()
        except (OSError, EOFError) as error:
            self._end()
            raise ChildFailedError("worker_failed", f"{self._module} ended: {error!r}") from error
        if isinstance(answer, _NotReady):
            self._end()
            raise ChildFailedError("worker_failed", f"{self._module}: {answer.detail}")
        return answer

    def _end(self) -> None:
        with self._lock:
            process, connection = self._process, self._connection
            self._process = self._connection = None
        if process is not None:
            process.kill()
            process.wait()
        if connection is not None:
            connection.close()


def serve_parent(
    file_descriptor: int, prepare: Callable[[], Callable[[Any], Any]], niceness: int
) -> None:
    """Answer the parent's calls until it ends.

    `prepare` loads what is needed and gives the function that answers. A RefusedError of that
    function is an answer; any other exception ends this process, so that the next call gets a fresh
    one. `niceness` makes this process yield to others.
    """
    # The parent decides when its workers end, not a signal sent to the whole group.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(niceness)
    parent: Connection[Any, Any]
    with Connection(file_descriptor) as parent:
        try:
            perform = prepare()
        except Exception as error:
            parent.send(_NotReady(f"{type(error).__name__}: {error}"))
            raise
        parent.send(_READY)
        while True:
            try:
                task = parent.recv()
            except (EOFError, OSError):
                return
            try:
                answer = perform(task)
            except RefusedError as refusal:
                answer = refusal
            try:
                parent.send(answer)
            except (BrokenPipeError, ConnectionResetError):
                return

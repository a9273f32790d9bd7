"""A worker process: where heavy native code runs, so that it can stall or crash nobody else.

Parent and child talk over a socket pair that nobody else holds. When the parent ends, however it
ends, the child's socket hangs up and the child ends at once, whatever it is doing. A call that
lasts too long ends the child; the next call starts a new one.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, Literal, TypeVar

from pydantic import BaseModel

log = logging.getLogger(__name__)

ChildFailure = Literal["worker_failed", "worker_timeout"]
ChildStatus = Literal["idle", "loading", "ready", "failed"]
_READY = "ready"
T = TypeVar("T")


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
        self._closed = False
        self._loaded = False
        self._failed = False
        self._preloading: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=module)
        self.starts = 0

    @property
    def pid(self) -> int | None:
        """The process's id while it runs."""
        process = self._process
        return None if process is None or process.poll() is not None else process.pid

    @property
    def status(self) -> ChildStatus:
        """`idle` starts with the next call, `failed` is how the last one ended."""
        if self._failed:
            return "failed"
        if self.pid is None:
            return "idle"
        return "ready" if self._loaded else "loading"

    async def call(self, task: object, timeout_s: float) -> Any:
        """The child's answer to `task`, starting the child if there is none.

        Raises ChildFailedError, and RefusedError when the child refuses the task.
        """
        return await self._in_thread(self._call, task, timeout_s)

    def preload(self) -> None:
        """Begin to have the child load what it needs; how that goes, `status` says."""
        self._preloading = asyncio.create_task(self._preload())

    async def end(self) -> None:
        """`close`, without holding up the event loop."""
        if self._preloading is not None:
            self._preloading.cancel()
        await asyncio.to_thread(self.close)

    def close(self) -> None:
        """End the child; a call under way fails, and no child is started any more."""
        with self._lock:
            self._closed = True
            if self._process is not None:
                self._process.kill()
        self._thread.shutdown(cancel_futures=True)
        self._end()

    async def _preload(self) -> None:
        with contextlib.suppress(ChildFailedError):  # the next call tries again
            await self._in_thread(self._started)

    async def _in_thread(self, work: Callable[..., T], *arguments: object) -> T:
        loop = asyncio.get_running_loop()
        try:
            answer = await loop.run_in_executor(self._thread, work, *arguments)
        except ChildFailedError:
            self._failed = True
            raise
        except RefusedError:
            self._failed = False
            raise
        self._failed = False
        return answer

    def _call(self, task: object, timeout_s: float) -> Any:
        process, connection = self._started()
        answer = self._ask(process, connection, lambda: connection.send(task), timeout_s)
        if isinstance(answer, RefusedError):
            raise answer
        return answer

    def _started(self) -> tuple[subprocess.Popen[bytes], Connection[Any, Any]]:
        if self._process is not None and self._connection is not None and self.pid is not None:
            return self._process, self._connection
        self._end()
        try:
            process, connection = self._spawn()
        except OSError as error:
            raise ChildFailedError(
                "worker_failed", f"{self._module} can't be started: {error.strerror}"
            ) from error
        self.starts += 1
        log.info("%s started as process %d", self._module, process.pid)
        self._ask(process, connection, lambda: None, self._start_timeout_s)
        self._loaded = True
        return process, connection

    def _spawn(self) -> tuple[subprocess.Popen[bytes], Connection[Any, Any]]:
        ours, theirs = socket.socketpair()
        command = [sys.executable, "-m", self._module, str(theirs.fileno())]
        # Within the lock, so that `close` finds the process or keeps it from being started.
        with theirs, self._lock:
            if self._closed:
                ours.close()
                raise ChildFailedError("worker_failed", f"{self._module} has been closed")
            with contextlib.ExitStack() as undo:
                undo.callback(ours.close)
                process = subprocess.Popen(
                    [*command, self._settings.model_dump_json()],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    pass_fds=[theirs.fileno()],
                )
                undo.pop_all()
            connection: Connection[Any, Any] = Connection(ours.detach())
            self._process, self._connection = process, connection
        return process, connection

    def _ask(
        self,
        process: subprocess.Popen[bytes],
        connection: Connection[Any, Any],
        send: Callable[[], None],
        timeout_s: float,
    ) -> Any:
        overdue = threading.Event()

        def end() -> None:
            overdue.set()
            process.kill()

        # Not a timeout of the reading: a child that has stopped may not even take the task.
        timer = threading.Timer(timeout_s, end)
        timer.daemon = True
        timer.start()
        try:
            send()
            answer = connection.recv()
        except (OSError, EOFError) as error:
            self._end()
            if overdue.is_set():
                raise ChildFailedError(
                    "worker_timeout", f"{self._module} did not answer within {timeout_s:g} s"
                ) from error
            raise ChildFailedError("worker_failed", f"{self._module} ended: {error!r}") from error
        finally:
            timer.cancel()
        if isinstance(answer, _NotReady):
            self._end()
            raise ChildFailedError("worker_failed", f"{self._module}: {answer.detail}")
        return answer

    def _end(self) -> None:
        with self._lock:
            process, connection = self._process, self._connection
            self._process = self._connection = None
            self._loaded = False
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
    threading.Thread(target=_end_with_parent, args=[file_descriptor], daemon=True).start()
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


def _end_with_parent(file_descriptor: int) -> None:
    """End this process when the other end of the socket is closed."""
    hung_up = select.poll()
    hung_up.register(file_descriptor, 0)  # what is always told: an error, or the other end closed
    hung_up.poll()
    os._exit(0)

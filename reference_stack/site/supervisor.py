"""The process that owns a stack's sites.

It starts a site's first process, passes commands on to it, and ends every site when it ends
itself: on ``shutdown``, on SIGTERM, or when its lifeline (standard input, held by the driver that
started it) is closed. It serves one JSON request a connection on a Unix socket, one at a time, on
one thread, so that the parent-death signal of the sites is tied to the life of the process.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import select
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil

from reference_stack.addresses import reserved_instance
from reference_stack.errors import PreconditionError, StackError
from reference_stack.site.backend import Backend, first_process_command
from reference_stack.state import StackState, read_state

COMMAND_TIMEOUT_S = 30.0


class SiteProcess:
    """One site's first process, as the supervisor sees it."""

    def __init__(self, name: str, backend: Backend, site_file: Path, log: Path) -> None:
        self.name = name
        self._backend = backend
        self._site_file = site_file
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None
        self._killed = False

    @property
    def alive(self) -> bool:
        """Whether the first process runs."""
        return self._process is not None and self._process.poll() is None

    def start(self, without: Sequence[str] = ()) -> None:
        """Start the site but for the services named; nothing happens when it runs already."""
        if self.alive:
            return
        self._killed = False
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                first_process_command(self._backend, self._site_file, without),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )

    def command(self, request: dict[str, Any], timeout_s: float) -> dict[str, Any]:
        """Send one command to the first process and wait for its answer.

        Raises:
            StackError: when the site does not run, does not answer or refuses.
        """
        process = self._process
        if process is None or process.poll() is not None:
            raise StackError(f"site {self.name} does not run")
        assert process.stdin is not None  # noqa: S101 - made with PIPE above
        assert process.stdout is not None  # noqa: S101
        process.stdin.write(json.dumps(request).encode() + b"\n")
        process.stdin.flush()
        line = _read_line(process.stdout.fileno(), timeout_s)
        if line is None:
            raise StackError(f"site {self.name} did not answer '{request['command']}'")
        answer: dict[str, Any] = json.loads(line)
        if not answer.pop("ok"):
            raise StackError(f"site {self.name}: {request['command']}: {answer['error']}")
        return answer

    def kill(self) -> None:
        """End every process of the site at once and wait until the last one is gone."""
        self._killed = True
        process = self._process
        if process is None or process.poll() is not None:
            return
        if self._backend == "namespace":
            with contextlib.suppress(psutil.NoSuchProcess):
                for first in psutil.Process(process.pid).children():
                    first.kill()
        else:
            with contextlib.suppress(StackError, OSError):
                self.command({"command": "kill"}, COMMAND_TIMEOUT_S)
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def stop(self, grace_s: float) -> None:
        """End the services politely, then everything."""
        if self.alive:
            with contextlib.suppress(StackError, OSError):
                self.command({"command": "stop", "grace_s": grace_s}, grace_s + 10)
        self.kill()
        self._killed = False

    def status(self) -> dict[str, Any]:
        """State (running, frozen, dead, stopped), process count and services."""
        if not self.alive:
            return {"state": "dead" if self._killed else "stopped", "processes": 0, "services": {}}
        return self.command({"command": "status"}, COMMAND_TIMEOUT_S)


def _read_line(descriptor: int, timeout_s: float) -> bytes | None:
    deadline = time.monotonic() + timeout_s
    line = b""
    while not line.endswith(b"\n"):
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([descriptor], [], [], left)[0]:
            return None
        chunk = os.read(descriptor, 65536)
        if not chunk:
            return None
        line += chunk
    return line


class Supervisor:
    """All sites of one stack and the socket they are ruled through."""

    def __init__(self, state: StackState, directory: Path) -> None:
        self._state = state
        self._sites = {
            name: SiteProcess(
                name,
                state.backend,
                directory / name / "site.json",
                directory / name / "log" / "site.log",
            )
            for name in state.sites
        }
        self._done = False

    def serve(self, *, lifeline: bool) -> None:
        """Serve until ``shutdown``, SIGTERM or the end of the lifeline."""
        wake, woken = os.pipe()
        os.set_blocking(woken, False)
        signal.set_wakeup_fd(woken)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)
        path = Path(self._state.control_socket)
        path.unlink(missing_ok=True)
        selector = selectors.DefaultSelector()
        selector.register(wake, selectors.EVENT_READ, "signal")
        if lifeline:
            selector.register(sys.stdin.fileno(), selectors.EVENT_READ, "lifeline")
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
            listener.bind(str(path))
            path.chmod(0o600)
            listener.listen(64)
            selector.register(listener, selectors.EVENT_READ, "request")
            try:
                while not self._done:
                    for key, _ in selector.select(timeout=1.0):
                        self._handle(key.data, listener)
            finally:
                for site in self._sites.values():
                    site.kill()

    def _handle(self, what: str, listener: socket.socket) -> None:
        if what == "lifeline" and not os.read(sys.stdin.fileno(), 1):
            self._done = True
        elif what == "request":
            connection, _ = listener.accept()
            with connection, contextlib.suppress(OSError):
                self._answer(connection)

    def _answer(self, connection: socket.socket) -> None:
        connection.settimeout(5)
        with connection.makefile("rwb") as stream:
            request = json.loads(stream.readline() or b"{}")
            try:
                # A handle may hold the state of an ended stack that had the same addresses.
                stranger = request.pop("stack_id", None) != self._state.stack_id
                answer: dict[str, Any] = (
                    {"ok": False, "other_stack": True}
                    if stranger
                    else {"ok": True, "result": self._obey(request)}
                )
            except (StackError, OSError, KeyError) as error:
                answer = {"ok": False, "error": str(error)}
            stream.write(json.dumps(answer).encode() + b"\n")

    def _obey(self, request: dict[str, Any]) -> Any:
        command = request["command"]
        if command == "status":
            return {name: site.status() for name, site in self._sites.items()}
        if command == "shutdown":
            self._done = True  # the way out kills every site; a stack's data do not outlive it
            return None
        site = self._sites[request["site"]]
        if command == "start":
            return site.start(request.get("without", ()))
        if command == "kill":
            return site.kill()
        if command == "stop":
            return site.stop(float(request.get("grace_s", 10)))
        return site.command(request, COMMAND_TIMEOUT_S)

    def _on_signal(self, _number: int, _frame: object) -> None:
        self._done = True


def main() -> None:
    """Entry point: ``python -m reference_stack.site.supervisor DIRECTORY [--detached]``."""
    parser = argparse.ArgumentParser(prog="reference_stack.site.supervisor")
    parser.add_argument("directory", type=Path)
    parser.add_argument("--detached", action="store_true", help="live on without a driver")
    arguments = parser.parse_args()
    state = read_state(arguments.directory)
    try:
        with reserved_instance(state.instance):
            Supervisor(state, arguments.directory).serve(lifeline=not arguments.detached)
        # The socket goes last: who sees it gone knows that everything else is.
        Path(state.control_socket).unlink(missing_ok=True)
    except PreconditionError as error:
        sys.exit(f"supervisor: {error}")


if __name__ == "__main__":
    main()

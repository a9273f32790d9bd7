"""First process of a site: starts its services, answers the supervisor, and is the site's life.

The supervisor talks to it over standard input and output, one JSON document a line. When the input
ends (the supervisor died) the site dies too. Under the ``namespace`` backend this process is PID 1
of a PID namespace: the kernel ends every process of the site with it. Under the ``tree`` backend
the members are found by walking the process tree; on Linux this process is then a subreaper, so
daemons that leave their parents (PostgreSQL under Patroni) stay below it.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from reference_stack.site.backend import unprivileged_prefix
from reference_stack.site.description import ServiceSpec, SiteSpec

PR_SET_CHILD_SUBREAPER = 36
RESTART_PAUSE_S = 1.0
POLL_S = 0.2
STOPPED_STATES = {psutil.STATUS_STOPPED, psutil.STATUS_TRACING_STOP, psutil.STATUS_ZOMBIE}


@dataclass
class _Running:
    spec: ServiceSpec
    wanted: bool = False
    process: subprocess.Popen[bytes] | None = None
    restarts: int = 0
    restart_at: float = field(default=0.0)


class SiteInit:
    """The services of one site and the commands they obey."""

    def __init__(self, spec: SiteSpec) -> None:
        self._spec = spec
        self._services = {service.name: _Running(service) for service in spec.services}
        self._in_namespace = os.getpid() == 1
        # PostgreSQL refuses to run as root, and nothing else needs to.
        as_root = self._in_namespace and os.geteuid() == 0
        self._ordinary = unprivileged_prefix() if as_root else ()
        self._frozen = False
        self._commands: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
            "begin": self._begin,
            "status": lambda _: self._status(),
            "freeze": lambda _: self._freeze(),
            "thaw": lambda _: self._thaw(),
            "stop": self._stop,
            "kill": self._kill,
            "start-services": self._start_services,
            "stop-services": self._stop_services,
        }

    def run(self) -> None:
        """Serve until the input ends or ``stop`` has been obeyed."""
        if not self._in_namespace and sys.platform == "linux":
            ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        selector = selectors.DefaultSelector()
        selector.register(sys.stdin.fileno(), selectors.EVENT_READ)
        buffer = b""
        while True:
            if selector.select(POLL_S):
                chunk = os.read(sys.stdin.fileno(), 65536)
                if not chunk:
                    break
                buffer += chunk
                while b"\n" in buffer:
                    line, buffer = buffer.split(b"\n", 1)
                    if self._obey(line):
                        return
            self._tend()
        self._kill_members()

    def _obey(self, line: bytes) -> bool:
        """Carry out one command and answer it; True when it was the last one."""
        request = json.loads(line)
        name = request["command"]
        try:
            answer = {"ok": True, **self._commands[name](request)}
        except (OSError, KeyError, TimeoutError) as error:
            answer = {"ok": False, "error": f"{type(error).__name__}: {error}"}
        answer["number"] = request.get("number")
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
        return name in {"stop", "kill"}

    def _tend(self) -> None:
        """Reap what ended and start again what should run, as launchd's KeepAlive does."""
        self._reap()
        if self._frozen:
            return
        now = time.monotonic()
        for running in self._services.values():
            ended = running.process is None or running.process.returncode is not None
            if running.wanted and ended and now >= running.restart_at:
                self._launch(running)

    def _reap(self) -> None:
        by_pid = {r.process.pid: r for r in self._services.values() if r.process is not None}
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            running = by_pid.get(pid)
            if running is not None and running.process is not None:
                running.process.returncode = os.waitstatus_to_exitcode(status)
                running.restarts += 1
                running.restart_at = time.monotonic() + RESTART_PAUSE_S

    def _launch(self, running: _Running) -> None:
        spec = running.spec
        log = Path(spec.log)
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            running.process = subprocess.Popen(
                spec.argv if spec.privileged else (*self._ordinary, *spec.argv),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=spec.working_directory,
                env={**os.environ, **spec.environment},
                start_new_session=True,
            )

    def _members(self) -> list[psutil.Process]:
        if self._in_namespace:
            return [process for process in psutil.process_iter() if process.pid != 1]
        members = {p.pid: p for p in psutil.Process().children(recursive=True)}
        for data_directory in self._spec.postgres_data_directories:
            with contextlib.suppress(OSError, ValueError, psutil.NoSuchProcess, IndexError):
                first_line = (Path(data_directory) / "postmaster.pid").read_text().splitlines()[0]
                postmaster = psutil.Process(int(first_line))
                if "postgres" in postmaster.name():
                    for process in [postmaster, *postmaster.children(recursive=True)]:
                        members[process.pid] = process
        return list(members.values())

    def _status(self) -> dict[str, Any]:
        self._reap()
        services = {
            name: {
                "running": r.process is not None and r.process.returncode is None,
                "restarts": r.restarts,
                "exit_code": r.process.returncode if r.process is not None else None,
            }
            for name, r in self._services.items()
        }
        state = "frozen" if self._frozen else "running"
        return {"state": state, "processes": len(self._members()), "services": services}

    def _freeze(self) -> dict[str, Any]:
        """Stop every process of the site; confirmed by the kernel's word on each."""
        self._frozen = True
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            moving = [p for p in self._members() if not _is_stopped(p)]
            if not moving:
                return {"processes": len(self._members())}
            self._signal_all(signal.SIGSTOP)
            time.sleep(0.005)
        raise TimeoutError("not every process could be stopped")

    def _thaw(self) -> dict[str, Any]:
        self._signal_all(signal.SIGCONT)
        self._frozen = False
        return {}

    def _stop(self, request: dict[str, Any]) -> dict[str, Any]:
        """End the services in reverse order, politely for ``grace_s``, then for good."""
        if self._frozen:
            self._thaw()
        deadline = time.monotonic() + float(request.get("grace_s", 10))
        for running in reversed(self._services.values()):
            self._end_service(running, deadline)
        self._kill_members()
        return {}

    def _begin(self, request: dict[str, Any]) -> dict[str, Any]:
        """Start the services, but for those named."""
        held = request.get("without", ())
        unknown = set(held) - set(self._services)
        if unknown:
            raise KeyError(f"no such services: {', '.join(sorted(unknown))}")
        for name, running in self._services.items():
            running.wanted = name not in held
        self._tend()
        return {}

    def _kill(self, _request: dict[str, Any]) -> dict[str, Any]:
        self._kill_members()
        return {}

    def _start_services(self, request: dict[str, Any]) -> dict[str, Any]:
        for name in request["services"]:
            self._services[name].wanted = True
            self._services[name].restart_at = 0.0
        self._tend()
        return {}

    def _stop_services(self, request: dict[str, Any]) -> dict[str, Any]:
        deadline = time.monotonic() + float(request.get("grace_s", 10))
        for name in request["services"]:
            self._end_service(self._services[name], deadline)
        return {}

    def _end_service(self, running: _Running, deadline: float) -> None:
        running.wanted = False
        process = running.process
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        while process.returncode is None and time.monotonic() < deadline:
            self._reap()
            time.sleep(0.02)
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()

    def _kill_members(self) -> None:
        for running in self._services.values():
            running.wanted = False
        while members := [p for p in self._members() if not _is_zombie(p)]:
            if self._in_namespace:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(-1, signal.SIGKILL)
            else:
                for process in members:
                    with contextlib.suppress(psutil.NoSuchProcess):
                        process.suspend()
                for process in members:
                    with contextlib.suppress(psutil.NoSuchProcess):
                        process.kill()
            self._reap()
            time.sleep(0.01)

    def _signal_all(self, number: signal.Signals) -> None:
        if self._in_namespace:
            with contextlib.suppress(ProcessLookupError):
                os.kill(-1, number)
            return
        for process in self._members():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(number)


def _is_stopped(process: psutil.Process) -> bool:
    try:
        return process.status() in STOPPED_STATES
    except psutil.NoSuchProcess:
        return True


def _is_zombie(process: psutil.Process) -> bool:
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def main() -> None:
    """Entry point: ``python -m reference_stack.site.init FILE``; ``begin`` starts the services."""
    spec = SiteSpec.model_validate_json(Path(sys.argv[1]).read_text(encoding="utf-8"))
    SiteInit(spec).run()


if __name__ == "__main__":
    main()

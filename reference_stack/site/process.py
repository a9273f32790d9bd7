"""One site as the supervisor holds it: its first process, its control group, its network."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import select
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil

from reference_stack.errors import StackError
from reference_stack.site.backend import Backend, first_process_command
from reference_stack.site.cgroup import SiteGroup
from reference_stack.site.network import SiteNetwork

COMMAND_TIMEOUT_S = 30.0


class SiteProcess:
    """One site: everything of it is started, frozen, cut off and ended as one.

    ``group`` and ``network`` are there when the machine allows them (root); without, a site is
    held together by its PID namespace or its process tree alone, and can't be cut off.
    """

    def __init__(
        self, name: str, backend: Backend, site_file: Path, log: Path, *,
        group: SiteGroup | None = None, network: SiteNetwork | None = None,
    ) -> None:  # fmt: skip
        self.name = name
        self._backend = backend
        self._site_file = site_file
        self._log = log
        self._group = group
        self._network = network
        self._group_frozen = False
        self._process: subprocess.Popen[bytes] | None = None
        self._killed = False
        self._numbers = itertools.count(1)
        self._heard = b""

    @property
    def alive(self) -> bool:
        """Whether the first process runs."""
        return self._process is not None and self._process.poll() is None

    def start(self, without: Sequence[str] = ()) -> None:
        """Start the site but for the services named; nothing happens when it runs already."""
        if self.alive:
            return
        self._killed = self._group_frozen = False
        self._heard = b""
        prefix: tuple[str, ...] = ()
        if self._group is not None:
            self._group.open()
            prefix = self._group.joining_prefix
        own_network = self._network is not None
        command = first_process_command(self._backend, self._site_file, own_network=own_network)
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [*prefix, *command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )
        try:
            if self._network is not None:
                self._network.attach(self.name, self._process.pid)
            self.command({"command": "begin", "without": list(without)}, COMMAND_TIMEOUT_S)
        except StackError:
            self.kill()
            raise

    def freeze(self) -> None:
        """Let nothing of the site run any more; returns once the kernel says so."""
        if self._group is not None and self.alive:
            self._group.freeze()
            self._group_frozen = True
        else:
            self.command({"command": "freeze"}, COMMAND_TIMEOUT_S)

    def thaw(self) -> None:
        """Let a frozen site run on."""
        if self._group is not None and self._group_frozen:
            self._group.thaw()
            self._group_frozen = False
        else:
            self.command({"command": "thaw"}, COMMAND_TIMEOUT_S)

    def lose_power(self) -> None:
        """Take the site's power: it is silent from one moment to the next, for ever.

        With a network of its own its cable goes first, then every process: peers get no goodbye
        and no reset. Without one, killing would make the kernel say goodbye for it: it is frozen.
        """
        if self._network is not None:
            self._network.unplug(self.name)
            self.kill()
        else:
            self.freeze()

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
        number = next(self._numbers)
        process.stdin.write(json.dumps({**request, "number": number}).encode() + b"\n")
        process.stdin.flush()
        deadline = time.monotonic() + timeout_s
        answer: dict[str, Any] = {}
        # What was answered too late is still in the pipe, before what is answered now.
        while answer.pop("number", None) != number:
            line = self._read_line(process.stdout.fileno(), deadline)
            if line is None:
                raise StackError(f"site {self.name} did not answer '{request['command']}'")
            answer = json.loads(line)
        if not answer.pop("ok"):
            raise StackError(f"site {self.name}: {request['command']}: {answer['error']}")
        return answer

    def kill(self) -> None:
        """End every process of the site at once and wait until the last one is gone."""
        self._killed = True
        process = self._process
        if process is None or process.poll() is not None:
            return
        if self._group is not None:
            self._group.kill()
            self._group_frozen = False
        elif self._backend == "namespace":
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
            if self._group_frozen:
                self.thaw()
            with contextlib.suppress(StackError, OSError):
                self.command({"command": "stop", "grace_s": grace_s}, grace_s + 10)
        self.kill()
        self._killed = False

    def status(self) -> dict[str, Any]:
        """State (running, frozen, dead, stopped), process count and services."""
        if not self.alive:
            return {"state": "dead" if self._killed else "stopped", "processes": 0, "services": {}}
        if self._group is not None and self._group_frozen:
            return {"state": "frozen", "processes": self._group.processes(), "services": {}}
        return self.command({"command": "status"}, COMMAND_TIMEOUT_S)

    def _read_line(self, descriptor: int, deadline: float) -> bytes | None:
        """One line; None when it does not come. Half of one is kept for the next time."""
        while b"\n" not in self._heard:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([descriptor], [], [], left)[0]:
                return None
            chunk = os.read(descriptor, 65536)
            if not chunk:
                return None
            self._heard += chunk
        line, _, self._heard = self._heard.partition(b"\n")
        return line

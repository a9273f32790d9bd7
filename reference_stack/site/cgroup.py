"""One control group a site (cgroup v2, root): freezes and kills it by one word to the kernel.

See the kernel's Documentation/admin-guide/cgroup-v2.rst, "cgroup.freeze" and "cgroup.kill".
"""

from __future__ import annotations

import contextlib
import functools
import os
import sys
import time
from pathlib import Path

import psutil

from reference_stack.errors import StackError

_DEADLINE_S = 10.0


@functools.cache
def cgroup_root() -> Path | None:
    """Where control groups can be made, or None: the unified hierarchy, writable, with a kill."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return None
    for mount in psutil.disk_partitions(all=True):
        root = Path(mount.mountpoint)
        if mount.fstype != "cgroup2":
            continue
        trial = root / f"prontuario-trial-{os.getpid()}"
        try:
            trial.mkdir()
        except OSError:
            continue
        able = (trial / "cgroup.kill").exists() and (trial / "cgroup.freeze").exists()
        trial.rmdir()
        if able:
            return root
    return None


class SiteGroup:
    """The control group of one site."""

    def __init__(self, root: Path, instance: int, site: str) -> None:
        self._path = root / f"prontuario-{instance}" / site

    @property
    def joining_prefix(self) -> tuple[str, ...]:
        """Beginning of a command that runs in the group from its first instruction."""
        return ("sh", "-c", 'echo 0 > "$0" && exec "$@"', str(self._path / "cgroup.procs"))

    def open(self) -> None:
        """Make the group; what an earlier stack left in it is ended."""
        self._path.mkdir(parents=True, exist_ok=True)
        self.kill()

    def close(self) -> None:
        """End what runs in the group and remove it."""
        self.kill()
        with contextlib.suppress(OSError):
            self._path.rmdir()
            self._path.parent.rmdir()

    def kill(self) -> None:
        """End every process of the group and wait until the last one is gone.

        Raises:
            StackError: when one does not go.
        """
        if not self._path.exists():
            return
        (self._path / "cgroup.kill").write_text("1", encoding="ascii")
        (self._path / "cgroup.freeze").write_text("0", encoding="ascii")
        self._wait("populated 0", "does not end")

    def freeze(self) -> None:
        """Let nothing of the group run; returns once the kernel says so.

        Raises:
            StackError: when it does not.
        """
        (self._path / "cgroup.freeze").write_text("1", encoding="ascii")
        self._wait("frozen 1", "does not freeze")

    def thaw(self) -> None:
        """Let it run on."""
        (self._path / "cgroup.freeze").write_text("0", encoding="ascii")

    def processes(self) -> int:
        """How many processes it has."""
        return len((self._path / "cgroup.procs").read_text(encoding="ascii").split())

    def _wait(self, word: str, complaint: str) -> None:
        deadline = time.monotonic() + _DEADLINE_S
        events = self._path / "cgroup.events"
        while word not in events.read_text(encoding="ascii"):
            if time.monotonic() > deadline:
                raise StackError(f"{self._path.name} {complaint}")
            time.sleep(0.002)

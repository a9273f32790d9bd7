"""B-11's literal way to the second node: rsync at intervals, and the primary wins.

The first of the design's document sites is the primary. At each interval it first copies its folder
over the other's, then fetches what it lacks. A document changed on both sides, or changed on the
other side while the primary was away, is the primary's afterwards (D-05); what was acknowledged
since the last run is on one disk only (D-04).
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from architecture.values import Strict
from reference_stack.documents import blobs, catalogue
from reference_stack.documents.metrics import DocumentMetrics

log = logging.getLogger("documents")

MODULE = "documents"
USER = "documents"
#: Contents first, so that a record never arrives before what it names.
FOLDERS = (blobs.FOLDER, catalogue.FOLDER)
TIMEOUT_S = 10


class RsyncTarget(Strict):
    """The other node's rsync daemon."""

    program: Path
    host: str
    port: int


class DaemonSettings(Strict):
    """What a node's own rsync daemon is told."""

    program: Path
    host: str
    port: int
    folder: Path
    secret: str


class RsyncLoop:
    """Runs on the primary."""

    def __init__(
        self, target: RsyncTarget, folder: Path, secret: str, *, interval_s: float,
        metrics: DocumentMetrics, clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self._target = target
        self._folder = folder
        self._environment = {**os.environ, "RSYNC_PASSWORD": secret}
        self._interval_s = interval_s
        self._metrics = metrics
        self._clock = clock
        self._good_at_s = clock()
        self._fault = "it has not run yet"

    def complaint(self) -> str | None:
        """What keeps the other node from being given copies, in words; None when nothing does.

        A run that hangs is one too: past its interval and twice rsync's own patience.
        """
        silence_s = self._clock() - self._good_at_s
        if not self._fault and silence_s > self._interval_s + 2 * TIMEOUT_S:
            return f"rsync has not ended a run for {silence_s:.0f} s"
        return self._fault or None

    async def run(self) -> None:
        """Synchronise until cancelled; the interval runs from end to start."""
        while True:
            await self.synchronise()
            await asyncio.sleep(self._interval_s)

    async def synchronise(self) -> bool:
        """One run, both ways; False when rsync failed, of which the log tells more."""
        started = self._clock()
        for folder in FOLDERS:
            here, there = f"{self._folder / folder}/", f"{self._url}/{folder}/"
            if not await self._rsync(here, there):
                return False
        for folder in FOLDERS:
            here, there = f"{self._folder / folder}/", f"{self._url}/{folder}/"
            if not await self._rsync("--ignore-existing", there, here):
                return False
        self._good_at_s, self._fault = self._clock(), ""
        self._metrics.rsync.observe(self._good_at_s - started)
        return True

    @property
    def _url(self) -> str:
        return f"rsync://{USER}@{self._target.host}:{self._target.port}/{MODULE}"

    async def _rsync(self, *words: str) -> bool:
        process = await asyncio.create_subprocess_exec(
            str(self._target.program), "--recursive", "--times",
            # Times are compared to the nanosecond: of two changes within a second that leave a
            # record's size as it was, the later would never be copied.
            "--modify-window=-1",
            f"--timeout={TIMEOUT_S}", f"--contimeout={TIMEOUT_S}", *words,
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE, env=self._environment,
        )  # fmt: skip
        try:
            _, complaint = await process.communicate()
        except asyncio.CancelledError:
            process.terminate()
            raise
        if process.returncode != 0:
            self._metrics.rsync_failed.inc()
            lines = complaint.decode(errors="replace").strip().splitlines()
            said = lines[-1] if lines else "it said nothing"
            self._fault = f"rsync ended with {process.returncode}: {said}"
            log.warning("%s", self._fault)
        return process.returncode == 0


def daemon_configuration(settings: DaemonSettings, secrets_file: Path) -> str:
    """rsyncd.conf: one module, the node's folder, for the other node."""
    # A daemon started as root would become 'nobody' without uid and gid; with them one that is not
    # root fails wherever its user namespace denies setgroups, as the stack's sites' does.
    user = "uid = 0\ngid = 0\n" if os.geteuid() == 0 else ""
    return f"""\
{user}use chroot = no
reverse lookup = no
[{MODULE}]
path = {settings.folder}
read only = no
list = no
auth users = {USER}
secrets file = {secrets_file}
"""


def main() -> None:
    """Entry point: ``python -m reference_stack.documents.rsync --settings FILE``; becomes rsync."""
    parser = argparse.ArgumentParser(prog="reference_stack.documents.rsync")
    parser.add_argument("--settings", type=Path, required=True, help="a JSON file: DaemonSettings")
    arguments = parser.parse_args()
    settings = DaemonSettings.model_validate_json(arguments.settings.read_text(encoding="utf-8"))
    settings.folder.mkdir(parents=True, exist_ok=True)
    secrets_file = arguments.settings.with_suffix(".secrets")
    secrets_file.touch(mode=0o600)
    secrets_file.write_text(f"{USER}:{settings.secret}\n", encoding="ascii")
    configuration = arguments.settings.with_suffix(".conf")
    configuration.write_text(daemon_configuration(settings, secrets_file), encoding="utf-8")
    sys.stderr.write(f"rsync daemon for {settings.folder} on {settings.host}:{settings.port}\n")
    sys.stderr.flush()
    os.execv(  # noqa: S606 - the program of the settings, in place of this process
        settings.program,
        [
            str(settings.program), "--daemon", "--no-detach", f"--config={configuration}",
            f"--address={settings.host}", f"--port={settings.port}", "--log-file=/dev/stderr",
        ],
    )  # fmt: skip


if __name__ == "__main__":
    main()

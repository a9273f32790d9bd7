"""Starting the dashboard: a Streamlit process on loopback that ends with its caller."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from dashboard.settings import ROOT_VARIABLE
from reports.palette import INK, PAPER, PREDICTED, WASH

APP = Path(__file__).with_name("app.py")
HOST = "127.0.0.1"
STOP_S = 10.0


def command(port: int) -> list[str]:
    """The command line that serves the dashboard on ``port`` of loopback, without telemetry."""
    options = {
        "server.address": HOST,
        "server.port": str(port),
        "server.headless": "true",
        "server.fileWatcherType": "none",
        "browser.gatherUsageStats": "false",
        "client.toolbarMode": "minimal",
        "theme.base": "light",
        "theme.primaryColor": PREDICTED,
        "theme.backgroundColor": PAPER,
        "theme.secondaryBackgroundColor": WASH,
        "theme.textColor": INK,
    }
    flags = [part for key, value in options.items() for part in (f"--{key}", value)]
    return [sys.executable, "-m", "streamlit", "run", str(APP), *flags]


def environment(root: Path) -> dict[str, str]:
    """The process's environment: the runs' root, and these packages importable from anywhere."""
    packages = str(APP.parent.parent)
    inherited = os.environ.get("PYTHONPATH")
    path = packages if not inherited else os.pathsep.join((packages, inherited))
    return {**os.environ, ROOT_VARIABLE: str(root.resolve()), "PYTHONPATH": path}


def serve(root: Path, port: int, progress: Callable[[str], None] = lambda _: None) -> int:
    """Serve the dashboard until it ends, Ctrl-C or SIGTERM; nothing of it is left running.

    Returns the exit code: 0 after Ctrl-C, else Streamlit's own.
    """
    with _termination_raises(), subprocess.Popen(command(port), env=environment(root)) as process:
        progress(f"dashboard of {root} at http://{HOST}:{port}; Ctrl-C ends it")
        try:
            return process.wait()
        except KeyboardInterrupt:
            return 0
        finally:
            _stop(process)


@contextmanager
def _termination_raises() -> Iterator[None]:
    """SIGTERM unwinds the block like an exception, so that what it started is stopped.

    Only the main thread may set handlers; elsewhere SIGTERM stays as it is.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def leave(number: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()

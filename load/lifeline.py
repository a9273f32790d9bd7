"""A process that must not outlive the one that started it."""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def end_with_parent(number: signal.Signals = signal.SIGTERM) -> None:
    """Have the kernel send ``number`` when the thread that started this process ends (Linux only).

    Elsewhere, and for a parent that died before this call, ask :func:`orphaned` now and then.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0)


def orphaned(parent: int) -> bool:
    """Whether ``parent`` is no longer this process's parent."""
    return os.getppid() != parent

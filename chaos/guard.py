"""No way out of an experiment leaves a fault behind."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

from chaoslib.exceptions import ActivityFailed

from chaos.actions import lead_back, mend_network, restore_power
from chaos.errors import ExperimentError
from reference_stack.handle import StackHandle


@contextmanager
def mended(handle: StackHandle) -> Iterator[None]:
    """Whatever ends the block, no site is left without power or cut off, nor the cloud in the lead.

    Usually the experiment's rollbacks have seen to that, and nothing is done. Ctrl-C and SIGTERM
    are ignored until it is sure.

    Raises:
        ExperimentError: when something of it could not be undone.
    """
    try:
        yield
    finally:
        with _undisturbed():
            try:
                mend_network(str(handle.directory))
                restore_power(str(handle.directory))
                lead_back(str(handle.directory))
            except ActivityFailed as error:
                raise ExperimentError(
                    f"{error}; end the stack with `testbed stack down` and start it again"
                ) from error


@contextmanager
def terminable() -> Iterator[None]:
    """SIGTERM unwinds the block as Ctrl-C does."""
    before = signal.signal(signal.SIGTERM, raise_interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def raise_interrupt(_number: int, _frame: object) -> None:
    """A signal handler that does what Ctrl-C does."""
    raise KeyboardInterrupt


@contextmanager
def _undisturbed() -> Iterator[None]:
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, signal.SIG_IGN) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)

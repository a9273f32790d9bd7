"""What is sent: clinicians, messages that come by themselves, and each sending of a request."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any, Protocol

from simpy import Environment, Event, Timeout

from architecture.workload import RequestName


class Sender:
    """Who asks: a clinician and where in the journey, or one message (``journey`` is -1).

    ``attempt`` is set while an answer is awaited; ``serial`` counts requests, so that what was
    begun for an earlier one can be told apart. ``connection`` and ``session`` say in which epoch
    they were made: an older one is gone.
    """

    __slots__ = (
        "attempt", "connection", "first_round", "intended_s", "journey", "number", "off_duty_s",
        "operation", "position", "rounds_left", "serial", "session", "session_begins", "shift",
        "tries",
    )  # fmt: skip

    def __init__(self, number: int) -> None:
        self.number = number
        self.journey = 0
        self.position = 0
        self.first_round = True
        self.session_begins = True
        self.rounds_left = 0
        self.off_duty_s = float("inf")
        self.shift = 0
        self.intended_s = 0.0
        self.tries = 0
        self.serial = 0
        self.connection = -1
        self.session = 0
        self.operation: RequestName = "login"
        self.attempt: Attempt | None = None


class Attempt:
    """One sending of a request. ``open`` until it is answered, refused or given up.

    ``stage`` is its next stop on ``route``; ``epoch`` is that of the system that took it in;
    ``extra_s`` are delays too short for events of their own.
    """

    __slots__ = (
        "epoch", "extra_s", "first_token_s", "open", "operation", "route", "sender", "sent_s",
        "sequence", "site", "size_bytes", "stage",
    )  # fmt: skip

    def __init__(self, sender: Sender, operation: RequestName, now: float) -> None:
        self.sender = sender
        self.operation = operation
        self.sent_s = now
        self.open = True
        self.first_token_s = float("nan")
        self.sequence: Any = None
        self.site = 0
        self.stage = 0
        self.epoch = 0
        self.size_bytes = 0.0
        self.extra_s = 0.0
        self.route: tuple[Callable[[Attempt], None], ...] = ()


class Hospital(Protocol):
    """What answers. It calls `Population.answered`, `.refused` or `.declined`."""

    def send(self, attempt: Attempt) -> None:
        """Take a request in."""

    def abandon(self, attempt: Attempt) -> None:
        """The client has given up on it."""


@dataclass
class Answers:
    """What was observed of one operation: seconds from the intended start."""

    latency_s: list[float] = field(default_factory=list)
    first_token_s: list[float] = field(default_factory=list)


@dataclass
class Counts:
    """Attempts by how they ended, since the beginning.

    ``refused`` are tried again, ``declined`` (a function the emergency does not have) are not;
    ``abandoned`` are those of users who ran out of patience.
    """

    arrived: int = 0
    completed: int = 0
    timed_out: int = 0
    refused: int = 0
    declined: int = 0
    abandoned: int = 0

    def since(self, earlier: Counts) -> Counts:
        """What was counted after ``earlier``."""
        return Counts(*(getattr(self, f.name) - getattr(earlier, f.name) for f in fields(self)))

    @property
    def ended(self) -> int:
        """Attempts that are over, however."""
        return (
            self.completed + self.timed_out + self.refused + self.declined + self.abandoned
        )  # fmt: skip


class ConservationError(AssertionError):
    """Attempts appeared or vanished: the model is wrong."""


class Deadlines:
    """Client time-outs of one length: they end in the order they began, so one timer does."""

    def __init__(
        self, env: Environment, timeout_s: float, expired: Callable[[Attempt], None]
    ) -> None:
        self._env = env
        self._timeout_s = timeout_s
        self._expired = expired
        self._open: deque[Attempt] = deque()
        self._armed = False

    def add(self, attempt: Attempt) -> None:
        """Watch an attempt sent now."""
        self._open.append(attempt)
        if not self._armed:
            self._arm()

    def _arm(self) -> None:
        while self._open and not self._open[0].open:
            self._open.popleft()
        self._armed = bool(self._open)
        if self._armed:
            left_s = self._open[0].sent_s + self._timeout_s - self._env.now
            Timeout(self._env, max(left_s, 0.0)).callbacks.append(self._look)

    def _look(self, _event: Event) -> None:
        head = self._open.popleft()
        if head.open:
            self._expired(head)
        self._arm()

"""A closed population: each clinician thinks, asks, waits for the answer, and goes on."""

from __future__ import annotations

import bisect
import itertools
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from simpy import Environment, Event, Timeout

from architecture.workload import Journey, RequestName, Workload
from simulator.events import Fired
from simulator.streams import Streams, Variate


class Attempt:
    """One sending of a request. ``open`` until it is answered, refused or given up."""

    __slots__ = ("clinician", "first_token_s", "open", "operation", "sent_s", "sequence", "site")

    def __init__(self, clinician: Clinician, operation: RequestName, now: float) -> None:
        self.clinician = clinician
        self.operation = operation
        self.sent_s = now
        self.open = True
        self.first_token_s = float("nan")
        self.sequence: Any = None
        self.site = 0


class Hospital(Protocol):
    """What answers the clinicians. It calls `Population.answered` or `Population.refused`."""

    def send(self, attempt: Attempt) -> None:
        """Take a request in."""

    def abandon(self, attempt: Attempt) -> None:
        """The client has given up on it."""


class Clinician:
    """Where one clinician is in the journey. ``attempt`` is set while an answer is awaited."""

    __slots__ = ("attempt", "first_round", "intended_s", "journey", "position", "tries")

    def __init__(self) -> None:
        self.journey = 0
        self.position = 0
        self.first_round = True
        self.intended_s = 0.0
        self.tries = 0
        self.attempt: Attempt | None = None


@dataclass
class Answers:
    """What was observed of one operation: seconds from the intended start."""

    latency_s: list[float] = field(default_factory=list)
    first_token_s: list[float] = field(default_factory=list)


@dataclass
class Counts:
    """Attempts by how they ended, since the beginning."""

    arrived: int = 0
    completed: int = 0
    timed_out: int = 0
    refused: int = 0


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


class Population:
    """All clinicians of a workload.

    Args:
        env: The simulation.
        workload: Journeys, think times and the client's behaviour.
        users: How many clinicians; overrides ``workload.users``.
        streams: Of this replication.
        network_s: Round trip between client and edge, part of every answer's latency.
    """

    def __init__(
        self, env: Environment, workload: Workload, users: int, streams: Streams, network_s: float
    ) -> None:
        self.counts = Counts()
        self.answers: dict[RequestName, Answers] = {}
        self._env = env
        self._network_s = network_s
        self._backoff_s = workload.client.retry_backoff_s
        self._most_tries = workload.client.attempts
        self._journeys = list(workload.journeys.values())
        self._weights = list(itertools.accumulate(j.weight for j in self._journeys))
        self._pick_journey = streams.uniform("journey")
        self._pick_step = streams.uniform("step")
        self._think: list[list[Variate]] = [
            [
                streams.variate(f"think.{name}.{number}", step.think_s)
                for number, step in enumerate(journey.steps)
            ]
            for name, journey in workload.journeys.items()
        ]
        for name, journey in workload.journeys.items():
            _check_goes_on(name, journey)
        client = workload.client
        short = Deadlines(env, client.timeout_s, self._timed_out)
        self._deadlines: dict[RequestName, Deadlines] = dict.fromkeys(workload.demands, short)
        self._deadlines["chat"] = Deadlines(env, client.chat_timeout_s, self._timed_out)
        self._clinicians = [Clinician() for _ in range(users)]
        self._ramp_s = workload.ramp_s
        self._hospital: Hospital | None = None

    def begin(self, hospital: Hospital) -> None:
        """Let the clinicians come, spread evenly over the workload's ramp."""
        self._hospital = hospital
        count = len(self._clinicians)
        for number, clinician in enumerate(self._clinicians):
            arrival = Timeout(self._env, self._ramp_s * number / count, clinician)
            arrival.callbacks.append(self._arrived)

    def answered(self, attempt: Attempt) -> None:
        """The hospital's answer; ignored when the client has given up before."""
        if not attempt.open:
            return
        self.counts.completed += 1
        attempt.open = False
        clinician = attempt.clinician
        late_s = self._network_s - clinician.intended_s
        answers = self.answers.setdefault(attempt.operation, Answers())
        answers.latency_s.append(self._env.now + late_s)
        if attempt.operation == "chat":
            answers.first_token_s.append(attempt.first_token_s + late_s)
        self._go_on(clinician)

    def refused(self, attempt: Attempt) -> None:
        """The hospital's clear no."""
        if attempt.open:
            self.counts.refused += 1
            self._failed(attempt)

    def forget(self) -> None:
        """Drop what was observed so far: the end of the warm-up."""
        self.answers = {}

    @property
    def waiting(self) -> int:
        """Clinicians that wait for an answer."""
        return sum(clinician.attempt is not None for clinician in self._clinicians)

    def check_conservation(self) -> None:
        """Every attempt has ended in one way or is still waited for.

        Raises:
            ConservationError: when the sum does not hold.
        """
        counts = self.counts
        ended = counts.completed + counts.timed_out + counts.refused
        if counts.arrived != ended + self.waiting:
            raise ConservationError(
                f"{counts.arrived} attempts arrived, but {counts.completed} completed + "
                f"{counts.timed_out} timed out + {counts.refused} refused + "
                f"{self.waiting} in system"
            )

    def _arrived(self, event: Fired) -> None:
        clinician = event.value
        clinician.journey = self._some_journey()
        self._think_next(clinician)

    def _go_on(self, clinician: Clinician) -> None:
        clinician.attempt = None
        clinician.position += 1
        self._think_next(clinician)

    def _think_next(self, clinician: Clinician) -> None:
        """Find the next step that is taken this round, and think before it."""
        while True:
            steps = self._journeys[clinician.journey].steps
            if clinician.position == len(steps):
                clinician.position = 0
                clinician.first_round = False
                clinician.journey = self._some_journey()
                continue
            step = steps[clinician.position]
            left_out = step.once and not clinician.first_round
            if not left_out and (step.probability >= 1.0 or self._pick_step() < step.probability):
                break
            clinician.position += 1
        think_s = self._think[clinician.journey][clinician.position]()
        pause = Timeout(self._env, self._network_s + think_s, clinician)
        pause.callbacks.append(self._thought)

    def _some_journey(self) -> int:
        if len(self._weights) == 1:
            return 0
        return bisect.bisect(self._weights, self._pick_journey() * self._weights[-1])

    def _thought(self, event: Fired) -> None:
        clinician: Clinician = event.value
        clinician.intended_s = self._env.now
        clinician.tries = 0
        self._try(clinician)

    def _again(self, event: Fired) -> None:
        self._try(event.value)

    def _try(self, clinician: Clinician) -> None:
        operation = self._journeys[clinician.journey].steps[clinician.position].request
        attempt = Attempt(clinician, operation, self._env.now)
        clinician.tries += 1
        clinician.attempt = attempt
        self.counts.arrived += 1
        self._deadlines[operation].add(attempt)
        if self._hospital is None:
            raise RuntimeError("Population.begin comes first")
        self._hospital.send(attempt)

    def _timed_out(self, attempt: Attempt) -> None:
        self.counts.timed_out += 1
        if self._hospital is not None:
            self._hospital.abandon(attempt)
        self._failed(attempt)

    def _failed(self, attempt: Attempt) -> None:
        attempt.open = False
        clinician = attempt.clinician
        clinician.attempt = None
        if clinician.tries >= self._most_tries:
            self._go_on(clinician)
        else:
            retry = Timeout(self._env, self._backoff_s, clinician)
            retry.callbacks.append(self._again)


def _check_goes_on(name: str, journey: Journey) -> None:
    if not any(step.probability > 0 and not step.once for step in journey.steps):
        raise ValueError(
            f"workload.journeys.{name}: needs a step with a probability above 0 and without 'once'"
        )

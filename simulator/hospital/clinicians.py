"""Those who ask: a closed population of clinicians, and open streams of messages.

Each clinician thinks, asks, waits for the answer, and goes on. Without a day's profile everybody
is at work all the time (the busiest hour); with one, :mod:`simulator.hospital.shifts` says when
they are at the device.
"""

from __future__ import annotations

import bisect
import itertools

from simpy import Environment, Timeout

from architecture.workload import Journey, RequestName, Workload
from simulator.events import Fired
from simulator.hospital.requests import (
    Answers,
    Attempt,
    ConservationError,
    Counts,
    Deadlines,
    Hospital,
    Sender,
)
from simulator.hospital.shifts import Shifts
from simulator.streams import Streams, Variate

# Past so many retries the pause has reached its longest anyway.
MOST_DOUBLINGS = 60
LOGINS = frozenset({"login", "face-login"})


class Population:
    """All clinicians and message streams of a workload.

    Args:
        env: The simulation.
        workload: Journeys, think times, the day, and the client's behaviour.
        users: How many clinicians; overrides ``workload.users``.
        streams: Of this replication.
        network_s: Round trip between client and edge, part of every answer's latency.
        day: Whether the workload's day is played; else everybody is at work all the time.
    """

    def __init__(
        self, env: Environment, workload: Workload, users: int, streams: Streams, network_s: float,
        *, day: bool = False,
    ) -> None:  # fmt: skip
        self.counts = Counts()
        self.answers: dict[RequestName, Answers] = {}
        self.session = 0
        self._env = env
        self._network_s = network_s
        self._client = workload.client
        self._journeys = list(workload.journeys.values())
        self._weights = list(itertools.accumulate(j.weight for j in self._journeys))
        self._pick_journey = streams.uniform("journey")
        self._pick_step = streams.uniform("step")
        self._jitter = streams.uniform("retry") if workload.client.retry_jitter else None
        self._think: list[list[Variate]] = []
        self._patience: list[list[Variate | None]] = []
        for name, journey in workload.journeys.items():
            _check_goes_on(name, journey)
            steps = list(enumerate(journey.steps))
            self._think.append(
                [streams.variate(f"think.{name}.{n}", step.think_s) for n, step in steps]
            )
            self._patience.append(
                [
                    None if step.patience_s is None
                    else streams.variate(f"patience.{name}.{n}", step.patience_s)
                    for n, step in steps
                ]
            )  # fmt: skip
        short = Deadlines(env, workload.client.timeout_s, self._timed_out)
        long = Deadlines(env, workload.client.chat_timeout_s, self._timed_out)
        self._deadlines: dict[RequestName, Deadlines] = {
            operation: long if demand.by_model else short
            for operation, demand in workload.demands.items()
        }
        self._has_login = "login" in workload.demands
        self._clinicians = [Sender(number) for number in range(users)]
        self._messages: set[Sender] = set()
        self._ramp_s = workload.ramp_s
        self._shifts = (
            Shifts(env, workload.day, streams, self._begin_rounds)
            if day and workload.day is not None
            else None
        )
        self._streams = [
            (stream.request, streams.variate(f"arrivals.{name}", stream.every_s))
            for name, stream in workload.arrivals.items()
        ]
        self._hospital: Hospital | None = None

    def begin(self, hospital: Hospital) -> None:
        """Let the clinicians come: over the workload's ramp, or with their shifts."""
        self._hospital = hospital
        if self._shifts is None:
            count = len(self._clinicians)
            for clinician in self._clinicians:
                at_s = self._ramp_s * clinician.number / count
                Timeout(self._env, at_s, clinician).callbacks.append(self._arrived)
        else:
            self._shifts.assign(self._clinicians)
        for stream in self._streams:
            Timeout(self._env, stream[1](), stream).callbacks.append(self._message)

    @property
    def on_duty(self) -> int:
        """Clinicians at work; without a day everybody is."""
        return len(self._clinicians) if self._shifts is None else self._shifts.on_duty

    def answered(self, attempt: Attempt) -> None:
        """The hospital's answer; ignored when the client has given up before."""
        if not attempt.open:
            return
        self.counts.completed += 1
        attempt.open = False
        sender = attempt.sender
        operation = attempt.operation
        prelude = operation != sender.operation
        since_s = attempt.sent_s if prelude else sender.intended_s
        late_s = self._network_s + attempt.extra_s - since_s
        answers = self.answers.get(operation)
        if answers is None:
            answers = self.answers[operation] = Answers()
        answers.latency_s.append(self._env.now + late_s)
        if operation == "chat":
            answers.first_token_s.append(attempt.first_token_s + late_s)
        if operation in LOGINS:
            sender.session = self.session
        if prelude:
            self._try(sender)
        else:
            self._go_on(sender)

    def refused(self, attempt: Attempt) -> None:
        """The hospital's no for the moment: the client tries again."""
        if attempt.open:
            self.counts.refused += 1
            self._failed(attempt)

    def declined(self, attempt: Attempt) -> None:
        """The hospital's no for good: the user does without."""
        if attempt.open:
            self.counts.declined += 1
            attempt.open = False
            self._go_on(attempt.sender)

    def forget(self) -> None:
        """Drop what was observed so far: the end of the warm-up."""
        self.answers = {}

    @property
    def waiting(self) -> int:
        """Clinicians and messages that wait for an answer."""
        senders = itertools.chain(self._clinicians, self._messages)
        return sum(sender.attempt is not None for sender in senders)

    def open_attempts(self) -> list[Attempt]:
        """What is waited for now, clinicians' by number, then messages' by time."""
        messages = sorted(self._messages, key=lambda message: message.intended_s)
        senders = itertools.chain(self._clinicians, messages)
        return [s.attempt for s in senders if s.attempt is not None and s.attempt.open]

    def check_conservation(self) -> None:
        """Every attempt has ended in one way or is still waited for.

        Raises:
            ConservationError: when the sum does not hold.
        """
        counts = self.counts
        if counts.arrived != counts.ended + self.waiting:
            raise ConservationError(
                f"{counts.arrived} attempts arrived, but {counts.completed} completed + "
                f"{counts.timed_out} timed out + {counts.refused} refused + "
                f"{counts.declined} declined + {counts.abandoned} abandoned + "
                f"{self.waiting} in system"
            )

    def _arrived(self, event: Fired) -> None:
        self._begin_rounds(event.value)

    def _begin_rounds(self, clinician: Sender) -> None:
        clinician.journey = self._some_journey()
        self._think_next(clinician)

    def _message(self, event: Fired) -> None:
        operation, every_s = event.value
        Timeout(self._env, every_s(), event.value).callbacks.append(self._message)
        message = Sender(-1)
        message.journey = -1
        message.operation = operation
        message.session = self.session
        message.intended_s = self._env.now
        self._messages.add(message)
        self._try(message)

    def _go_on(self, sender: Sender) -> None:
        sender.attempt = None
        sender.serial += 1
        if sender.journey < 0:
            self._messages.discard(sender)
            return
        sender.position += 1
        self._think_next(sender)

    def _round_over(self, clinician: Sender) -> bool:
        """Begin the next round; False when the clinician leaves the device for now."""
        clinician.position = 0
        clinician.first_round = False
        clinician.session_begins = False
        clinician.journey = self._some_journey()
        return self._shifts is None or self._shifts.stays(clinician)

    def _think_next(self, clinician: Sender) -> None:
        """Find the next step that is taken this round, and think before it."""
        while True:
            steps = self._journeys[clinician.journey].steps
            if clinician.position == len(steps):
                if not self._round_over(clinician):
                    return
                continue
            step = steps[clinician.position]
            left_out = (step.once and not clinician.first_round) or (
                step.session_start and not clinician.session_begins
            )
            if not left_out and (step.probability >= 1.0 or self._pick_step() < step.probability):
                break
            clinician.position += 1
        clinician.operation = step.request
        think_s = self._think[clinician.journey][clinician.position]()
        if self._shifts is not None:
            think_s /= self._shifts.intensity()
        pause = Timeout(self._env, self._network_s + think_s, clinician)
        pause.callbacks.append(self._thought)

    def _some_journey(self) -> int:
        if len(self._weights) == 1:
            return 0
        return bisect.bisect(self._weights, self._pick_journey() * self._weights[-1])

    def _thought(self, event: Fired) -> None:
        clinician: Sender = event.value
        clinician.intended_s = self._env.now
        clinician.tries = 0
        clinician.serial += 1
        patience = self._patience[clinician.journey][clinician.position]
        if patience is not None:
            runs_out = Timeout(self._env, patience(), (clinician, clinician.serial))
            runs_out.callbacks.append(self._loses_patience)
        self._try(clinician)

    def _again(self, event: Fired) -> None:
        sender, serial = event.value
        if sender.serial == serial:
            self._try(sender)

    def _try(self, sender: Sender) -> None:
        operation = sender.operation
        if sender.session != self.session and operation not in LOGINS and self._has_login:
            operation = "login"
        attempt = Attempt(sender, operation, self._env.now)
        sender.tries += 1
        sender.attempt = attempt
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

    def _loses_patience(self, event: Fired) -> None:
        sender, serial = event.value
        if sender.serial != serial:
            return
        attempt = sender.attempt
        if attempt is not None and attempt.open:
            self.counts.abandoned += 1
            attempt.open = False
            if self._hospital is not None:
                self._hospital.abandon(attempt)
        self._go_on(sender)

    def _failed(self, attempt: Attempt) -> None:
        attempt.open = False
        sender = attempt.sender
        sender.attempt = None
        if sender.tries >= self._client.attempts:
            self._go_on(sender)
        else:
            retry = Timeout(self._env, self._backoff_s(sender.tries), (sender, sender.serial))
            retry.callbacks.append(self._again)

    def _backoff_s(self, tries: int) -> float:
        client = self._client
        growth = client.retry_multiplier ** min(tries - 1, MOST_DOUBLINGS) if tries > 1 else 1.0
        pause_s = min(client.retry_backoff_s * growth, client.retry_backoff_max_s)
        if self._jitter is None:
            return pause_s
        return pause_s * (1.0 + client.retry_jitter * (2.0 * self._jitter() - 1.0))


def _check_goes_on(name: str, journey: Journey) -> None:
    if not any(
        step.probability > 0 and not step.once and not step.session_start for step in journey.steps
    ):
        raise ValueError(
            f"workload.journeys.{name}: needs a step with a probability above 0 and without "
            "'once' or 'session_start'"
        )

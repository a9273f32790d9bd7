"""A clinician: thinks, asks, waits for the answer, asks again when none comes, and goes on."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar
from uuid import UUID, uuid5

from gevent.event import Event
from locust import User, constant, task
from locust.exception import StopUser

from architecture.values import Distribution
from architecture.workload import RequestName, Step
from load import calls, texts
from load.attempt import Attempt, worth_repeating
from load.calls import Call
from load.exchange import Answer, attempt
from load.line import Line
from load.listener import Listener
from load.settings import KnownPatient, LoadSettings
from reference_stack.hospital.clinicians import clinician_password
from simulator.streams import Streams, Variate


@dataclass
class Ward:
    """What all clinicians of one load share."""

    settings: LoadSettings
    secret: str
    listener: Listener
    stopping: Event = field(default_factory=Event)
    numbers: itertools.count[int] = field(default_factory=itertools.count)


class Clinician(User):
    """One user of the closed population, with an account and random streams of its own.

    Think times, patients, texts and retry pauses depend on seed and user alone. The keys of notes
    depend on the run too: with the keys of an earlier run on the same database a note would be
    answered from the past, and nothing would be written.
    """

    abstract = True
    wait_time = constant(0)
    ward: ClassVar[Ward]

    def __init__(self, environment: Any) -> None:
        super().__init__(environment)
        settings = self.ward.settings
        self._number = next(self.ward.numbers) % settings.users
        self._username = settings.usernames[self._number]
        client = settings.design.workload.client
        self._line = Line(settings.urls, client, settings.certificate_authority)
        self._token = ""
        self._requests = 0
        self._notes = 0
        self._first_round = True
        streams = Streams(settings.seed, self._number)
        self._choosing = streams.generator("choose")
        self._writing = streams.generator("write")
        self._pausing = streams.generator("retry")
        chat = settings.design.workload.demands.get("chat")
        self._asked_tokens = _variate(
            streams, "prompt tokens", chat.prompt_tokens if chat else None
        )
        self._answer_tokens = _variate(
            streams, "answer tokens", chat.answer_tokens if chat else None
        )
        journeys = settings.design.workload.journeys
        weights = [journey.weight for journey in journeys.values()]
        shares = [weight / sum(weights) for weight in weights]
        self._journey = str(self._choosing.choice(list(journeys), p=shares))
        self._steps = [
            (step, streams.variate(f"think {position}", step.think_s))
            for position, step in enumerate(journeys[self._journey].steps)
        ]
        self._patient = self._some_patient()

    @task
    def round(self) -> None:
        """One round of the clinician's journey."""
        for step, think_s in self._steps:
            if self._takes(step):
                intended_s = time.monotonic() + think_s()
                self._wait_until(intended_s)
                self._perform(step.request, intended_s)
        self._first_round = False

    def on_stop(self) -> None:
        """Close the connection when the user ends."""
        self._line.close()

    def _takes(self, step: Step) -> bool:
        if step.once and not self._first_round:
            return False
        return step.probability == 1 or bool(self._choosing.random() < step.probability)

    def _perform(self, request: RequestName, intended_s: float) -> None:
        if request == "login":
            self._log_in(intended_s)
            return
        if not self._token:
            self._log_in(time.monotonic())
        build: dict[RequestName, Callable[[], Call]] = {
            "lookup": self._lookup,
            "note": self._note,
            "chat": self._chat,
        }
        self._until_answered(build[request](), intended_s)

    def _log_in(self, intended_s: float) -> None:
        self._token = ""
        password = clinician_password(self.ward.secret, self._username)
        answer = self._until_answered(calls.login(self._username, password), intended_s)
        self._token = str(answer.document.get("access_token", ""))

    def _lookup(self) -> Call:
        self._patient = self._some_patient()
        by_name = self._choosing.random() < 0.5  # noqa: PLR2004 - one half by name, one by number
        query = self._patient.name if by_name else self._patient.medical_record_number
        return calls.lookup(self._patient, query)

    def _note(self) -> Call:
        self._notes += 1
        key = uuid5(self.ward.settings.run_id, f"note {self._number} {self._notes}")
        return calls.note(self._patient, key, texts.note_text(self._writing), self._notes)

    def _chat(self) -> Call:
        message = texts.question(self._writing, self._asked_tokens())
        return calls.chat(self._patient, message, max(1, round(self._answer_tokens())))

    def _some_patient(self) -> KnownPatient:
        patients = self.ward.settings.patients
        return patients[int(self._choosing.integers(len(patients)))]

    def _until_answered(self, call: Call, intended_s: float) -> Answer:
        """Try until the answer is final or the client's attempts are used up; the last answer."""
        client = self.ward.settings.design.workload.client
        request_id = call.key or str(self._request_id())
        answer = Answer()
        for number in range(1, client.attempts + 1):
            answer = self._attempt(call, request_id, number, intended_s)
            if not worth_repeating(answer.outcome, answer.status):
                return answer
            if answer.status == 401:  # noqa: PLR2004
                if call.operation == "login":
                    return answer
                self._log_in(time.monotonic())
            else:
                self._wait_until(time.monotonic() + self._retry_pause_s(client.retry_backoff_s))
        return answer

    def _retry_pause_s(self, mean_s: float) -> float:
        """Uniform on 0.5 to 1.5 times the mean, so that clients don't come back in step."""
        return float(self._pausing.uniform(0.5, 1.5)) * mean_s

    def _request_id(self) -> UUID:
        self._requests += 1
        return uuid5(self.ward.settings.run_id, f"request {self._number} {self._requests}")

    def _attempt(self, call: Call, request_id: str, number: int, intended_s: float) -> Answer:
        client = self.ward.settings.design.workload.client
        answer = Answer()
        sent_s = time.monotonic()
        timeout_s = client.chat_timeout_s if call.streamed else client.timeout_s
        try:
            attempt(self._line, call, self._token, timeout_s, answer)
        finally:
            self.ward.listener.record(
                Attempt(
                    request_id=request_id,
                    user=self._number,
                    journey=self._journey,
                    operation=call.operation,
                    attempt=number,
                    intended_s=intended_s,
                    sent_s=sent_s,
                    first_byte_s=answer.first_byte_s,
                    finished_s=answer.finished_s,
                    outcome=answer.outcome,
                    status=answer.status,
                    site=answer.site,
                    mode=answer.mode,
                    tokens=answer.tokens,
                    error=answer.error,
                    endpoint=answer.endpoint,
                )
            )
            self._tell_locust(call, sent_s, answer)
        return answer

    def _tell_locust(self, call: Call, sent_s: float, answer: Answer) -> None:
        self.environment.events.request.fire(
            request_type=call.method,
            name=call.operation,
            response_time=(answer.finished_s - sent_s) * 1000,
            response_length=0,
            exception=None if answer.outcome == "ok" else RuntimeError(answer.error),
            context={},
        )

    def _wait_until(self, moment_s: float) -> None:
        """Sleep until ``moment_s``; a user whose load is stopping leaves instead."""
        left_s = max(0.0, moment_s - time.monotonic())
        if self.ward.stopping.wait(left_s):
            raise StopUser


def _variate(streams: Streams, source: str, distribution: Distribution | None) -> Variate:
    return streams.variate(source, distribution) if distribution is not None else lambda: 1.0

"""A clinician: thinks, asks, waits for the answer, asks again when none comes, and goes on."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any
from uuid import uuid5

from locust import task

from architecture.values import Distribution
from architecture.workload import RequestName, Step
from load import calls, texts
from load.caller import Caller
from load.calls import Call
from load.settings import KnownPatient
from simulator.streams import Streams, Variate


class Clinician(Caller):
    """One user of the closed population, with an account and random streams of its own.

    Think times, patients, texts and retry pauses depend on seed and user alone. The keys of notes
    depend on the run too: with the keys of an earlier run on the same database a note would be
    answered from the past, and nothing would be written.
    """

    abstract = True

    def __init__(self, environment: Any) -> None:
        settings = self.ward.settings
        number = next(self.ward.numbers) % settings.users
        super().__init__(
            environment, number=number, username=settings.usernames[number], journey=""
        )
        streams = self._streams
        self._notes = 0
        self._first_round = True
        self._choosing = streams.generator("choose")
        self._writing = streams.generator("write")
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


def _variate(streams: Streams, source: str, distribution: Distribution | None) -> Variate:
    return streams.variate(source, distribution) if distribution is not None else lambda: 1.0

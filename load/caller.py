"""Whoever asks the system something: has an account, a connection, and a record of each attempt."""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass, field
from typing import Any, ClassVar
from uuid import UUID, uuid5

from gevent.event import Event
from locust import User, constant
from locust.exception import StopUser

from load import calls
from load.attempt import Attempt, worth_repeating
from load.calls import Call
from load.exchange import Answer, attempt
from load.line import Line
from load.listener import Listener
from load.settings import LoadSettings
from reference_stack.hospital.clinicians import clinician_password
from simulator.streams import Streams


@dataclass
class Ward:
    """What all users of one load share."""

    settings: LoadSettings
    secret: str
    listener: Listener
    stopping: Event = field(default_factory=Event)
    numbers: itertools.count[int] = field(default_factory=itertools.count)


class Caller(User):
    """A user of the load: logs in, asks, asks again when no answer comes, and records it all.

    ``number`` is its column ``user``, ``journey`` that of the ``requests`` table.
    """

    abstract = True
    wait_time = constant(0)
    ward: ClassVar[Ward]

    def __init__(self, environment: Any, *, number: int, username: str, journey: str) -> None:
        super().__init__(environment)
        settings = self.ward.settings
        self._number = number
        self._username = username
        self._journey = journey
        self._client = settings.design.workload.client
        self._line = Line(settings.urls, self._client, settings.certificate_authority)
        self._token = ""
        self._requests = 0
        self._streams = Streams(settings.seed, number)
        self._pausing = self._streams.generator("retry")

    def on_stop(self) -> None:
        """Close the connection when the user ends."""
        self._line.close()

    def _log_in(self, intended_s: float) -> None:
        self._token = ""
        password = clinician_password(self.ward.secret, self._username)
        answer = self._until_answered(calls.login(self._username, password), intended_s)
        self._token = str(answer.document.get("access_token", ""))

    def _until_answered(self, call: Call, intended_s: float) -> Answer:
        """Try until the answer is final or the client's attempts are used up; the last answer."""
        request_id = call.key or str(self._request_id())
        answer = Answer()
        for number in range(1, self._client.attempts + 1):
            answer = self._attempt(call, request_id, number, intended_s)
            if not worth_repeating(answer.outcome, answer.status):
                return answer
            if answer.status == 401:  # noqa: PLR2004
                if call.operation == "login":
                    return answer
                self._log_in(time.monotonic())
            else:
                self._wait_until(time.monotonic() + self._retry_pause_s())
        return answer

    def _retry_pause_s(self) -> float:
        """Uniform on 0.5 to 1.5 times the mean, so that clients don't come back in step."""
        return float(self._pausing.uniform(0.5, 1.5)) * self._client.retry_backoff_s

    def _request_id(self) -> UUID:
        self._requests += 1
        return uuid5(self.ward.settings.run_id, f"request {self._number} {self._requests}")

    def _attempt(self, call: Call, request_id: str, number: int, intended_s: float) -> Answer:
        answer = Answer()
        sent_s = time.monotonic()
        timeout_s = self._client.chat_timeout_s if call.streamed else self._client.timeout_s
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

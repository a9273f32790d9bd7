"""A synthetic probe of the chat: few clinicians ask it, so that an outage's end might go unseen.

As a black-box monitor does, it asks the same short question at even distances, whatever the
clinicians do. It is as patient as they are and never has two questions under way: probes with a
time-out of their own, sent whatever became of those before, pile up on a language model that is
busy after a takeover, and keep it busy. It is told apart by its ``journey`` in the ``requests``
table: evidence of when the chat answers again, and none of how long clinicians wait.
"""

from __future__ import annotations

import math
import time
from typing import Any

from locust import task

from load import calls
from load.caller import Caller
from load.settings import PROBE_JOURNEY, ChatProbe


class Prober(Caller):
    """Asks every ``probe.every_s`` seconds, or at once when an answer took longer.

    It uses the first clinician's account, so that it takes nobody's place in an emergency.
    """

    abstract = True
    probe: ChatProbe

    def __init__(self, environment: Any) -> None:
        settings = self.ward.settings
        super().__init__(
            environment, number=settings.users, username=settings.usernames[0],
            journey=PROBE_JOURNEY,
        )  # fmt: skip
        self._asked_s = -math.inf

    @task
    def ask(self) -> None:
        """One question, when it is due."""
        self._asked_s = intended_s = max(time.monotonic(), self._asked_s + self.probe.every_s)
        self._wait_until(intended_s)
        if not self._token:
            self._log_in(intended_s)
        if not self._token:
            return  # Without a log-in nothing is known of the chat.
        call = calls.chat(
            self.ward.settings.patients[0], self.probe.question, self.probe.answer_tokens
        )
        answer = self._attempt(call, str(self._request_id()), 1, intended_s)
        if answer.status == 401:  # noqa: PLR2004
            self._token = ""

"""One attempt on the wire: send, read the answer, say what became of it.

geventhttpclient is the client below Locust's FastHttpUser. It is used directly because FastHttpUser
closes the connection of an error answer before its problem document can be read, and hides whether
a request was sent at all. It sends an idempotent request once more when a kept connection turns out
to be closed (RFC 9112, 9.3.1); that counts as the same attempt. POST is never sent twice.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import gevent
from geventhttpclient import HTTPClient
from geventhttpclient.response import HTTPParseError, HTTPSocketPoolResponse

from load.attempt import STOPPED, Outcome, outcome_of_status
from load.calls import Call
from load.stream import ChatStream

Clock = Callable[[], float]

SITE_HEADER = "x-prontuario-site"
MODE_HEADER = "x-prontuario-mode"


@dataclass
class Answer:
    """What came back of one attempt so far; times are seconds of the given clock."""

    outcome: Outcome = "unknown"
    status: int = 0
    first_byte_s: float = math.nan
    finished_s: float = math.nan
    site: str = ""
    mode: str = ""
    tokens: int = 0
    error: str = ""
    document: dict[str, Any] = field(default_factory=dict)


class Line:
    """A user's connection to the system: kept open between requests, replaced after any failure.

    ``longest_s`` bounds any single wait on the socket; each attempt has a time-out of its own.
    """

    def __init__(self, url: str, longest_s: float, clock: Clock = time.monotonic) -> None:
        self._url = url
        self._longest_s = longest_s
        self._clock = clock
        self._client: HTTPClient | None = None

    def attempt(self, call: Call, token: str, timeout_s: float, answer: Answer) -> None:
        """Make one attempt and fill in ``answer``.

        The time-out bounds the whole attempt, connecting and reading included. When the load ends
        in the middle, ``answer`` says so and `gevent.GreenletExit` passes on.
        """
        timeout = gevent.Timeout.start_new(timeout_s)
        try:
            self._talk(call, token, answer)
        except gevent.Timeout as expired:
            if expired is not timeout:
                raise
            answer.outcome, answer.error = "unknown", f"no whole answer within {timeout_s:g} s"
        except ConnectionRefusedError:
            answer.outcome, answer.error = "failed", "connection refused"
        except (OSError, HTTPParseError, ValueError) as error:
            words = str(error).strip()
            answer.outcome, answer.error = "unknown", f"{type(error).__name__}: {words}"
        except gevent.GreenletExit:
            answer.outcome, answer.error = "unknown", STOPPED
            raise
        finally:
            timeout.close()
            answer.finished_s = self._clock()
            if answer.status == 0 or answer.outcome == "unknown":
                self.close()

    def close(self) -> None:
        """Close the connection; the next attempt opens a new one."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def _talk(self, call: Call, token: str, answer: Answer) -> None:
        if self._client is None:
            self._client = HTTPClient.from_url(
                self._url,
                concurrency=1,
                connection_timeout=self._longest_s,
                network_timeout=self._longest_s,
            )
        response = self._client.request(
            call.method, call.path, body=call.body, headers=call.headers(token)
        )
        answer.status = response.status_code
        answer.site = _header(response, SITE_HEADER)
        answer.mode = _header(response, MODE_HEADER)
        answer.outcome = outcome_of_status(answer.status, "")
        if call.streamed and answer.outcome == "ok":
            self._read_stream(response, answer)
        else:
            answer.first_byte_s = self._clock()
            _read_document(response, call, answer)

    def _read_stream(self, response: HTTPSocketPoolResponse, answer: Answer) -> None:
        stream = ChatStream()
        answer.outcome = "unknown"
        while line := response.readline(b"\n"):
            if stream.feed(line) and math.isnan(answer.first_byte_s):
                answer.first_byte_s = self._clock()
            answer.tokens = stream.tokens
        if stream.problem:
            answer.outcome, answer.error = "refused", f"broken off: {stream.problem}"
        elif stream.done:
            answer.outcome = "ok"
        else:
            answer.error = "the stream ended before the answer did"


def _read_document(response: HTTPSocketPoolResponse, call: Call, answer: Answer) -> None:
    """Read a JSON answer, and judge it."""
    answer.outcome = "unknown"
    body = response.read()
    if not response.message_complete:
        answer.error = "the answer was cut short"
        return
    document: Any = {}
    if "json" in _header(response, "content-type"):
        document = json.loads(body)
    answer.document = document if isinstance(document, dict) else {}
    problem = str(answer.document.get("type", ""))
    answer.outcome = outcome_of_status(answer.status, problem)
    if answer.outcome != "ok":
        answer.error = f"{answer.status} {problem}".strip()
    elif complaint := call.check(answer.document):
        answer.outcome, answer.error = "refused", complaint


def _header(response: HTTPSocketPoolResponse, name: str) -> str:
    value = response.get(name, "")
    return value if isinstance(value, str) else ""

"""One attempt on the wire: connect, send, read the answer, say what became of it.

An idempotent request is sent once more when a kept connection turns out to be closed (RFC 9112,
9.3.1); that counts as the same attempt. POST is never sent twice.
"""

from __future__ import annotations

import json
import math
import time
from dataclasses import dataclass, field
from typing import Any

import gevent
from geventhttpclient.response import HTTPParseError, HTTPSocketPoolResponse

from load.attempt import STOPPED, Outcome, outcome_of_status
from load.calls import Call
from load.line import Line, NotConnectedError
from load.route import Clock
from load.stream import ChatStream

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
    endpoint: str = ""
    document: dict[str, Any] = field(default_factory=dict)


def attempt(
    line: Line, call: Call, token: str, timeout_s: float, answer: Answer, *,
    clock: Clock = time.monotonic,
) -> None:  # fmt: skip
    """Make one attempt and fill in ``answer``.

    The time-out bounds the whole attempt, connecting and reading included. When the load ends in
    the middle, ``answer`` says so and `gevent.GreenletExit` passes on.
    """
    timeout = gevent.Timeout.start_new(timeout_s)
    try:
        _talk(line, call, token, answer, clock)
    except gevent.Timeout as expired:
        if expired is not timeout:
            raise
        answer.outcome = "unknown" if answer.endpoint else "failed"
        answer.error = f"no whole answer within {timeout_s:g} s"
    except NotConnectedError as error:
        answer.outcome, answer.error = "failed", str(error)
    except (OSError, HTTPParseError, ValueError) as error:
        words = str(error).strip()
        answer.outcome, answer.error = "unknown", f"{type(error).__name__}: {words}"
    except gevent.GreenletExit:
        answer.outcome, answer.error = "unknown", STOPPED
        raise
    finally:
        timeout.close()
        answer.finished_s = clock()
        if answer.status == 0 or answer.outcome == "unknown":
            line.hang_up()


def _talk(line: Line, call: Call, token: str, answer: Answer, clock: Clock) -> None:
    client = line.connected()
    answer.endpoint = line.endpoint
    response = client.request(call.method, call.path, body=call.body, headers=call.headers(token))
    answer.status = response.status_code
    answer.site = _header(response, SITE_HEADER)
    answer.mode = _header(response, MODE_HEADER)
    answer.outcome = outcome_of_status(answer.status, "")
    if call.streamed and answer.outcome == "ok":
        _read_stream(response, answer, clock)
    else:
        answer.first_byte_s = clock()
        _read_document(response, call, answer)


def _read_stream(response: HTTPSocketPoolResponse, answer: Answer, clock: Clock) -> None:
    stream = ChatStream()
    answer.outcome = "unknown"
    while line := response.readline(b"\n"):
        if stream.feed(line) and math.isnan(answer.first_byte_s):
            answer.first_byte_s = clock()
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

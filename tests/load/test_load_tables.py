"""From synthetic attempts to tables, answers to outcomes, and lines to tokens."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, replace
from pathlib import Path

import pandas as pd
import pytest

from load.attempt import Attempt, Outcome, outcome_of_status, worth_repeating
from load.listener import Listener
from load.run import summary
from load.stream import ChatStream
from load.tables import LEDGER_TYPES, REQUEST_COLUMNS, RequestLog, ledger_table, requests_table

FIRST = Attempt(
    request_id="a", user=3, journey="ward-round", operation="note", attempt=1, intended_s=10.0,
    sent_s=10.1, first_byte_s=math.nan, finished_s=20.1, outcome="unknown", status=0, site="",
    mode="", tokens=0, error="no whole answer within 10 s",
)  # fmt: skip
SECOND = replace(
    FIRST, attempt=2, sent_s=21.0, first_byte_s=21.2, finished_s=21.2, outcome="ok", status=201,
    site="mac-2", mode="normal", error="",
)  # fmt: skip
LOOKUP = replace(SECOND, request_id="b", operation="lookup", attempt=1, intended_s=9.0)


def ledger_of(*outcomes: Outcome) -> str:
    attempts = [
        replace(FIRST, attempt=number, outcome=outcome)
        for number, outcome in enumerate(outcomes, start=1)
    ]
    return str(ledger_table(requests_table(attempts))["outcome"].iloc[0])


def test_a_listener_writes_each_attempt_and_one_row_a_note(tmp_path: Path) -> None:
    with Listener(tmp_path) as listener:
        for attempt in (FIRST, LOOKUP, SECOND):
            listener.record(attempt)
        following = RequestLog(tmp_path / "requests.jsonl")
        assert list(following.new_attempts())[1:] == [LOOKUP, SECOND]
        assert list(following.new_attempts()) == []
    requests = pd.read_parquet(tmp_path / "requests.parquet")
    ledger = pd.read_parquet(tmp_path / "ledger.parquet")
    assert tuple(requests.columns) == REQUEST_COLUMNS
    assert requests["first_byte_s"].isna().tolist() == [True, False, False]
    assert tuple(ledger.columns) == tuple(LEDGER_TYPES)
    (row,) = ledger.to_dict("records")
    assert (row["client_id"], row["writer"], row["sequence"]) == ("a", 3, 1)
    assert (row["intended_s"], row["sent_s"], row["acknowledged_s"]) == (10.0, 10.1, 21.2)
    assert row["outcome"] == "acknowledged"


def test_a_load_without_a_request_has_empty_tables_of_the_right_shape(tmp_path: Path) -> None:
    Listener(tmp_path).close()
    requests = pd.read_parquet(tmp_path / "requests.parquet")
    assert (len(requests), tuple(requests.columns)) == (0, REQUEST_COLUMNS)
    assert len(pd.read_parquet(tmp_path / "ledger.parquet")) == 0


def test_half_a_line_is_left_for_the_next_look(tmp_path: Path) -> None:
    path = tmp_path / "requests.jsonl"
    line = json.dumps(asdict(SECOND)).encode() + b"\n"
    path.write_bytes(line[:40])
    log = RequestLog(path)
    assert list(log.new_attempts()) == []
    path.write_bytes(line)
    assert list(log.new_attempts()) == [SECOND]


def test_a_log_that_is_not_there_yet_is_empty(tmp_path: Path) -> None:
    assert list(RequestLog(tmp_path / "requests.jsonl").new_attempts()) == []


def test_a_note_is_acknowledged_if_any_attempt_was_else_unknown_if_any_may_have_been() -> None:
    assert ledger_of("unknown", "refused", "ok") == "acknowledged"
    assert ledger_of("failed", "unknown", "refused") == "unknown"
    assert ledger_of("refused", "failed") == "refused"
    assert ledger_of("failed") == "refused"


@pytest.mark.parametrize(
    ("status", "problem", "outcome"),
    [
        (201, "", "ok"),
        (401, "not-authenticated", "refused"),
        (422, "invalid-request", "refused"),
        (500, "internal", "unknown"),
        (502, "", "unknown"),
        (503, "", "refused"),
        (503, "database-unavailable", "refused"),
        (503, "outcome-unknown", "unknown"),
        (504, "", "unknown"),
    ],
)
def test_only_a_clear_no_is_a_refusal(status: int, problem: str, outcome: Outcome) -> None:
    assert outcome_of_status(status, problem) == outcome


def test_a_clear_no_to_the_content_is_final_and_all_else_is_tried_again() -> None:
    assert not worth_repeating("ok", 200)
    assert not worth_repeating("refused", 422)
    for status in (401, 429, 503):
        assert worth_repeating("refused", status)
    assert worth_repeating("unknown", 0)
    assert worth_repeating("failed", 0)


def fed(*lines: bytes) -> tuple[ChatStream, list[bool]]:
    stream = ChatStream()
    return stream, [stream.feed(line) for line in lines]


def test_the_first_token_is_the_first_piece_with_text() -> None:
    stream, texts = fed(
        b"event: meta\r\n", b'data: {"site": "mac-1"}\r\n', b"\r\n",
        b'data: {"choices": [{"delta": {"role": "assistant", "content": ""}}]}\n', b"\n",
        b'data: {"choices": [{"delta": {"content": "Check"}}]}\n', b"\n",
        b'data: {"choices": [{"delta": {}, "finish_reason": "stop"}]}\n', b"\n",
        b"data: [DONE]\n", b"\n",
    )  # fmt: skip
    assert texts.index(True) == 5
    assert sum(texts) == 1
    assert (stream.done, stream.problem, stream.tokens) == (True, "", 1)


def test_tokens_are_those_the_server_counts() -> None:
    usage = b'data: {"choices": [], "usage": {"completion_tokens": 12}}\n'
    stream, _ = fed(b'data: {"choices": [{"delta": {"content": "several words"}}]}\n', usage)
    assert stream.tokens == 12


def test_an_error_event_is_the_servers_word_that_it_broke_off() -> None:
    stream, _ = fed(b"event: error\n", b'data: {"type": "inference-broken"}\n', b"\n")
    assert (stream.done, stream.problem) == (False, "inference-broken")


def test_a_load_is_summed_up_by_requests_intended_in_its_window() -> None:
    requests = requests_table(
        [FIRST, SECOND, LOOKUP, replace(LOOKUP, request_id="c", intended_s=30)]
    )
    assert summary(requests, 9.5, 19.5) == {
        "window_s": [9.5, 19.5], "requests": 1, "answered": 1, "errors": 1, "throughput_per_s": 0.1,
    }  # fmt: skip

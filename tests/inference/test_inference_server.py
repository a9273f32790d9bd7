"""The HTTP service, over a real socket, with a real client."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.inference.inference_bench import (
    SCRIPT,
    FailingDecoder,
    StuckDecoder,
    mlx_loader,
    wait_until,
)
from tests.inference.service_bench import HELLO, PATH, MakeService


def _events(response: httpx.Response) -> list[dict]:
    blocks = response.content.decode("utf-8").split("\n\n")
    assert blocks[-2:] == ["data: [DONE]", ""]
    return [json.loads(block.removeprefix("data: ")) for block in blocks[:-2]]


def test_an_answer_has_the_shape_of_openai_s_chat_completion(
    make_service: MakeService, script_dir: Path
) -> None:
    answer = make_service(script_dir).ask(model="tiny").json()
    assert answer["object"] == "chat.completion"
    assert answer["model"] == "tiny"
    (choice,) = answer["choices"]
    assert choice["message"] == {"role": "assistant", "content": SCRIPT}
    assert choice["finish_reason"] == "stop"
    usage = answer["usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]


def test_a_streamed_answer_is_the_same_text_in_chunks_and_ends_with_done(
    make_service: MakeService, script_dir: Path
) -> None:
    service = make_service(script_dir)
    whole = service.ask().json()
    response = service.ask(stream=True)
    assert response.headers["content-type"].startswith("text/event-stream")
    chunks = _events(response)
    assert {chunk["object"] for chunk in chunks} == {"chat.completion.chunk"}
    assert chunks[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    pieces = [chunk["choices"][0]["delta"].get("content", "") for chunk in chunks]
    assert "".join(pieces) == SCRIPT
    assert not any("\N{REPLACEMENT CHARACTER}" in piece for piece in pieces)
    assert [chunk["choices"][0]["finish_reason"] for chunk in chunks[-2:]] == [None, "stop"]
    told = ("prompt_tokens", "completion_tokens", "total_tokens")
    assert [chunks[-1]["usage"][key] for key in told] == [whole["usage"][key] for key in told]
    assert len({chunk["id"] for chunk in chunks}) == 1


@pytest.mark.parametrize(("options", "told"), [({"include_usage": True}, 1), ({}, 0)])
def test_a_client_that_names_its_options_gets_the_usage_alone_or_not_at_all(
    make_service: MakeService, script_dir: Path, options: Any, told: int
) -> None:
    chunks = _events(make_service(script_dir).ask(stream=True, stream_options=options))
    assert [bool(chunk["choices"]) for chunk in chunks[-2:]] == [True, not told]
    assert ["usage" in chunk for chunk in chunks] == [False] * (len(chunks) - told) + [True] * told


def test_max_tokens_is_bounded_by_the_service(make_service: MakeService, endless_dir: Path) -> None:
    service = make_service(endless_dir, max_answer_tokens=9)
    for asked in ({}, {"max_tokens": 5000}):
        answer = service.ask(**asked).json()
        assert answer["usage"]["completion_tokens"] == 9
        assert answer["choices"][0]["finish_reason"] == "length"


def test_health_and_models_name_site_and_model(make_service: MakeService, script_dir: Path) -> None:
    client = make_service(script_dir).client
    health = client.get("/health")
    assert (health.status_code, health.json()) == (
        200,
        {
            "status": "ok",
            "site": "mac-1",
            "model": "tiny",
            "model_version": None,
            "blas": "openblas",
            "services": {},
        },
    )
    assert [model["id"] for model in client.get("/v1/models").json()["data"]] == ["tiny"]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (
            {"messages": [{"role": "user", "content": "a " * 99}]},
            (400, "context_length_exceeded", "64"),
        ),
        (
            {"messages": [{"role": "user", "content": "a" * 150_000}] * 2},
            (400, "invalid_request", "300,000"),
        ),
        ({"messages": HELLO, "user": "x" * 5_000_000}, (413, "too_large", "4,194,304")),
        ({"messages": []}, (400, "invalid_request", "messages")),
        ({"messages": HELLO, "logprobs": True}, (400, "invalid_request", "logprobs")),
        ({"messages": HELLO, "max_tokens": 0}, (400, "invalid_request", "max_tokens")),
        ({"messages": HELLO, "model": "gpt"}, (404, "model_not_found", "tiny")),
    ],
)
def test_a_bad_request_is_a_problem_that_names_what_is_wrong(
    make_service: MakeService, script_dir: Path, body: Any, expected: Any
) -> None:
    status, code, names = expected
    answer = make_service(script_dir, max_prompt_tokens=64).client.post(PATH, json=body)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == code
    assert names in answer.json()["detail"]


def test_a_full_queue_is_503_with_retry_after(make_service: MakeService, endless_dir: Path) -> None:
    service = make_service(endless_dir, max_batch=1, max_queue=0)
    with service.endless():
        answer = service.ask(max_tokens=2)
    assert answer.status_code == 503
    assert answer.json()["code"] == "queue_full"
    assert int(answer.headers["Retry-After"]) >= 1


def test_waiting_beyond_the_deadline_is_503_with_retry_after(
    make_service: MakeService, endless_dir: Path
) -> None:
    service = make_service(endless_dir, max_batch=1, queue_timeout_s=0.2)
    with service.endless():
        answers = [service.ask(max_tokens=2, stream=stream) for stream in (False, True)]
        assert service.value("inference_running_requests") == 1
    for answer in answers:
        assert answer.status_code == 503
        assert answer.json()["code"] == "queue_timeout"
        assert int(answer.headers["Retry-After"]) >= 1


def test_a_client_that_leaves_its_stream_frees_its_place(
    make_service: MakeService, endless_dir: Path
) -> None:
    service = make_service(endless_dir, max_batch=2)
    with service.endless():
        with service.endless():
            assert service.value("inference_running_requests") == 2
        wait_until(lambda: service.value("inference_running_requests") == 1, "one left the batch")
    wait_until(lambda: service.value("inference_running_requests") == 0, "the batch is empty")
    assert service.value("inference_cancelled_total") == 2


def test_a_client_that_leaves_before_its_first_token_leaves_the_queue(
    make_service: MakeService, endless_dir: Path
) -> None:
    service = make_service(endless_dir, max_batch=1)
    with service.endless():
        for stream in (False, True):
            service.ask_and_leave(
                lambda: service.value("inference_queue_length") == 1,
                PATH, json={"messages": HELLO, "stream": stream},
            )  # fmt: skip
            wait_until(lambda: service.value("inference_queue_length") == 0, "the queue is empty")
        assert service.value("inference_running_requests") == 1
        assert service.value("inference_cancelled_total") == 2


def test_when_the_worker_dies_streams_end_with_an_error_and_health_is_503(
    make_service: MakeService, endless_dir: Path
) -> None:
    load = mlx_loader(endless_dir)
    service = make_service(endless_dir, lambda: FailingDecoder(load(), fails_at=30))
    text = service.ask(stream=True).text
    assert "[DONE]" not in text
    last_block = text.rstrip("\n").split("\n\n")[-1]
    kind, data = last_block.split("\n")
    assert kind == "event: error"
    assert json.loads(data.removeprefix("data: "))["error"]["code"] == "worker_failed"
    health = service.client.get("/health")
    assert (health.status_code, health.json()["status"]) == (503, "failed")
    refused = service.ask()
    assert (refused.status_code, refused.json()["code"]) == (503, "failed")
    assert "Retry-After" in refused.headers


def test_the_deadline_holds_while_a_step_does_not_end(
    make_service: MakeService, endless_dir: Path
) -> None:
    let_go = threading.Event()
    load = mlx_loader(endless_dir)
    service = make_service(endless_dir, lambda: StuckDecoder(load(), let_go), max_batch=1)
    with ThreadPoolExecutor(1) as executor:
        stuck = executor.submit(service.ask, max_tokens=2)
        try:
            wait_until(lambda: service.value("inference_running_requests") == 1, "it is stuck")
            answer = service.client.post(
                PATH, json={"messages": HELLO}, headers={"X-Queue-Timeout-S": "0.2"}
            )
            assert (answer.status_code, answer.json()["code"]) == (503, "queue_timeout")
        finally:
            let_go.set()
        assert stuck.result().status_code == 200


def test_what_is_no_json_and_what_is_no_method_are_problems(
    make_service: MakeService, script_dir: Path
) -> None:
    client = make_service(script_dir).client
    broken = client.post(PATH, content=b"{", headers={"Content-Type": "application/json"})
    assert (broken.status_code, broken.json()["error"]["param"]) == (400, "body")
    wrong = client.get(PATH)
    assert (wrong.status_code, wrong.headers["Allow"]) == (405, "POST")
    assert wrong.headers["content-type"] == "application/problem+json"


def test_a_bug_is_a_problem_too(
    make_service: MakeService, script_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = make_service(script_dir)

    def fail(*_arguments: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("reference_stack.inference.chat.Answer", fail)
    answer = service.ask()
    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert answer.json()["error"]["type"] == "server_error"


def test_a_client_may_wait_less_than_the_queue_lets_it(
    make_service: MakeService, endless_dir: Path
) -> None:
    service = make_service(endless_dir, max_batch=1)
    with service.endless():
        answer = service.client.post(
            PATH, json={"messages": HELLO, "max_tokens": 2}, headers={"X-Queue-Timeout-S": "0.2"}
        )
        assert (answer.status_code, answer.json()["code"]) == (503, "queue_timeout")
        assert "0.2 seconds" in answer.json()["detail"]
    refused = service.client.post(
        PATH, json={"messages": HELLO}, headers={"X-Queue-Timeout-S": "soon"}
    )
    assert (refused.status_code, refused.json()["code"]) == (400, "invalid_request")


def test_the_metrics_count_the_tokens_the_answers_report(
    make_service: MakeService, script_dir: Path
) -> None:
    service = make_service(script_dir)
    usages = [service.ask().json()["usage"] for _ in range(3)]
    assert service.value("inference_prompt_tokens_total") == sum(
        usage["prompt_tokens"] for usage in usages
    )
    generated = sum(usage["completion_tokens"] for usage in usages)
    assert service.value("inference_generated_tokens_total") == generated
    assert service.value("inference_time_to_first_token_seconds_count") == 3
    assert service.value("inference_time_per_output_token_seconds_count") == generated - 3
    assert service.value("inference_batch_size_sum") == generated
    assert service.value("inference_step_seconds_total") > 0
    assert service.value("inference_answer_tokens_per_second_count") == 3

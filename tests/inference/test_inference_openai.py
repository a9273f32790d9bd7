"""OpenAI's own client, unchanged, against the service."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import openai
import pytest

from tests.inference.inference_bench import SCRIPT, wait_until
from tests.inference.service_bench import HELLO, MakeService, Service

MakeClient = Callable[..., tuple[Service, openai.OpenAI]]


@pytest.fixture
def make_client(make_service: MakeService) -> MakeClient:
    def make(model_dir: Path, **options: Any) -> tuple[Service, openai.OpenAI]:
        service = make_service(model_dir, **options)
        return service, openai.OpenAI(base_url=f"{service.url}/v1", api_key="none", max_retries=0)

    return make


def test_a_chat_is_answered_with_its_usage(make_client: MakeClient, script_dir: Path) -> None:
    _, client = make_client(script_dir)
    answer = client.chat.completions.create(model="tiny", messages=HELLO)
    (choice,) = answer.choices
    assert (choice.message.role, choice.message.content) == ("assistant", SCRIPT)
    assert choice.finish_reason == "stop"
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    again = client.chat.completions.create(model="tiny", messages=HELLO)
    assert again.usage.prompt_tokens_details.cached_tokens > 0


def test_a_chat_streams(make_client: MakeClient, script_dir: Path) -> None:
    _, client = make_client(script_dir)
    chunks = list(
        client.chat.completions.create(
            model="tiny", messages=HELLO, stream=True, stream_options={"include_usage": True}
        )
    )
    *rest, last = chunks
    pieces = [chunk.choices[0].delta.content or "" for chunk in rest]
    assert "".join(pieces) == SCRIPT
    assert len([piece for piece in pieces if piece]) > 1
    assert rest[-1].choices[0].finish_reason == "stop"
    assert not any(chunk.usage for chunk in rest)
    assert (last.choices, last.usage.completion_tokens > 1) == ([], True)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("stop", ["def", ["xyz", "de"]])
def test_an_answer_ends_before_a_stop_text_and_leaves_the_batch(
    make_client: MakeClient, endless_dir: Path, stop: str | list[str], stream: bool
) -> None:
    service, client = make_client(endless_dir)
    answer = client.chat.completions.create(model="tiny", messages=HELLO, stop=stop, stream=stream)
    if stream:
        chunks = list(answer)
        text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
        reason = chunks[-1].choices[0].finish_reason
    else:
        text, reason = answer.choices[0].message.content, answer.choices[0].finish_reason
    assert (text, reason) == ("abc", "stop")
    assert service.value("inference_running_requests") == 0


def test_all_usual_options_are_taken(make_client: MakeClient, endless_dir: Path) -> None:
    _, client = make_client(endless_dir)
    answer = client.chat.completions.create(
        model="default",
        messages=[
            {"role": "developer", "content": "be brief"},
            {"role": "user", "content": [{"type": "text", "text": "hello"}]},
        ],
        max_completion_tokens=3,
        temperature=0.5,
        top_p=0,
        seed=7,
        n=1,
        logprobs=False,
        presence_penalty=0,
        frequency_penalty=0,
        user="ward 3",
    )
    assert answer.usage.completion_tokens == 3
    assert answer.choices[0].finish_reason == "length"


def test_the_models_are_listed(make_client: MakeClient, script_dir: Path) -> None:
    _, client = make_client(script_dir)
    assert [model.id for model in client.models.list()] == ["tiny"]
    assert client.models.retrieve("tiny").owned_by == "prontuario"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("gpt-5")


@pytest.mark.parametrize(
    ("change", "error", "code", "param"),
    [
        ({"model": "gpt-5"}, openai.NotFoundError, "model_not_found", "model"),
        ({"temperature": 9}, openai.BadRequestError, "invalid_request", "temperature"),
        ({"logprobs": True}, openai.BadRequestError, "invalid_request", "logprobs"),
        (
            {"messages": [{"role": "user", "content": "a " * 500}]},
            openai.BadRequestError,
            "context_length_exceeded",
            "messages",
        ),
    ],
)
def test_errors_arrive_as_the_client_s_own(  # noqa: PLR0917
    make_client: MakeClient,
    script_dir: Path,
    change: Any,
    error: type[openai.APIStatusError],
    code: str,
    param: str | None,
) -> None:
    _, client = make_client(script_dir, max_prompt_tokens=64)
    with pytest.raises(error) as found:
        client.chat.completions.create(**{"model": "tiny", "messages": HELLO, **change})
    assert (found.value.code, found.value.param) == (code, param)
    assert found.value.type == "invalid_request_error"


def test_a_full_queue_is_overloaded_and_the_client_s_own_retries_get_through(
    make_client: MakeClient, endless_dir: Path
) -> None:
    service, client = make_client(endless_dir, max_batch=1, max_queue=0)
    with service.endless():
        with pytest.raises(openai.InternalServerError) as found:
            client.chat.completions.create(model="tiny", messages=HELLO, max_tokens=2)
        assert (found.value.status_code, found.value.type) == (503, "overloaded_error")
        assert int(found.value.response.headers["Retry-After"]) >= 1
    wait_until(lambda: service.value("inference_running_requests") == 0, "the batch is empty")
    patient = client.with_options(max_retries=3)
    answer = patient.chat.completions.create(model="tiny", messages=HELLO, max_tokens=2)
    assert answer.choices[0].message.content == "ab"


def test_leaving_a_stream_frees_its_place(make_client: MakeClient, endless_dir: Path) -> None:
    service, client = make_client(endless_dir, max_batch=1)
    stream = client.chat.completions.create(model="tiny", messages=HELLO, stream=True)
    next(iter(stream))
    assert service.value("inference_running_requests") == 1
    stream.close()
    wait_until(lambda: service.value("inference_running_requests") == 0, "the batch is empty")

"""The part of OpenAI's chat API that is served. What isn't here is refused, not ignored."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from reference_stack.inference.generation import Finished, FinishReason

# Longer conversations can't be a prompt of any model here, and must not be tokenised to find that
# out.
MAX_CHARACTERS = 200_000


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TextPart(_Strict):
    """A piece of a message's content; pictures and sounds are refused."""

    type: Literal["text"]
    text: Annotated[str, Field(max_length=MAX_CHARACTERS)]


class Message(_Strict):
    """One turn of the conversation. `developer` is OpenAI's newer word for `system`."""

    role: Literal["system", "developer", "user", "assistant"]
    content: Annotated[str, Field(max_length=MAX_CHARACTERS)] | list[TextPart]

    @property
    def text(self) -> str:
        """The content in one piece."""
        content = self.content
        return content if isinstance(content, str) else "".join(part.text for part in content)

    def turn(self) -> dict[str, str]:
        """The message as chat templates take it."""
        return {"role": "system" if self.role == "developer" else self.role, "content": self.text}


class StreamOptions(_Strict):
    """Whether a stream ends with a chunk that holds the usage and no choices."""

    include_usage: bool = False


StopText = Annotated[str, Field(min_length=1, max_length=200)]
Zero = Annotated[float, Field(ge=0, le=0)]


class ChatRequest(_Strict):
    """A conversation to be answered.

    `max_tokens` above the service's limit, or none, means the limit; `max_completion_tokens` is its
    newer name. `model` is the served model's name, or "default", or left out. The answer ends
    before the first of the texts in `stop`. A stream without `stream_options` has the usage in its
    last chunk. `user` and `metadata` are accepted and not looked at; `n`, `logprobs` and the
    penalties only with the values that change nothing.
    """

    model: str | None = None
    messages: Annotated[list[Message], Field(min_length=1, max_length=200)]
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(ge=0, le=1)] | None = None
    seed: Annotated[int, Field(ge=0, lt=2**63)] | None = None
    stop: StopText | Annotated[list[StopText], Field(max_length=4)] | None = None
    stream: bool | None = False
    stream_options: StreamOptions | None = None
    n: Literal[1] | None = None
    logprobs: Literal[False] | None = None
    presence_penalty: Zero | None = None
    frequency_penalty: Zero | None = None
    user: str | None = None
    metadata: dict[str, str] | None = None

    @field_validator("messages")
    @classmethod
    def _is_no_book(cls, messages: list[Message]) -> list[Message]:
        count = sum(len(message.text) for message in messages)
        if count > MAX_CHARACTERS:
            raise ValueError(f"{count:,} characters in all, allowed are {MAX_CHARACTERS:,}")
        return messages

    @property
    def stops(self) -> tuple[str, ...]:
        """The stop texts as a tuple."""
        stop = self.stop or ()
        return (stop,) if isinstance(stop, str) else tuple(stop)


def usage(finished: Finished) -> dict[str, object]:
    """Token counts; the end mark counts as a generated token, since it cost a step."""
    return {
        "prompt_tokens": finished.prompt_tokens,
        "completion_tokens": finished.generated_tokens,
        "total_tokens": finished.prompt_tokens + finished.generated_tokens,
        "prompt_tokens_details": {"cached_tokens": finished.cached_tokens},
    }


class AnswerFrame(_Strict):
    """What all documents of one answer share. `created` is in Unix seconds."""

    id: str
    created: int
    model: str

    def completion(self, text: str, finished: Finished) -> dict[str, object]:
        """The whole answer as one document."""
        choice = {
            "index": 0,
            "message": {"role": "assistant", "content": text},
            "logprobs": None,
            "finish_reason": finished.reason,
        }
        return {
            **self._head("chat.completion"),
            "choices": [choice],
            "usage": usage(finished),
        }

    def chunk(self, delta: dict[str, str], reason: FinishReason | None = None) -> dict[str, object]:
        """A piece of the answer."""
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
        return {**self._head("chat.completion.chunk"), "choices": [choice]}

    def last_chunks(
        self, finished: Finished, options: StreamOptions | None
    ) -> list[dict[str, object]]:
        """The end of the answer, with the usage where the client wants it."""
        last = self.chunk({}, finished.reason)
        if options is None:
            return [{**last, "usage": usage(finished)}]
        if not options.include_usage:
            return [last]
        alone = {**self._head("chat.completion.chunk"), "choices": [], "usage": usage(finished)}
        return [last, alone]

    def _head(self, kind: str) -> dict[str, object]:
        return {"id": self.id, "object": kind, "created": self.created, "model": self.model}

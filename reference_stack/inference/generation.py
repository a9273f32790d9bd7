"""The words the service's parts use about one generation. Nothing here knows mlx or HTTP."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

FinishReason = Literal["stop", "length"]


@dataclass(frozen=True)
class GenerationRequest:
    """A tokenised prompt and how to continue it.

    `temperature` 0 is greedy, and so is `top_p` 0. Otherwise tokens are drawn from the smallest set
    whose probability reaches `top_p`, with a random stream of the request's own, started from
    `seed`. The answer ends before the first of the texts in `stop`.
    """

    prompt: tuple[int, ...]
    max_tokens: int
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int | None = None
    stop: tuple[str, ...] = ()


@dataclass(frozen=True)
class Admission:
    """A sequence that joined: its key, and how many tokens of its prompt were in the cache."""

    key: int
    cached_tokens: int


@dataclass(frozen=True)
class TokenOutput:
    """One generated token: the text that became readable with it, often none.

    `finish_reason` is set with the last token. `key` is the one `Decoder.add` gave.
    """

    key: int
    text: str
    finish_reason: FinishReason | None


@dataclass(frozen=True)
class Delta:
    """Text for the client, and the tokens generated so far."""

    text: str
    generated_tokens: int


@dataclass(frozen=True)
class Finished:
    """The answer is complete."""

    reason: FinishReason
    prompt_tokens: int
    generated_tokens: int
    cached_tokens: int = 0


FailureKind = Literal["queue_timeout", "worker_failed", "shutting_down"]


@dataclass(frozen=True)
class Failed:
    """The answer will not be completed."""

    kind: FailureKind
    detail: str


Event = Delta | Finished | Failed
# Called from the engine's thread, must not block; the last call is Finished or Failed.
Deliver = Callable[[Event], None]


class Decoder(Protocol):
    """A loaded model that decodes many sequences together. Used from one thread only, except
    `encode_chat`."""

    def encode_chat(self, messages: Sequence[dict[str, str]]) -> tuple[int, ...]:
        """The prompt of a conversation. Raises UnusableConversationError."""

    @property
    def cached_bytes(self) -> int:
        """Memory that the prompt cache holds."""

    def add(self, request: GenerationRequest) -> Admission:
        """Let a sequence join the batch."""

    def remove(self, key: int) -> None:
        """Take a sequence out; its memory is free again."""

    def step(self) -> list[TokenOutput]:
        """One step of everything in the batch: a token each, and a piece of new prompts."""

    def close(self) -> None:
        """Give back what the device reserved."""


class UnusableConversationError(Exception):
    """The model's chat template refuses the order or roles of the messages."""

"""What the engine and its callers exchange beside the generation itself."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Literal

from reference_stack.inference.generation import Deliver, GenerationRequest

EngineState = Literal["syncing", "loading", "ok", "draining", "stalled", "failed", "stopped"]


class UnavailableError(Exception):
    """The engine takes no request now; `state` says why."""

    def __init__(self, state: EngineState, detail: str) -> None:
        super().__init__(detail)
        self.state = state


class LoadAgainError(Exception):
    """Loading failed, and there is something else to load: in a new thread.

    The one that failed has given up its device's streams, which belong to threads.
    """


class QueueFullError(Exception):
    """All waiting places are taken; trying again makes sense after `retry_after_s`."""

    def __init__(self, retry_after_s: float) -> None:
        super().__init__("all waiting places are taken")
        self.retry_after_s = retry_after_s


@dataclass(frozen=True)
class EngineLimits:
    """Sizes and times of the queue and the batch; see InferenceSettings."""

    max_batch: int
    max_queue: int
    queue_timeout_s: float
    stall_timeout_s: float


@dataclass(frozen=True)
class EngineHealth:
    """The engine's state, and for a bad one what happened."""

    state: EngineState
    detail: str


@dataclass(eq=False)
class Job:
    """A request on its way. It ends once: finished, failed, or cancelled by its client."""

    request: GenerationRequest
    deliver: Deliver
    submitted_at: float
    # Until when it may wait for its place, and how long that is, in seconds.
    start_by: float
    patience_s: float
    cached_tokens: int = 0
    started_at: float | None = None
    last_token_at: float | None = None
    generated_tokens: int = 0
    cancelled: bool = False
    ended: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @property
    def open(self) -> bool:
        """Whether somebody still waits for it."""
        return not (self.ended or self.cancelled)

    def end(self) -> bool:
        """Finish or fail it; whether it was open till now, so that its client is to be told."""
        with self._lock:
            was_open = self.open
            self.ended = self.ended or was_open
        return was_open

    def cancel(self) -> bool:
        """Drop it: its client hears no more of it; whether it was open till now."""
        with self._lock:
            was_open = self.open
            self.cancelled = self.cancelled or was_open
        return was_open

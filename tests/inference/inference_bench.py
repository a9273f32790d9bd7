"""An engine under test, and decoders that misbehave."""

import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pytest

from reference_stack.inference.engine import Engine
from reference_stack.inference.generation import (
    Decoder,
    Delta,
    Event,
    Failed,
    Finished,
    GenerationRequest,
)
from reference_stack.inference.metrics import InferenceMetrics

# Generous: only a hang takes so long.
DEADLINE_S = 180.0
SCRIPT = "ok: ç🩺€"

Found = TypeVar("Found")


def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Poll until `condition` holds; fails the test after the deadline."""
    ends_at = time.monotonic() + DEADLINE_S
    while not condition():
        if time.monotonic() > ends_at:
            pytest.fail(f"waited {DEADLINE_S} s in vain: {what}")
        time.sleep(0.005)


@dataclass
class Receiver:
    """Keeps the events of one request."""

    events: queue.SimpleQueue[Event] = field(default_factory=queue.SimpleQueue)

    def first(self) -> Event:
        return self.events.get(timeout=DEADLINE_S)

    def all(self) -> tuple[str, Finished | Failed]:
        text = ""
        while isinstance(event := self.events.get(timeout=DEADLINE_S), Delta):
            text += event.text
        return text, event


@dataclass
class Bench:
    """An engine under test."""

    engine: Engine
    metrics: InferenceMetrics

    def ask(self, words: str, max_tokens: int = 12, **options: Any) -> Receiver:
        receiver = Receiver()
        self.submit(words, receiver, max_tokens, **options)
        return receiver

    def submit(self, words: str, receiver: Receiver, max_tokens: int = 12, **options: Any):
        prompt = self.engine.decoder.encode_chat([{"role": "user", "content": words}])
        request = GenerationRequest(prompt=prompt, max_tokens=max_tokens, **options)
        return self.engine.submit(request, receiver.events.put)

    def value(self, sample: str) -> float:
        """The value of one line of the metrics."""
        for line in self.metrics.text().decode().splitlines():
            name, _, number = line.rpartition(" ")
            if name == sample:
                return float(number)
        raise KeyError(sample)


MakeBench = Callable[..., Bench]


def mlx_loader(
    model_dir: Path,
    max_batch: int = 4,
    prefill_chunk_tokens: int = 16,
    prompt_cache_bytes: int = 16 * 1024**2,
) -> Callable[[], Decoder]:
    def load() -> Decoder:
        from reference_stack.inference.batching import MlxDecoder  # noqa: PLC0415

        return MlxDecoder(
            model_dir,
            max_batch=max_batch,
            prefill_chunk_tokens=prefill_chunk_tokens,
            prompt_cache_bytes=prompt_cache_bytes,
        )

    return load


def with_decoder(load: Callable[[], Decoder], use: Callable[[Decoder], Found]) -> Found:
    """What `use` finds with a decoder that has a thread of its own, as mlx's streams want it."""

    def work() -> Found:
        decoder = load()
        try:
            return use(decoder)
        finally:
            decoder.close()

    with ThreadPoolExecutor(max_workers=1) as thread:
        return thread.submit(work).result(DEADLINE_S)


class FailingDecoder:
    """The real decoder, until its step number `fails_at` raises."""

    def __init__(self, inner: Any, fails_at: int) -> None:
        self._inner = inner
        self._left = fails_at

    def __getattr__(self, name: str):
        return getattr(self._inner, name)

    def step(self):
        self._left -= 1
        if self._left == 0:
            raise MemoryError("the device has no memory left")
        return self._inner.step()


class StuckDecoder(FailingDecoder):
    """The real decoder, whose first step lasts until it is let go."""

    def __init__(self, inner: Any, let_go: threading.Event) -> None:
        super().__init__(inner, fails_at=0)
        self._let_go = let_go

    def step(self):
        self._let_go.wait()
        return super().step()

"""What the service counts and times, in Prometheus's terms.

Times are in seconds. `time_to_first_token` runs from the request's arrival in the queue to its
first token; `time_per_output_token` is the gap between two tokens of one answer, so that the
stalls other people's prompts cause are seen.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from reference_stack.inference.generation import FailureKind, FinishReason
from reference_stack.models.sync import Outcome

_FIRST_TOKEN_BUCKETS_S = (0.025, 0.05, 0.1, 0.2, 0.35, 0.5, 1, 2, 3.5, 5, 10, 20, 40, 80)
_BATCH_BUCKETS = (0, 1, 2, 4, 8, 16, 32, 64)
_SPEED_BUCKETS = (0.5, 1, 2, 5, 10, 20, 50, 100, 200)
_TOKEN_BUCKETS_S = (0.002, 0.005, 0.01, 0.02, 0.035, 0.05, 0.1, 0.2, 0.35, 0.5, 1, 2, 5, 10)


class InferenceMetrics:
    """The metrics of one service, in a registry of their own."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        registry = self._registry
        self._queue_length = Gauge(
            "inference_queue_length", "Requests waiting for a place in the batch", registry=registry
        )
        self._running = Gauge(
            "inference_running_requests", "Sequences in the batch", registry=registry
        )
        self._queue_wait = Histogram(
            "inference_queue_wait_seconds",
            "From arrival to the batch",
            buckets=_FIRST_TOKEN_BUCKETS_S,
            registry=registry,
        )
        self._first_token = Histogram(
            "inference_time_to_first_token_seconds",
            "From arrival to the first token",
            buckets=_FIRST_TOKEN_BUCKETS_S,
            registry=registry,
        )
        self._next_token = Histogram(
            "inference_time_per_output_token_seconds",
            "Between two tokens of one answer",
            buckets=_TOKEN_BUCKETS_S,
            registry=registry,
        )
        self._batch_size = Histogram(
            "inference_batch_size",
            "Sequences that got a token in one step",
            buckets=_BATCH_BUCKETS,
            registry=registry,
        )
        self._step = Counter(
            "inference_step_seconds",
            "Time spent in steps; generated tokens a second of it is the decoding speed",
            registry=registry,
        )
        self._answer_speed = Histogram(
            "inference_answer_tokens_per_second",
            "Tokens of one answer over the time from its arrival to its end",
            buckets=_SPEED_BUCKETS,
            registry=registry,
        )
        self._prompt_tokens = Counter(
            "inference_prompt_tokens", "Prompt tokens taken into the batch", registry=registry
        )
        self._cached_tokens = Counter(
            "inference_prompt_cache_tokens",
            "Prompt tokens that were found in the prompt cache",
            registry=registry,
        )
        self._cache_requests = Counter(
            "inference_prompt_cache_requests",
            "Requests by whether any of their prompt was in the prompt cache",
            ["result"],
            registry=registry,
        )
        self._cached_bytes = Gauge(
            "inference_prompt_cache_bytes", "Memory of the prompt cache", registry=registry
        )
        self._generated_tokens = Counter(
            "inference_generated_tokens", "Tokens generated", registry=registry
        )
        self._finished = Counter(
            "inference_finished", "Complete answers", ["reason"], registry=registry
        )
        self._rejected = Counter(
            "inference_rejected", "Requests turned away", ["reason"], registry=registry
        )
        self._failed = Counter(
            "inference_failed", "Accepted requests that got no answer", ["kind"], registry=registry
        )
        self._cancelled = Counter(
            "inference_cancelled", "Requests whose client went away", registry=registry
        )
        self._model = Gauge(
            "inference_model_info",
            "1 for the model that serves; version fingerprints all of its files",
            ["model", "version"],
            registry=registry,
        )
        self._synced = Counter(
            "inference_model_sync",
            "Starts by what became of the node's copy: kept, copied, repaired, refused",
            ["outcome"],
            registry=registry,
        )
        self._sync_duration = Gauge(
            "inference_model_sync_duration_seconds",
            "How long bringing the copy up to date and verifying it took at the last start",
            registry=registry,
        )
        # A series that starts at its first event hides that event from `increase`.
        for reason in get_args(FinishReason):
            self._finished.labels(reason)
        for reason in ("queue_full", "queue_timeout"):
            self._rejected.labels(reason)
        for kind in get_args(FailureKind):
            self._failed.labels(kind)
        for result in ("hit", "miss"):
            self._cache_requests.labels(result)
        for outcome in get_args(Outcome):
            self._synced.labels(outcome)

    @property
    def registry(self) -> CollectorRegistry:
        """Where the other services of the process register theirs."""
        return self._registry

    def watch(
        self,
        queue_length: Callable[[], int],
        running: Callable[[], int],
        cached_bytes: Callable[[], int],
    ) -> None:
        """Read the gauges from the engine at every scrape."""
        self._queue_length.set_function(queue_length)
        self._running.set_function(running)
        self._cached_bytes.set_function(cached_bytes)

    def admitted(self, wait_s: float, prompt_tokens: int, cached_tokens: int) -> None:
        """A request left the queue for the batch."""
        self._queue_wait.observe(wait_s)
        self._prompt_tokens.inc(prompt_tokens)
        self._cached_tokens.inc(cached_tokens)
        self._cache_requests.labels("hit" if cached_tokens else "miss").inc()

    def stepped(self, sequences: int, seconds: float) -> None:
        """One step of the decoder gave a token to so many sequences."""
        self._batch_size.observe(sequences)
        self._step.inc(seconds)

    def first_token(self, seconds: float) -> None:
        """A request got its first token."""
        self._first_token.observe(seconds)

    def next_token(self, seconds: float) -> None:
        """A request got another token."""
        self._next_token.observe(seconds)

    def generated(self) -> None:
        """A token was generated."""
        self._generated_tokens.inc()

    def finished(self, reason: str, tokens: int, seconds: float) -> None:
        """An answer of so many tokens is complete, so long after it was asked for."""
        self._finished.labels(reason).inc()
        self._answer_speed.observe(tokens / max(seconds, 1e-9))

    def rejected(self, reason: str) -> None:
        """A request was turned away."""
        self._rejected.labels(reason).inc()

    def failed(self, kind: str) -> None:
        """An accepted request ended without its answer."""
        self._failed.labels(kind).inc()

    def cancelled(self) -> None:
        """A client went away."""
        self._cancelled.inc()

    def synced(self, outcome: Outcome, duration_s: float) -> None:
        """The node's copy was brought up to date, or a release was refused."""
        self._synced.labels(outcome).inc()
        self._sync_duration.set(duration_s)

    def serving(self, model: str, version: str) -> None:
        """This version of the model serves."""
        self._model.labels(model, version).set(1)

    def text(self) -> bytes:
        """All of it in Prometheus's text format."""
        return generate_latest(self._registry)

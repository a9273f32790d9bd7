"""One thread that decodes, and the queue in front of it.

Life of a request: waiting (in the bounded queue, until its deadline) → running (in the decoder's
batch) → finished. It can be cancelled in either stage. Whatever happens, the request's `deliver`
is called with Finished or Failed exactly once, unless the client cancelled it.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable

from reference_stack.inference.generation import (
    Decoder,
    Deliver,
    FailureKind,
    GenerationRequest,
    TokenOutput,
)
from reference_stack.inference.jobs import (
    EngineHealth,
    EngineLimits,
    Job,
    LoadAgainError,
    QueueFullError,
    UnavailableError,
)
from reference_stack.inference.metrics import InferenceMetrics
from reference_stack.inference.reporting import Reporter
from reference_stack.serving.pace import Pace

log = logging.getLogger(__name__)

Clock = Callable[[], float]

LOADING = EngineHealth("loading", "the model is being loaded")


class Engine:
    """Continuous batching: requests join and leave between any two steps of the decoder."""

    def __init__(
        self,
        load: Callable[[], Decoder],
        limits: EngineLimits,
        metrics: InferenceMetrics,
        clock: Clock = time.monotonic,
        loading: Callable[[], EngineHealth] = lambda: LOADING,
    ) -> None:
        """`load` is called in the engine's thread, and again in a new one after LoadAgainError.

        `clock` gives seconds, `loading` is the engine's health until `load` has returned.
        """
        self._load = load
        self._limits = limits
        self._metrics = metrics
        self._report = Reporter(metrics)
        self._clock = clock
        self._loading = loading
        self._changed = threading.Condition()
        self._waiting: deque[Job] = deque()
        self._running: dict[int, Job] = {}
        self._decoder: Decoder | None = None
        self._stopping = False
        self._ended: EngineHealth | None = None
        self._drain_until: float | None = None
        self._step_started_at: float | None = None
        self._pace = Pace()
        self._thread = self._new_thread()

    @property
    def queue_length(self) -> int:
        """Requests that wait for a place in the batch."""
        return len(self._waiting)

    @property
    def running(self) -> int:
        """Sequences in the batch."""
        return len(self._running)

    def health(self) -> EngineHealth:
        """`ok` only if a request submitted now would be worked on."""
        if self._ended is not None:
            return self._ended
        if self._decoder is None:
            return self._loading()
        started = self._step_started_at
        if started is not None and self._clock() - started > self._limits.stall_timeout_s:
            return EngineHealth(
                "stalled", f"one step has lasted more than {self._limits.stall_timeout_s} s"
            )
        if self._drain_until is not None:
            return EngineHealth("draining", "the service is shutting down")
        return EngineHealth("ok", "")

    @property
    def decoder(self) -> Decoder:
        """The loaded model. Raises UnavailableError unless the engine is well."""
        health = self.health()
        if health.state != "ok" or self._decoder is None:
            raise UnavailableError(health.state, health.detail)
        return self._decoder

    def start(self) -> None:
        """Start loading the model; returns at once."""
        self._thread.start()

    @property
    def cached_bytes(self) -> int:
        """Memory that the prompt cache holds."""
        decoder = self._decoder
        return 0 if decoder is None else decoder.cached_bytes

    @property
    def idle(self) -> bool:
        """Whether nothing waits and nothing runs."""
        return not (self._waiting or self._running)

    def submit(
        self, request: GenerationRequest, deliver: Deliver, patience_s: float | None = None
    ) -> Job:
        """Queue a request; `deliver` gets its events, from the engine's thread.

        It waits for a place for the queue's timeout, or `patience_s` if that is less.
        Raises QueueFullError, UnavailableError.
        """
        longest_s = min(self._limits.queue_timeout_s, patience_s or math.inf)
        with self._changed:
            # Within the lock: a worker that fails later will find the job and fail it.
            health = self.health()
            if health.state != "ok":
                raise UnavailableError(health.state, health.detail)
            free_places = self._limits.max_batch - len(self._running)
            if len(self._waiting) >= self._limits.max_queue + max(free_places, 0):
                self._metrics.rejected("queue_full")
                raise QueueFullError(self._retry_after_s())
            now = self._clock()
            job = Job(request, deliver, now, start_by=now + longest_s, patience_s=longest_s)
            self._waiting.append(job)
            self._changed.notify()
        return job

    def cancel(self, job: Job) -> None:
        """Drop a request, in whatever stage; nothing is delivered any more."""
        if not job.cancel():
            return
        with self._changed:
            if job in self._waiting:
                self._waiting.remove(job)
            self._changed.notify()
        self._metrics.cancelled()

    def expire(self) -> None:
        """Fail who has waited too long.

        The engine does so between steps; any thread may, while a step lasts.
        """
        now = self._clock()
        with self._changed:
            late = [job for job in self._waiting if job.start_by < now]
            for job in late:
                self._waiting.remove(job)
        for job in late:
            self._metrics.rejected("queue_timeout")
            self._report.failed(job, "queue_timeout", f"no place within {job.patience_s:g} seconds")

    def drain(self, timeout_s: float) -> None:
        """Refuse new requests; those here may finish within `timeout_s`, then they fail.

        Takes no lock, so that a signal handler may call it.
        """
        self._drain_until = self._clock() + timeout_s

    def stop(self, timeout_s: float) -> bool:
        """End the thread, failing what is left; whether it ended within `timeout_s`."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        if self._thread.ident is None:
            return True
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _retry_after_s(self) -> float:
        """When a place should be free: the work ahead, spread over the batch."""
        ahead = len(self._waiting) + len(self._running)
        return self._pace.retry_after_s(ahead / self._limits.max_batch)

    def _new_thread(self) -> threading.Thread:
        return threading.Thread(target=self._work, name="decoder", daemon=True)

    def _work(self) -> None:
        health = EngineHealth("stopped", "the service has stopped")
        kind: FailureKind = "shutting_down"
        try:
            try:
                decoder = self._load()
            except LoadAgainError:
                self._thread = self._new_thread()
                self._thread.start()
                return
            self._decoder = decoder
            log.info("model loaded")
            self._serve(decoder)
        except Exception as error:  # the thread's end: nobody above could catch it
            log.critical("decoding thread died", exc_info=error)
            health = EngineHealth("failed", f"the decoding thread died: {error!r}")
            kind = "worker_failed"
        with self._changed:
            self._ended = health
            left = [*self._running.values(), *self._waiting]
            self._running.clear()
            self._waiting.clear()
            self._step_started_at = None
        for job in left:
            self._report.failed(job, kind, health.detail)
        # After the news: a device that failed may also fail to close.
        if self._decoder is not None:
            self._decoder.close()

    def _serve(self, decoder: Decoder) -> None:
        while self._wait_for_work():
            self._expire()
            self._drop_ended(decoder)
            self._admit(decoder)
            if not self._running:
                continue
            self._step_started_at = began = self._clock()
            outputs = decoder.step()
            self._step_started_at = None
            now = self._clock()
            self._metrics.stepped(len(outputs), now - began)
            for output in outputs:
                self._forward(output, now)

    def _wait_for_work(self) -> bool:
        with self._changed:
            while not (self._stopping or self._waiting or self._running):
                self._changed.wait()
            return not self._stopping

    def _drop_ended(self, decoder: Decoder) -> None:
        for key, job in list(self._running.items()):
            if not job.open:
                decoder.remove(key)
                del self._running[key]

    def _expire(self) -> None:
        if self._drain_until is not None and self._clock() > self._drain_until:
            with self._changed:
                left = [*self._waiting, *self._running.values()]
                self._waiting.clear()
            for job in left:
                self._report.failed(job, "shutting_down", "the service is shutting down")
            return
        self.expire()

    def _admit(self, decoder: Decoder) -> None:
        now = self._clock()
        while len(self._running) < self._limits.max_batch:
            with self._changed:
                if not self._waiting:
                    return
                job = self._waiting.popleft()
                # Between queue and batch a failing `add` must still find the job.
                self._running[-1] = job
            admission = decoder.add(job.request)
            with self._changed:
                self._running[admission.key] = self._running.pop(-1)
            self._report.admitted(job, now, admission.cached_tokens)

    def _forward(self, output: TokenOutput, now: float) -> None:
        job = self._running[output.key]
        if output.finish_reason is not None:
            # Before its client is told, who may look whether the place is free.
            del self._running[output.key]
            if job.started_at is not None:
                self._pace.learn(now - job.started_at)
        self._report.token(job, output, now)

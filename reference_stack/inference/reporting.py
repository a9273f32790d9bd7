"""What becomes of a request: told to its client, and to the metrics."""

from __future__ import annotations

import logging

from reference_stack.inference.generation import (
    Delta,
    Failed,
    FailureKind,
    Finished,
    FinishReason,
    TokenOutput,
)
from reference_stack.inference.jobs import Job
from reference_stack.inference.metrics import InferenceMetrics

log = logging.getLogger(__name__)


class Reporter:
    """Times are in seconds of the engine's clock."""

    def __init__(self, metrics: InferenceMetrics) -> None:
        self._metrics = metrics

    def admitted(self, job: Job, now: float, cached_tokens: int) -> None:
        """The job got a place in the batch; so much of its prompt was known."""
        job.started_at = now
        job.cached_tokens = cached_tokens
        self._metrics.admitted(now - job.submitted_at, len(job.request.prompt), cached_tokens)

    def token(self, job: Job, output: TokenOutput, now: float) -> None:
        """The job got a token, maybe its last."""
        if job.last_token_at is None:
            self._metrics.first_token(now - job.submitted_at)
        else:
            self._metrics.next_token(now - job.last_token_at)
        job.last_token_at = now
        job.generated_tokens += 1
        self._metrics.generated()
        if job.open and (output.text or output.finish_reason is None):
            job.deliver(Delta(output.text, job.generated_tokens))
        if output.finish_reason is not None and job.end():
            self._finished(job, output.finish_reason, now)

    def failed(self, job: Job, kind: FailureKind, detail: str) -> None:
        """The job will not be answered; nothing if it has ended already."""
        if not job.end():
            return
        self._metrics.failed(kind)
        log.warning("no answer: %s: %s", kind, detail)
        job.deliver(Failed(kind, detail))

    def _finished(self, job: Job, reason: FinishReason, now: float) -> None:
        prompt_tokens, seconds = len(job.request.prompt), now - job.submitted_at
        self._metrics.finished(reason, job.generated_tokens, seconds)
        log.info(
            "answered: %d prompt tokens, %d generated, %s, %.3f s",
            prompt_tokens,
            job.generated_tokens,
            reason,
            seconds,
        )
        job.deliver(Finished(reason, prompt_tokens, job.generated_tokens, job.cached_tokens))

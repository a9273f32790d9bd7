"""One answer as seen from the event loop: events from the engine's thread, and its end."""

from __future__ import annotations

import asyncio

from reference_stack.inference.engine import Engine
from reference_stack.inference.generation import (
    Delta,
    Event,
    Failed,
    FailureKind,
    Finished,
    GenerationRequest,
)
from reference_stack.inference.jobs import EngineState, QueueFullError, UnavailableError
from reference_stack.serving.problem import Problem, unavailable

# How often a silent answer looks whether the engine still lives.
_LOOK_S = 0.5
_RETRY_AFTER_S: dict[EngineState, float] = {
    "loading": 5,
    "draining": 5,
    "stopped": 5,
    "stalled": 30,
    "failed": 30,
}
_FAILURE_RETRY_AFTER_S: dict[FailureKind, float] = {
    "queue_timeout": 5,
    "shutting_down": 5,
    "worker_failed": 30,
}


def engine_unavailable(state: EngineState, detail: str) -> Problem:
    """The problem for an engine that takes no request."""
    return unavailable(state, detail, _RETRY_AFTER_S.get(state, 5))


class Answer:
    """The events of one submitted request.

    Always `aclose` it: that cancels a request that is not finished.
    """

    def __init__(
        self, engine: Engine, request: GenerationRequest, patience_s: float | None = None
    ) -> None:
        """Submit the request. Raises Problem (503) when the engine refuses it."""
        self._engine = engine
        self._events: asyncio.Queue[Event] = asyncio.Queue()
        self._loop = asyncio.get_running_loop()
        try:
            self._job = engine.submit(request, self._deliver, patience_s)
        except QueueFullError as error:
            raise unavailable("queue_full", str(error), error.retry_after_s) from error
        except UnavailableError as error:
            raise engine_unavailable(error.state, str(error)) from error

    def _deliver(self, event: Event) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._events.put_nowait, event)

    async def next(self) -> Delta | Finished:
        """The next event. Raises Problem when the answer fails."""
        while True:
            try:
                async with asyncio.timeout(_LOOK_S):
                    event = await self._events.get()
            except TimeoutError:
                self._engine.expire()
                health = self._engine.health()
                # A failed engine has put its Failed into the queue, unless it died too hard.
                if health.state in {"stalled", "failed", "stopped"} and self._events.empty():
                    raise engine_unavailable(health.state, health.detail) from None
                continue
            if isinstance(event, Failed):
                raise unavailable(event.kind, event.detail, _FAILURE_RETRY_AFTER_S[event.kind])
            return event

    async def aclose(self) -> None:
        """Cancel what is not finished."""
        self._engine.cancel(self._job)

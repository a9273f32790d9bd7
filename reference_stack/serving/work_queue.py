"""A bounded queue in front of one worker that takes several units of work at a time.

A *job* is what a client asked for; it consists of *units* (a clip of speech: its windows of 30 s).
Life of a job: waiting (until its first unit is taken, at most until its deadline) → running → done.
Jobs take turns: a turn takes a unit of each job in line, then second units while there is room, and
who was served goes to the end of the line. Only units of one *kind* share a turn (the same
language, say): the kind of whoever is first. A job can be given up at any moment: what was not
taken yet is not done.

Belongs to one event loop. Times are in seconds of that loop's clock.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
from collections.abc import Awaitable, Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar, cast

from reference_stack.serving.child import ChildFailedError, RefusedError
from reference_stack.serving.pace import Pace
from reference_stack.serving.problem import Problem, bad_request, unavailable

log = logging.getLogger(__name__)

Unit = TypeVar("Unit")
Result = TypeVar("Result")
UnitError = RefusedError | ChildFailedError

_AFTER_FAILURE_RETRY_S = 5.0
_NO_ANSWER = ChildFailedError("worker_failed", "the worker gave no answer")


@dataclass(frozen=True)
class QueueLimits:
    """`max_batch` units are done together; `max_queue` jobs more than that are taken in."""

    max_batch: int
    max_queue: int
    queue_timeout_s: float


class QueueObserver(Protocol):
    """Told what happens, for metrics."""

    def waited(self, seconds: float) -> None:
        """A job's first unit was taken."""

    def turn(self, units: int, seconds: float) -> None:
        """A turn of so many units is done."""

    def ended(self, outcome: str) -> None:
        """A job left: done, cancelled, refused, or the code of its problem."""


@dataclass(eq=False)
class _Job(Generic[Unit, Result]):
    kind: Hashable
    left: list[tuple[int, Unit]]
    results: list[Result | None]
    done: asyncio.Future[None]
    submitted_at: float
    expiry: asyncio.TimerHandle | None = None
    under_way: int = 0
    started: bool = False


class WorkQueue(Generic[Unit, Result]):
    """Feeds `perform` with batches of units."""

    def __init__(
        self,
        perform: Callable[[Sequence[Unit]], Awaitable[Sequence[Result | UnitError]]],
        limits: QueueLimits,
        observer: QueueObserver,
    ) -> None:
        """`perform` gives a result or an error for each unit, in order.

        It may raise such an error instead, which then holds for all of them.
        """
        self._perform = perform
        self._limits = limits
        self._observer = observer
        self._jobs: list[_Job[Unit, Result]] = []
        self._turn: asyncio.Task[None] | None = None
        self._pace = Pace()
        self._draining = False
        self._preparing = 0

    @property
    def waiting(self) -> int:
        """Jobs none of whose units was taken yet."""
        return sum(not job.started for job in self._jobs)

    @property
    def running(self) -> int:
        """Jobs that were begun and are not done."""
        return len(self._jobs) - self.waiting

    @property
    def idle(self) -> bool:
        """Whether nothing waits and nothing runs."""
        return not (self._jobs or self._preparing)

    @property
    def _full(self) -> bool:
        return len(self._jobs) + self._preparing >= self._limits.max_queue + self._limits.max_batch

    def drain(self) -> None:
        """Refuse new jobs from now on; those here go on."""
        self._draining = True

    def give_up(self) -> None:
        """Fail every job here: the time for draining is over."""
        for job in self._jobs:
            if not job.done.done():
                job.done.set_exception(unavailable("shutting_down", "the service is shutting down"))

    @contextlib.contextmanager
    def place(self) -> Iterator[None]:
        """A place for a job whose units are still being made; then `do` it as `admitted`.

        Raises Problem: 503 when the queue is full or the service is shutting down.
        """
        self._admit()
        self._preparing += 1
        try:
            yield
        finally:
            self._preparing -= 1

    async def do(
        self,
        units: Sequence[Unit],
        *,
        kind: Hashable = None,
        patience_s: float | None = None,
        admitted: bool = False,
    ) -> list[Result]:
        """The results of all units, in order. Cancelling the call gives the job up.

        `admitted` jobs had a `place`, or belong to something that was begun before and is bounded
        elsewhere: they are taken while draining, and when the queue is full.

        Raises Problem: 503 when the queue is full, the job waited too long (at most `patience_s`),
        the service is shutting down, or the worker failed; 400 when the worker refuses the work.
        """
        if not admitted:
            self._admit()
        job = self._submit(units, kind, patience_s)
        try:
            await job.done
        except Problem as problem:
            self._observer.ended(problem.code)
            raise
        except asyncio.CancelledError:
            self._observer.ended("cancelled")
            raise
        else:
            self._observer.ended("done")
            return cast("list[Result]", job.results)
        finally:
            self._leave(job)

    def _admit(self) -> None:
        if self._draining:
            self._observer.ended("draining")
            raise unavailable("draining", "the service is shutting down")
        if self._full:
            self._observer.ended("queue_full")
            raise unavailable("queue_full", "all waiting places are taken", self._retry_after_s())

    def _submit(
        self, units: Sequence[Unit], kind: Hashable, patience_s: float | None
    ) -> _Job[Unit, Result]:
        loop = asyncio.get_running_loop()
        job = _Job[Unit, Result](
            kind, list(enumerate(units)), [None] * len(units), loop.create_future(), loop.time()
        )
        longest_s = min(self._limits.queue_timeout_s, patience_s or math.inf)
        job.expiry = loop.call_later(longest_s, self._expire, job, longest_s)
        if not units:
            job.done.set_result(None)
        self._jobs.append(job)
        if self._turn is None:
            self._turn = asyncio.create_task(self._take_turns())
        return job

    def _leave(self, job: _Job[Unit, Result]) -> None:
        if job.expiry is not None:
            job.expiry.cancel()
        if job in self._jobs:
            self._jobs.remove(job)

    def _expire(self, job: _Job[Unit, Result], longest_s: float) -> None:
        if not job.started and not job.done.done():
            self._jobs.remove(job)
            job.done.set_exception(
                unavailable(
                    "queue_timeout", f"no place within {longest_s:g} seconds", self._retry_after_s()
                )
            )

    def _retry_after_s(self) -> float:
        """When a place should be free: the turns ahead."""
        ahead = sum(len(job.left) + job.under_way for job in self._jobs)
        return self._pace.retry_after_s(math.ceil(ahead / self._limits.max_batch))

    async def _take_turns(self) -> None:
        try:
            while batch := self._next_batch():
                await self._do(batch)
                # Behind those who came meanwhile; the sort is stable.
                served = {id(job) for job, _, _ in batch}
                self._jobs.sort(key=lambda job: id(job) in served)
        finally:
            self._turn = None

    def _next_batch(self) -> list[tuple[_Job[Unit, Result], int, Unit]]:
        batch: list[tuple[_Job[Unit, Result], int, Unit]] = []
        kind: Hashable = None
        while len(batch) < self._limits.max_batch:
            before = len(batch)
            for job in self._jobs:
                if not job.left or job.done.done() or (batch and job.kind != kind):
                    continue
                if len(batch) == self._limits.max_batch:
                    break
                kind = job.kind
                self._begin(job)
                index, unit = job.left.pop(0)
                job.under_way += 1
                batch.append((job, index, unit))
            if len(batch) == before:
                break
        return batch

    def _begin(self, job: _Job[Unit, Result]) -> None:
        if not job.started:
            job.started = True
            self._observer.waited(asyncio.get_running_loop().time() - job.submitted_at)

    async def _do(self, batch: Sequence[tuple[_Job[Unit, Result], int, Unit]]) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        units = [unit for _, _, unit in batch]
        answers: Sequence[Result | UnitError] = [_NO_ANSWER] * len(units)
        try:
            answers = await self._perform(units)
        except (RefusedError, ChildFailedError) as error:
            answers = [error] * len(units)
        except Exception:  # the turns' end: nobody above could catch it, and others wait in line
            log.exception("a turn failed")
        finally:
            self._settle(batch, answers)
            seconds = loop.time() - began
            self._observer.turn(len(batch), seconds)
            self._pace.learn(seconds)

    @staticmethod
    def _settle(
        batch: Sequence[tuple[_Job[Unit, Result], int, Unit]],
        answers: Sequence[Result | UnitError],
    ) -> None:
        for (job, index, _unit), answer in zip(batch, answers, strict=True):
            job.under_way -= 1
            if job.done.done():
                continue
            if isinstance(answer, RefusedError | ChildFailedError):
                job.done.set_exception(_problem(answer))
                continue
            job.results[index] = answer
            if not job.left and job.under_way == 0:
                job.done.set_result(None)


def _problem(error: UnitError) -> Problem:
    if isinstance(error, RefusedError):
        return bad_request("unusable_input", str(error))
    return unavailable(error.kind, str(error), _AFTER_FAILURE_RETRY_S)

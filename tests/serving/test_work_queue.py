"""The queue in front of a worker: batches, deadlines, bounds and endings."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reference_stack.serving.child import ChildFailedError, RefusedError
from reference_stack.serving.problem import Problem
from reference_stack.serving.work_queue import QueueLimits, WorkQueue


class Observer:
    def __init__(self) -> None:
        self.turns: list[int] = []
        self.ends: Counter[str] = Counter()
        self.waits = 0

    def waited(self, _seconds: float) -> None:
        self.waits += 1

    def turn(self, units: int, _seconds: float) -> None:
        self.turns.append(units)

    def ended(self, outcome: str) -> None:
        self.ends[outcome] += 1


class Desk:
    """A queue whose worker waits until it is told to go on."""

    def __init__(
        self,
        *,
        max_batch: int = 2,
        max_queue: int = 10,
        queue_timeout_s: float = 60.0,
        held: bool = False,
    ) -> None:
        self.observer = Observer()
        self.go_on = asyncio.Event()
        if not held:
            self.go_on.set()
        self.error: Exception | None = None
        self.seen: list[list[object]] = []
        self.queue: WorkQueue[object, str] = WorkQueue(
            self.work, QueueLimits(max_batch, max_queue, queue_timeout_s), self.observer
        )

    async def work(self, units: Sequence[object]) -> list[str]:
        self.seen.append(list(units))
        await self.go_on.wait()
        error, self.error = self.error, None
        if error is not None:
            raise error
        return [f"{unit}!" for unit in units]

    def ask(self, *units: Any, **options: Any) -> asyncio.Task[list[str]]:
        return asyncio.create_task(self.queue.do(units, **options))


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def refused(task: asyncio.Task) -> str:
    with pytest.raises(Problem) as problem:
        await task
    return problem.value.code


@given(
    jobs=st.lists(st.tuples(st.integers(0, 5), st.sampled_from("ab")), max_size=12),
    max_batch=st.integers(1, 4),
)
def test_every_job_gets_its_own_results_in_order_and_turns_hold_one_kind(
    jobs: list[tuple[int, str]], max_batch: int
) -> None:
    async def run() -> None:
        desk = Desk(max_batch=max_batch, max_queue=100)
        tasks = [
            desk.ask(*[(number, kind, place) for place in range(units)], kind=kind)
            for number, (units, kind) in enumerate(jobs)
        ]
        results = await asyncio.gather(*tasks)
        expected = [
            [f"{(number, kind, place)}!" for place in range(units)]
            for number, (units, kind) in enumerate(jobs)
        ]
        assert results == expected
        assert all(len(turn) <= max_batch for turn in desk.seen)
        assert all(len({kind for _, kind, _ in turn}) == 1 for turn in desk.seen)
        assert sum(desk.observer.turns) == sum(units for units, _ in jobs)
        assert desk.observer.ends == Counter({"done": len(jobs)} if jobs else {})
        assert desk.queue.idle

    asyncio.run(run())


def test_units_of_several_jobs_share_a_turn_before_one_job_gets_two() -> None:
    async def run() -> None:
        desk = Desk(max_batch=2, held=True)
        first = desk.ask("a1")
        await settle()
        tasks = [desk.ask("b1", "b2", "b3"), desk.ask("c1")]
        await settle()
        desk.go_on.set()
        await asyncio.gather(first, *tasks)
        assert desk.seen == [["a1"], ["b1", "c1"], ["b2", "b3"]]

    asyncio.run(run())


def test_a_long_job_of_another_kind_lets_a_short_one_have_the_next_turn() -> None:
    async def run() -> None:
        desk = Desk(max_batch=2, held=True)
        long = desk.ask("a1", "a2", "a3", "a4", "a5", kind="a")
        await settle()
        short = desk.ask("b", kind="b")
        await settle()
        desk.go_on.set()
        await asyncio.gather(long, short)
        assert desk.seen == [["a1", "a2"], ["b"], ["a3", "a4"], ["a5"]]

    asyncio.run(run())


def test_long_jobs_that_fill_every_turn_let_a_short_one_in() -> None:
    async def run() -> None:
        desk = Desk(max_batch=2, held=True)
        jobs = [desk.ask(*(f"{name}{unit}" for unit in range(9))) for name in "ab"]
        await settle()
        short = desk.ask("c")
        await settle()
        desk.go_on.set()
        assert await short == ["c!"]
        assert desk.seen[:2] == [["a0", "b0"], ["c", "a1"]]
        await asyncio.gather(*jobs)

    asyncio.run(run())


def test_begun_jobs_count_towards_the_bound() -> None:
    async def run() -> None:
        desk = Desk(max_batch=1, max_queue=1, held=True)
        jobs = [desk.ask("a1", "a2"), desk.ask("b1", "b2")]
        await settle()
        assert await refused(desk.ask("c")) == "queue_full"
        desk.go_on.set()
        await asyncio.gather(*jobs)

    asyncio.run(run())


def test_one_unit_s_error_is_its_own_job_s_alone() -> None:
    async def run() -> None:
        async def work(units: Sequence[int]) -> list[int | RefusedError]:
            return [unit if unit > 0 else RefusedError("no") for unit in units]

        queue = WorkQueue(work, QueueLimits(3, 3, 60), Observer())
        tasks = [asyncio.create_task(queue.do([unit])) for unit in (1, 0, 2)]
        assert await refused(tasks[1]) == "unusable_input"
        assert [await tasks[0], await tasks[2]] == [[1], [2]]

    asyncio.run(run())


def test_a_bug_in_a_turn_fails_that_turn_and_the_line_moves_on() -> None:
    async def run() -> None:
        desk = Desk(max_batch=1, held=True)
        failing, begun = desk.ask("a"), desk.ask("b1", "b2")
        await settle()
        desk.error = ZeroDivisionError()
        desk.go_on.set()
        assert await refused(failing) == "worker_failed"
        assert await begun == ["b1!", "b2!"]

    asyncio.run(run())


def test_when_the_time_for_draining_is_over_every_job_is_told() -> None:
    async def run() -> None:
        desk = Desk(max_batch=1, held=True)
        tasks = [desk.ask("a"), desk.ask("b")]
        await settle()
        desk.queue.drain()
        desk.queue.give_up()
        assert [await refused(task) for task in tasks] == ["shutting_down"] * 2
        assert desk.queue.idle

    asyncio.run(run())


def test_a_full_queue_refuses_and_says_when_to_come_back() -> None:
    async def run() -> None:
        desk = Desk(max_batch=1, max_queue=1, held=True)
        running, waiting = desk.ask("a"), desk.ask("b")
        await settle()
        with pytest.raises(Problem) as problem:
            await desk.ask("c")
        assert (problem.value.status, problem.value.code) == (503, "queue_full")
        assert 0 < problem.value.retry_after_s <= 60
        held = desk.ask("d", admitted=True)
        desk.go_on.set()
        assert await asyncio.gather(running, waiting, held) == [["a!"], ["b!"], ["d!"]]

    asyncio.run(run())


def test_who_waits_too_long_is_refused_and_the_running_job_goes_on() -> None:
    async def run() -> None:
        desk = Desk(max_batch=1, queue_timeout_s=60, held=True)
        running = desk.ask("a")
        await settle()
        assert await refused(desk.ask("b", patience_s=0.01)) == "queue_timeout"
        assert (desk.queue.waiting, desk.queue.running) == (0, 1)
        desk.go_on.set()
        assert await running == ["a!"]
        assert desk.seen == [["a"]]

    asyncio.run(run())


def test_a_running_job_has_no_deadline() -> None:
    async def run() -> None:
        desk = Desk(max_batch=1, queue_timeout_s=0.01, held=True)
        task = desk.ask("a", "b")
        await asyncio.sleep(0.05)
        desk.go_on.set()
        assert await task == ["a!", "b!"]

    asyncio.run(run())


def test_a_job_that_is_given_up_is_not_done() -> None:
    async def run() -> None:
        desk = Desk(max_batch=1, held=True)
        running, waiting, last = desk.ask("a1", "a2"), desk.ask("b"), desk.ask("c")
        await settle()
        running.cancel()
        waiting.cancel()
        await settle()
        desk.go_on.set()
        assert await last == ["c!"]
        assert desk.seen == [["a1"], ["c"]]
        assert desk.observer.ends == Counter(cancelled=2, done=1)

    asyncio.run(run())


def test_draining_refuses_newcomers_and_finishes_what_is_there() -> None:
    async def run() -> None:
        desk = Desk(max_batch=1, held=True)
        tasks = [desk.ask("a"), desk.ask("b")]
        await settle()
        desk.queue.drain()
        assert await refused(desk.ask("c")) == "draining"
        assert not desk.queue.idle
        desk.go_on.set()
        assert await asyncio.gather(*tasks) == [["a!"], ["b!"]]
        assert desk.queue.idle

    asyncio.run(run())


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (RefusedError("no"), 400, "unusable_input"),
        (ChildFailedError("worker_failed", "gone"), 503, "worker_failed"),
        (ChildFailedError("worker_timeout", "slow"), 503, "worker_timeout"),
    ],
)
def test_a_failing_worker_fails_the_jobs_of_its_turn_and_no_other(
    error: Exception, status: int, code: str
) -> None:
    async def run() -> None:
        desk = Desk(max_batch=1, held=True)
        failing, fine = desk.ask("a1", "a2"), desk.ask("b")
        await settle()
        desk.error = error
        desk.go_on.set()
        with pytest.raises(Problem) as problem:
            await failing
        assert (problem.value.status, problem.value.code) == (status, code)
        assert await fine == ["b!"]
        assert desk.seen == [["a1"], ["b"]]

    asyncio.run(run())


def test_a_job_that_is_being_prepared_has_a_place_and_is_waited_for() -> None:
    async def scenario() -> None:
        desk = Desk(max_batch=1, max_queue=0)
        with desk.queue.place():
            assert not desk.queue.idle
            with pytest.raises(Problem, match="places are taken"):
                await desk.queue.do(["other"])
            desk.queue.drain()
        with pytest.raises(Problem, match="shutting down"), desk.queue.place():
            pytest.fail("there is no place any more")
        assert await desk.queue.do(["own"], admitted=True) == ["own!"]
        assert desk.queue.idle
        assert desk.observer.ends == {"queue_full": 1, "draining": 1, "done": 1}

    asyncio.run(scenario())

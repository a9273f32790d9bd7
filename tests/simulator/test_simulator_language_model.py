"""The jumping server against one that takes every step by itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from simpy import Environment

from simulator.language_model import LanguageModelServer
from simulator.station import Processor
from simulator.step_times import StepTimes

STEPS = StepTimes(
    prefill_base_s=0.05,
    prefill_per_token_s=0.004,
    decode_base_s=0.031,
    decode_per_sequence_s=0.0037,
)
MAX_BATCH, MAX_QUEUE, QUEUE_TIMEOUT_S = 4, 6, 1.1


@dataclass(frozen=True)
class Request:
    """One arrival; the client leaves ``patience_s`` after it, if the answer is not there."""

    arrives_s: float
    prompt: int
    answer: int
    patience_s: float


def requests(seed: int, count: int) -> list[Request]:
    random = np.random.default_rng(seed)
    times = np.cumsum(random.exponential(0.18, count))
    patience = np.where(random.random(count) < 0.2, random.exponential(1.5, count), 1e9)
    return [
        Request(float(at), int(random.integers(5, 60)), int(random.integers(1, 40)), float(p))
        for at, p in zip(times, patience, strict=True)
    ]


class StepByStep:
    """The server's rules, one step at a time: how and when each request ended, its first token."""

    def __init__(self, arrivals: list[Request]) -> None:
        self.ended: dict[int, tuple[str, float, float]] = {}
        self._arrivals = arrivals
        self._first: dict[int, float] = {}
        self._left = [request.answer for request in arrivals]
        self._waiting: list[int] = []
        self._running: list[int] = []
        self._coming: list[int] = []
        self._gone: set[int] = set()
        moments = [(request.arrives_s, 0, n) for n, request in enumerate(arrivals)]
        moments += [(r.arrives_s + r.patience_s, 1, n) for n, r in enumerate(arrivals)]
        self._moments = sorted(moments, reverse=True)

    def run(self) -> dict[int, tuple[str, float, float]]:
        now = 0.0
        while self._moments or self._waiting or self._running:
            self._admit(now)
            if not self._coming and not self._running:
                now = self._moments[-1][0]
                self._until(now)
                continue
            now = self._step(now)
            for n in self._running:
                if self._left[n] == 0 and n not in self._gone:
                    self.ended[n] = ("finished", now, self._first[n])
            self._running = [n for n in self._running if self._left[n] > 0]
        return self.ended

    def _admit(self, now: float) -> None:
        self._running = [n for n in self._running if n not in self._gone]
        while self._waiting and self._arrivals[self._waiting[0]].arrives_s < now - QUEUE_TIMEOUT_S:
            self.ended[self._waiting.pop(0)] = ("expired", now, float("nan"))
        while self._waiting and len(self._running) + len(self._coming) < MAX_BATCH:
            self._coming.append(self._waiting.pop(0))

    def _step(self, now: float) -> float:
        if self._coming:
            end = now + STEPS.prefill_s(sum(self._arrivals[n].prompt for n in self._coming))
            self._until(end)
            self._first |= dict.fromkeys(self._coming, end)
            worked = self._coming
            self._running += self._coming
            self._coming = []
        else:
            end = now + STEPS.decode_s(len(self._running))
            self._until(end)
            worked = self._running
        for n in worked:
            self._left[n] -= 1
        return end

    def _until(self, end: float) -> None:
        """What clients do up to ``end``."""
        while self._moments and self._moments[-1][0] <= end:
            at, kind, n = self._moments.pop()
            if kind == 0:
                self._arrive(at, n)
            elif n not in self.ended:
                self.ended[n] = ("cancelled", at, self._first.get(n, float("nan")))
                self._gone.add(n)
                if n in self._waiting:
                    self._waiting.remove(n)

    def _arrive(self, at: float, n: int) -> None:
        free = MAX_BATCH - len(self._running) - len(self._coming)
        if len(self._waiting) >= MAX_QUEUE + max(free, 0):
            self.ended[n] = ("refused", at, float("nan"))
        else:
            self._waiting.append(n)


def jumping(arrivals: list[Request]) -> tuple[dict[int, tuple[str, float, float]], Any, int]:
    env = Environment()
    server = LanguageModelServer(
        env, Processor(env, 1, "device"), STEPS, max_batch=MAX_BATCH, max_queue=MAX_QUEUE,
        queue_timeout_s=QUEUE_TIMEOUT_S, name="inference",
    )  # fmt: skip
    ended: dict[int, tuple[str, float, float]] = {}
    inside: dict[int, Any] = {}

    def over(sequence: Any, how: str) -> None:
        ended[sequence.token] = (how, env.now, sequence.first_token_s)

    def arrive(event: Any) -> None:
        n = event.value
        sequence = server.submit(arrivals[n].prompt, arrivals[n].answer, over, n)
        if sequence is None:
            ended[n] = ("refused", env.now, float("nan"))
        inside[n] = sequence

    def leave(event: Any) -> None:
        n = event.value
        if n not in ended:
            ended[n] = ("cancelled", env.now, inside[n].first_token_s)
            server.cancel(inside[n])

    for n, request in enumerate(arrivals):
        env.timeout(request.arrives_s, n).callbacks.append(arrive)
        env.timeout(request.arrives_s + request.patience_s, n).callbacks.append(leave)
    events = 0
    while env.peek() < 1e8:
        env.step()
        events += 1
    return ended, server, events


@pytest.mark.parametrize("seed", range(8))
def test_jumping_gives_the_times_of_every_single_step(seed: int) -> None:
    """Refusals, time-outs in the queue and clients that leave are all among the 150 requests."""
    arrivals = requests(seed, 150)
    expected = StepByStep(arrivals).run()
    found, server, _ = jumping(arrivals)
    assert {n: how for n, (how, *_) in found.items()} == {
        n: how for n, (how, *_) in expected.items()
    }
    for n, (_, end, first) in expected.items():
        assert found[n][1] == pytest.approx(end, abs=1e-9)
        assert found[n][2] == pytest.approx(first, abs=1e-9, nan_ok=True)
    assert server.arrived == 150
    assert server.in_system == 0
    endings = [how for how, *_ in found.values()]
    assert server.finished == endings.count("finished")
    assert set(endings) == {"finished", "refused", "expired", "cancelled"}


def test_jumping_takes_far_fewer_events_than_steps() -> None:
    arrivals = [Request(10.0 * n, 20, 200, 1e9) for n in range(20)]
    found, _, events = jumping(arrivals)
    steps = sum(request.answer for request in arrivals)
    assert len(found) == 20
    assert events < steps / 10


def test_an_answer_alone_takes_its_prompt_and_its_steps() -> None:
    found, _, _ = jumping([Request(1.0, 30, 11, 1e9)])
    first = 1.0 + STEPS.prefill_s(30)
    assert found[0][2] == pytest.approx(first)
    assert found[0][1] == pytest.approx(first + 10 * STEPS.decode_s(1))


def test_engine_slows_down_when_others_take_its_core() -> None:
    env = Environment()
    processor = Processor(env, 1, "core")
    server = LanguageModelServer(
        env, processor, STEPS, max_batch=4, max_queue=4, queue_timeout_s=60, name="inference"
    )
    ends: list[float] = []
    server.submit(10, 50, lambda _sequence, _how: ends.append(env.now))
    processor.start(1000.0, lambda _token: None)
    env.run(until=30.0)
    alone = STEPS.prefill_s(10) + 49 * STEPS.decode_s(1)
    assert ends == [pytest.approx(2 * alone)]

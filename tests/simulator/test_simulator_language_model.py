"""The jumping server against one that takes every step by itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from simpy import Environment

from simulator.language_model import LanguageModelServer
from simulator.stations import Processor
from simulator.step_times import StepTimes

STEPS = StepTimes(
    prefill_base_s=0.05,
    prefill_per_token_s=0.004,
    decode_base_s=0.031,
    decode_per_sequence_s=0.0037,
)
# Contexts that cost, so that steps of one jump differ.
GROWING = StepTimes(
    prefill_base_s=0.05,
    prefill_per_token_s=0.004,
    decode_base_s=0.031,
    decode_per_sequence_s=0.0037,
    prefill_per_token_squared_s=0.00005,
    decode_per_context_token_s=0.0001,
)
MAX_BATCH, MAX_QUEUE, QUEUE_TIMEOUT_S = 4, 6, 1.1


@dataclass(frozen=True)
class Engine:
    """The server's settings."""

    steps: StepTimes = STEPS
    chunk: int | None = None
    cache_tokens: int | None = None


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

    def __init__(self, arrivals: list[Request], engine: Engine) -> None:
        self._engine = engine
        self._read = [0] * len(arrivals)
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
        self._coming = [n for n in self._coming if n not in self._gone]
        while self._waiting and self._arrivals[self._waiting[0]].arrives_s < now - QUEUE_TIMEOUT_S:
            self.ended[self._waiting.pop(0)] = ("expired", now, float("nan"))
        while self._waiting and len(self._running) + len(self._coming) < MAX_BATCH:
            inside = [*self._running, *self._coming, self._waiting[0]]
            held = sum(self._arrivals[n].prompt + self._arrivals[n].answer for n in inside)
            if self._engine.cache_tokens is not None and held > self._engine.cache_tokens:
                break
            self._coming.append(self._waiting.pop(0))

    def _context(self) -> int:
        return sum(
            self._arrivals[n].prompt + self._arrivals[n].answer - self._left[n]
            for n in self._running
        )

    def _step(self, now: float) -> float:
        if self._coming and self._engine.chunk is not None:
            return self._piece(now, self._engine.chunk)
        steps = self._engine.steps
        if self._coming:
            end = now + steps.prefill_base_s
            end += sum(steps.reading_s(self._arrivals[n].prompt) for n in self._coming)
            self._until(end)
            self._first |= dict.fromkeys(self._coming, end)
            worked = self._coming
            self._running += self._coming
            self._coming = []
        else:
            end = now + steps.decode_s(len(self._running), self._context())
            self._until(end)
            worked = self._running
        for n in worked:
            self._left[n] -= 1
        return end

    def _piece(self, now: float, chunk: int) -> float:
        """A piece of the first prompt, and a token for each that runs."""
        steps, head = self._engine.steps, self._coming[0]
        tokens = min(chunk, self._arrivals[head].prompt - self._read[head])
        end = now + steps.prefill_base_s + steps.reading_s(tokens, self._read[head])
        end += steps.decode_s(len(self._running), self._context()) - steps.decode_base_s
        running = list(self._running)
        self._until(end)
        for n in running:
            self._left[n] -= 1
        self._read[head] += tokens
        if self._read[head] == self._arrivals[head].prompt:
            self._coming.remove(head)
            self._running.append(head)
            self._first[head] = end
            self._left[head] -= 1
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
        needed = self._arrivals[n].prompt + self._arrivals[n].answer
        room = self._engine.cache_tokens
        if len(self._waiting) >= MAX_QUEUE + max(free, 0) or (room is not None and needed > room):
            self.ended[n] = ("refused", at, float("nan"))
        else:
            self._waiting.append(n)


def jumping(
    arrivals: list[Request], engine: Engine | None = None
) -> tuple[dict[int, tuple[str, float, float]], Any, int]:
    env = Environment()
    engine = engine or Engine()
    server = LanguageModelServer(
        env, Processor(env, 1, "device"), engine.steps, max_batch=MAX_BATCH, max_queue=MAX_QUEUE,
        queue_timeout_s=QUEUE_TIMEOUT_S, name="inference", cache_tokens=engine.cache_tokens,
        prefill_chunk=engine.chunk,
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


ENGINES = {
    "plain": Engine(),
    "contexts that cost": Engine(GROWING),
    "prompts in pieces": Engine(GROWING, chunk=16),
    "prompts in pieces, constant steps": Engine(chunk=7),
    "little memory": Engine(GROWING, cache_tokens=150),
    "little memory, prompts in pieces": Engine(GROWING, chunk=16, cache_tokens=120),
}


@pytest.mark.parametrize("engine", ENGINES.values(), ids=ENGINES.keys())
@pytest.mark.parametrize("seed", range(5))
def test_jumping_gives_the_times_of_every_single_step(seed: int, engine: Engine) -> None:
    """Refusals, time-outs in the queue and clients that leave are all among the 150 requests."""
    arrivals = requests(seed, 150)
    expected = StepByStep(arrivals, engine).run()
    found, server, _ = jumping(arrivals, engine)
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
    if engine.cache_tokens is not None:
        assert 0.5 * engine.cache_tokens < server.most_cached <= engine.cache_tokens


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

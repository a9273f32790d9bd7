"""A language model server with continuous batching.

One engine works in steps. At every step's end finished sequences leave, waiting ones join while
there is room in the batch and in the memory for attention caches, and the next step begins: either
new prompts are read whole (*prefill*; decoding waits for it), or all running sequences get one
token each (*decode*). With ``prefill_chunk`` set, prompts are read in pieces instead, one prompt at
a time, in steps that also give the running sequences their token.

Between two changes of the batch the steps' durations are an arithmetic progression: contexts grow
by one token a sequence and step, and a prompt's next piece attends to one piece more. So the steps
up to the next change are simulated as one event, a *jump*, whose length is a closed form: the same
times as step by step, one to two orders of magnitude fewer events.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from typing import Any, Literal

from simpy import Environment

from simulator.measures import StationMeasures
from simulator.stations import Processor, Work
from simulator.step_times import StepTimes

Ending = Literal["finished", "expired"]
Ended = Callable[["Sequence", Ending], None]


class Sequence:
    """One prompt and its answer. Times are the simulation's clock, seconds."""

    __slots__ = (
        "answer_tokens", "arrived_s", "cancelled", "ended", "first_token_s", "prompt_tokens",
        "read", "remaining", "reserved", "token",
    )  # fmt: skip

    def __init__(
        self, prompt_tokens: int, answer_tokens: int, *, reserved: int, ended: Ended, token: Any,
        now: float,
    ) -> None:  # fmt: skip
        self.prompt_tokens = prompt_tokens
        self.answer_tokens = answer_tokens
        self.remaining = answer_tokens
        self.reserved = reserved
        self.read = 0
        self.ended = ended
        self.token = token
        self.arrived_s = now
        self.first_token_s = float("nan")
        self.cancelled = False

    @property
    def context(self) -> int:
        """Tokens whose attention cache it holds."""
        return self.read + self.answer_tokens - self.remaining


class LanguageModelServer:
    """The engine and the queue before it.

    Args:
        env: The simulation.
        processor: What the engine's thread runs on: its own device, or cores it shares.
        steps: How long steps take when nothing else runs.
        max_batch: Sequences that decode together.
        max_queue: Waiting places beyond the batch's free ones; one more request is refused.
        queue_timeout_s: Longest wait; checked between steps, as the engine does.
        name: For the results.
        cache_tokens: Tokens whose attention caches fit the memory; None when it never runs out. A
            sequence joins when its prompt and its longest answer fit (nothing is preempted).
        longest_answer: Tokens reserved for an answer; None: as many as it will have.
        prefill_chunk: Tokens of a prompt read in one step beside decoding; None: whole prompts.
    """

    def __init__(
        self, env: Environment, processor: Processor, steps: StepTimes, *, max_batch: int,
        max_queue: int, queue_timeout_s: float, name: str, cache_tokens: int | None = None,
        longest_answer: int | None = None, prefill_chunk: int | None = None,
    ) -> None:  # fmt: skip
        self.name = name
        self.measures = StationMeasures(env.now)
        self.arrived = self.refused = self.expired = self.cancelled = self.finished = 0
        self.decode_steps = self.prefill_steps = 0
        self.context_steps = 0
        self.most_cached = 0
        self._env = env
        self._processor = processor
        self._steps = steps
        self._max_batch = max_batch
        self._max_queue = max_queue
        self._queue_timeout_s = queue_timeout_s
        self._cache_tokens = math.inf if cache_tokens is None else cache_tokens
        self._longest_answer = longest_answer
        self._chunk = prefill_chunk
        self._waiting: deque[Sequence] = deque()
        self._running: list[Sequence] = []
        self._newcomers: list[Sequence] = []
        self._reserved = 0
        self._context = 0
        self._work: Work | None = None
        self._first_s = 0.0
        self._growth_s = 0.0
        self._jump_steps = 0
        self._piece = 0
        self._changed_s = env.now

    def submit(
        self, prompt_tokens: int, answer_tokens: int, ended: Ended, token: Any = None
    ) -> Sequence | None:
        """Ask for an answer; None when refused, else ``ended`` follows unless cancelled."""
        self._advance()
        self.arrived += 1
        free = self._max_batch - len(self._running) - len(self._newcomers)
        answer = answer_tokens if self._longest_answer is None else self._longest_answer
        reserved = prompt_tokens + max(answer, answer_tokens)
        if len(self._waiting) >= self._max_queue + max(free, 0) or reserved > self._cache_tokens:
            self.refused += 1
            return None
        now = self._env.now
        sequence = Sequence(
            prompt_tokens, answer_tokens, reserved=reserved, ended=ended, token=token, now=now
        )
        self._waiting.append(sequence)
        if self._work is None:
            self._between_steps()
        elif self._jump_steps:
            # With room it joins after this step; without, its time in the queue may end first.
            self._end_jump_after(0.0 if free > 0 else self._queue_timeout_s)
        return sequence

    def cancel(self, sequence: Sequence) -> None:
        """The client has gone: a waiting sequence leaves at once, a running one after the step."""
        self._advance()
        sequence.cancelled = True
        self.cancelled += 1
        if sequence in self._waiting:
            self._waiting.remove(sequence)
        elif self._jump_steps:
            self._end_jump_after(0.0)

    @property
    def in_system(self) -> int:
        """Sequences that wait or run and have not been cancelled."""
        inside = (*self._waiting, *self._running, *self._newcomers)
        return sum(not sequence.cancelled for sequence in inside)

    def snapshot(self) -> StationMeasures:
        """The measures up to now; utilisation is the share of time with a step going on."""
        self._advance()
        return self.measures

    def _between_steps(self) -> None:
        """Admit, then start the next step; the engine sleeps when there is nothing to do."""
        self._work = None
        self._jump_steps = 0
        for sequence in self._running:
            if sequence.cancelled:
                self._context -= sequence.context
                self._reserved -= sequence.reserved
        self._running = [sequence for sequence in self._running if not sequence.cancelled]
        self._reserved -= sum(s.reserved for s in self._newcomers if s.cancelled)
        self._newcomers = [sequence for sequence in self._newcomers if not sequence.cancelled]
        self._expire()
        self._admit()
        if self._newcomers and self._chunk is None:
            tokens = [sequence.prompt_tokens for sequence in self._newcomers]
            self.most_cached = max(self.most_cached, self._context + sum(tokens))
            self.prefill_steps += 1
            needed_s = self._steps.prefill_base_s + sum(map(self._steps.reading_s, tokens))
            self._work = self._processor.start(needed_s, self._prefilled)
        elif self._newcomers or self._running:
            self._jump()

    def _admit(self) -> None:
        now = self._env.now
        while self._waiting and len(self._running) + len(self._newcomers) < self._max_batch:
            sequence = self._waiting[0]
            if self._reserved + sequence.reserved > self._cache_tokens:
                break
            self._waiting.popleft()
            self._reserved += sequence.reserved
            self.measures.add_customer(now - sequence.arrived_s)
            self._newcomers.append(sequence)

    def _prefilled(self, _token: Any) -> None:
        self._advance()
        joined, self._newcomers = self._newcomers, []
        for sequence in joined:
            sequence.read = sequence.prompt_tokens
            self._first_token(sequence)
        self._leave()

    def _first_token(self, sequence: Sequence) -> None:
        sequence.first_token_s = self._env.now
        sequence.remaining -= 1
        self._context += sequence.context
        self._running.append(sequence)

    def _jump(self) -> None:
        """Start as many like steps as pass before the batch changes by itself."""
        steps, running = self._steps, len(self._running)
        self._growth_s = steps.decode_per_context_token_s * running
        most = min((sequence.remaining for sequence in self._running), default=0)
        self._piece = 0
        if self._newcomers and self._chunk is not None:
            head = self._newcomers[0]
            left = head.prompt_tokens - head.read
            self._piece = piece = min(self._chunk, left)
            pieces = max(left // self._chunk, 1)
            most = min(most, pieces) if running else pieces
            # The weights are read once for both, so the decoding's base is not paid again.
            beside_s = steps.decode_s(running, self._context) - steps.decode_base_s
            self._first_s = steps.prefill_base_s + steps.reading_s(piece, head.read) + beside_s
            self._growth_s += steps.prefill_per_token_squared_s * 2 * piece * piece
        else:
            self._first_s = steps.decode_s(running, self._context)
        self._jump_steps = most
        self._work = self._processor.start(self._length_s(most), self._jumped)
        if self._waiting:
            left_s = self._waiting[0].arrived_s + self._queue_timeout_s - self._env.now
            self._end_jump_after(left_s)

    def _length_s(self, steps: int) -> float:
        """How long so many steps take: the sum of an arithmetic progression."""
        return steps * self._first_s + self._growth_s * (steps * (steps - 1) / 2)

    def _steps_within(self, time_s: float) -> int:
        """How many steps have ended after ``time_s`` of the jump's work."""
        if self._growth_s <= 0.0:
            return int(time_s / self._first_s)
        half = self._growth_s / 2
        linear = self._first_s - half
        return int(2 * time_s / (linear + math.sqrt(linear * linear + 4 * half * time_s)))

    def _end_jump_after(self, delay_s: float) -> None:
        """End the jump with the first step that ends more than ``delay_s`` from now."""
        if self._work is None:
            return
        attained_s = self._processor.attained_s(self._work)
        steps = self._steps_within(max(attained_s + delay_s, 0.0)) + 1
        if steps < self._jump_steps:
            self._jump_steps = steps
            self._processor.shorten(self._work, self._length_s(steps))

    def _jumped(self, _token: Any) -> None:
        self._advance()
        steps, running = self._jump_steps, len(self._running)
        if running:
            self.decode_steps += steps
            self.context_steps += steps * self._context + running * (steps * (steps - 1) // 2)
            for sequence in self._running:
                sequence.remaining -= steps
            self._context += steps * running
        if self._piece:
            self.prefill_steps += steps
            head = self._newcomers[0]
            head.read += steps * self._piece
            if head.read == head.prompt_tokens:
                self._first_token(self._newcomers.pop(0))
        held = self._context + sum(sequence.read for sequence in self._newcomers)
        self.most_cached = max(self.most_cached, held)
        self._leave()

    def _leave(self) -> None:
        done = [sequence for sequence in self._running if sequence.remaining <= 0]
        self._running = [sequence for sequence in self._running if sequence.remaining > 0]
        for sequence in done:
            self._context -= sequence.context
            self._reserved -= sequence.reserved
        # The next step starts before anybody is told: what they send now joins after it.
        self._between_steps()
        for sequence in done:
            if not sequence.cancelled:
                self.finished += 1
                sequence.ended(sequence, "finished")

    def _expire(self) -> None:
        oldest_s = self._env.now - self._queue_timeout_s
        late = []
        while self._waiting and self._waiting[0].arrived_s < oldest_s:
            late.append(self._waiting.popleft())
        for sequence in late:
            self.expired += 1
            sequence.ended(sequence, "expired")

    def _advance(self) -> None:
        now = self._env.now
        elapsed = now - self._changed_s
        if elapsed > 0.0:
            self.measures.add_time(elapsed, float(self._work is not None), len(self._waiting))
            self._changed_s = now

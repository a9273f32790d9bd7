"""A language model server with continuous batching.

One engine works in steps. At every step's end finished sequences leave, waiting ones join while
there is room (their prompts are read in one prefill step, which also gives their first token), and
then all running sequences get one token each in a decode step. Between two changes of the batch all
decode steps last equally long, so they are simulated as one event, a *jump*: the same times as step
by step, one to two orders of magnitude fewer events.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, Literal

from simpy import Environment

from simulator.measures import StationMeasures
from simulator.station import Processor, Work
from simulator.step_times import StepTimes

Ending = Literal["finished", "expired"]
Ended = Callable[["Sequence", Ending], None]


class Sequence:
    """One prompt and its answer. Times are the simulation's clock, seconds."""

    __slots__ = (
        "arrived_s", "cancelled", "ended", "first_token_s", "prompt_tokens", "remaining", "token",
    )  # fmt: skip

    def __init__(
        self, prompt_tokens: int, answer_tokens: int, ended: Ended, token: Any, now: float
    ) -> None:
        self.prompt_tokens = prompt_tokens
        self.remaining = answer_tokens
        self.ended = ended
        self.token = token
        self.arrived_s = now
        self.first_token_s = float("nan")
        self.cancelled = False


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
    """

    def __init__(
        self, env: Environment, processor: Processor, steps: StepTimes, *, max_batch: int,
        max_queue: int, queue_timeout_s: float, name: str,
    ) -> None:  # fmt: skip
        self.name = name
        self.measures = StationMeasures(env.now)
        self.arrived = self.refused = self.expired = self.cancelled = self.finished = 0
        self._env = env
        self._processor = processor
        self._steps = steps
        self._max_batch = max_batch
        self._max_queue = max_queue
        self._queue_timeout_s = queue_timeout_s
        self._waiting: deque[Sequence] = deque()
        self._running: list[Sequence] = []
        self._newcomers: list[Sequence] = []
        self._work: Work | None = None
        self._step_s = 0.0
        self._jump_steps = 0
        self._changed_s = env.now

    def submit(
        self, prompt_tokens: int, answer_tokens: int, ended: Ended, token: Any = None
    ) -> Sequence | None:
        """Ask for an answer; None when refused, else ``ended`` follows unless cancelled."""
        self._advance()
        self.arrived += 1
        free = self._max_batch - len(self._running) - len(self._newcomers)
        if len(self._waiting) >= self._max_queue + max(free, 0):
            self.refused += 1
            return None
        sequence = Sequence(prompt_tokens, answer_tokens, ended, token, self._env.now)
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
        self._running = [sequence for sequence in self._running if not sequence.cancelled]
        self._expire()
        now = self._env.now
        while self._waiting and len(self._running) + len(self._newcomers) < self._max_batch:
            sequence = self._waiting.popleft()
            self.measures.add_customer(now - sequence.arrived_s)
            self._newcomers.append(sequence)
        if self._newcomers:
            tokens = sum(sequence.prompt_tokens for sequence in self._newcomers)
            self._work = self._processor.start(self._steps.prefill_s(tokens), self._prefilled)
        elif self._running:
            self._jump()

    def _prefilled(self, _token: Any) -> None:
        self._advance()
        now = self._env.now
        joined, self._newcomers = self._newcomers, []
        for sequence in joined:
            sequence.first_token_s = now
            sequence.remaining -= 1
        self._running += joined
        self._leave()

    def _jump(self) -> None:
        self._step_s = self._steps.decode_s(len(self._running))
        self._jump_steps = min(sequence.remaining for sequence in self._running)
        self._work = self._processor.start(self._step_s * self._jump_steps, self._jumped)
        if self._waiting:
            left_s = self._waiting[0].arrived_s + self._queue_timeout_s - self._env.now
            self._end_jump_after(left_s)

    def _end_jump_after(self, delay_s: float) -> None:
        """End the jump with the first step that ends more than ``delay_s`` from now."""
        if self._work is None:
            return
        attained_s = self._processor.attained_s(self._work)
        steps = int((attained_s + delay_s) / self._step_s) + 1
        if steps < self._jump_steps:
            self._jump_steps = steps
            self._processor.shorten(self._work, self._step_s * steps)

    def _jumped(self, _token: Any) -> None:
        self._advance()
        for sequence in self._running:
            sequence.remaining -= self._jump_steps
        self._leave()

    def _leave(self) -> None:
        done = [sequence for sequence in self._running if sequence.remaining <= 0]
        self._running = [sequence for sequence in self._running if sequence.remaining > 0]
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

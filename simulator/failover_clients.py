"""What the clients see of a failover: who tries when, and who succeeds first."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from simpy import Environment

from architecture.design import Design
from architecture.workload import Demand, RequestName
from simulator.events import Fired
from simulator.failover import Recovery
from simulator.failover_attempts import served_s
from simulator.failover_terms import Terms
from simulator.journey_chain import repeated_steps, transitions, visits
from simulator.language_model import LanguageModelServer
from simulator.station import Processor
from simulator.step_times import StepTimes
from simulator.streams import FloatArray, sample

IntArray = npt.NDArray[np.int64]

OPERATIONS: dict[RequestName, str] = {"lookup": "read", "note": "write", "chat": "chat"}
# A pause in progress at the fault is drawn from so many pauses, weighted by their length.
PAUSES = 512
MOST_ROUNDS = 200


@dataclass(frozen=True)
class FirstSuccess:
    """The first success of an operation after the fault; infinite for never. Seconds.

    Attributes:
        served_s: The attempt is taken up.
        finished_s: Its answer is complete.
    """

    served_s: float
    finished_s: float


NEVER = FirstSuccess(math.inf, math.inf)


class Clients:
    """The workload's population around a fault in steady state.

    Args:
        design: Workload, client behaviour and limits.
        latency_s: Mean latency by request in normal operation: the share of clinicians that wait
            for an answer when the fault strikes follows from it.
    """

    def __init__(self, design: Design, latency_s: Mapping[str, float] | None = None) -> None:
        self._design = design
        self._steps = repeated_steps(design.workload)
        latency = latency_s or {}
        self._asks_s = np.array([latency.get(step.request, 0.0) for step in self._steps])
        self._thinks_s = np.array([step.think_s.mean for step in self._steps])
        chain = transitions(design.workload)
        spent = visits(chain) * (self._asks_s + self._thinks_s)
        self._present = np.cumsum(spent / spent.sum())
        self._following = np.cumsum(chain, axis=1)

    def first_successes(
        self, terms: Terms, recovery: Recovery, generator: np.random.Generator,
        steps: StepTimes | None,
    ) -> dict[str, FirstSuccess]:  # fmt: skip
        """One population through one fault: first success by operation (read, write, chat).

        Args:
            terms: The fault, resolved.
            recovery: When each part is whole again.
            generator: Source of chance.
            steps: Of the language model; None leaves the chat's own answering time out.
        """
        users = self._design.workload.users
        at = _pick(self._present, generator.random(users))
        sent = self._first_attempts(at, generator)
        own_s = np.array([self._own_time_s(step.request, generator) for step in self._steps])
        requests = {step.request for step in self._steps} & set(OPERATIONS)
        firsts = dict.fromkeys((OPERATIONS[request] for request in requests), NEVER)
        for _ in range(MOST_ROUNDS):
            if sent.min() >= max(first.served_s for first in firsts.values()):
                break
            served = sent
            for number, step in enumerate(self._steps):
                who = at == number
                if who.any():
                    mine = served_s(self._design, terms, recovery, step.request, sent[who])
                    served = np.where(who, np.inf, served)
                    served[who] = mine
                    first = self._first(step.request, mine, own_s[number], steps, generator)
                    operation = OPERATIONS.get(step.request)
                    if operation and first.served_s < firsts[operation].served_s:
                        firsts[operation] = first
            finished = served + own_s[at]
            at = _pick(self._following[at], generator.random(users))
            sent = finished + self._pauses(at, generator)
        return firsts

    def _first(
        self, request: RequestName, served: FloatArray, own_s: float, steps: StepTimes | None,
        generator: np.random.Generator,
    ) -> FirstSuccess:  # fmt: skip
        times = np.sort(served[np.isfinite(served)])
        if not len(times):
            return NEVER
        begun_s = float(times[0])
        demand = self._design.workload.demands[request]
        if steps is not None and demand.prompt_tokens is not None:
            own_s += first_answer_s(self._design, demand, steps, times, generator)
        return FirstSuccess(begun_s, begun_s + own_s)

    def _own_time_s(self, request: RequestName, generator: np.random.Generator) -> float:
        demand = self._design.workload.demands[request]
        api_s = sample(demand.cpu_s, generator, 1)[0]
        return float(api_s + sample(demand.database_s, generator, 1)[0])

    def _first_attempts(self, at: IntArray, generator: np.random.Generator) -> FloatArray:
        """When each clinician sends: negative for a request under way at the fault."""
        sent = np.empty(len(at))
        for number, step in enumerate(self._steps):
            who = np.flatnonzero(at == number)
            asks_s, thinks_s = self._asks_s[number], self._thinks_s[number]
            asking = generator.random(len(who)) * (thinks_s + asks_s) < asks_s
            pauses = sample(step.think_s, generator, PAUSES)
            left = np.zeros(len(who))
            if pauses.sum() > 0:
                left = generator.choice(pauses, len(who), p=pauses / pauses.sum())
            shares = generator.random(len(who))
            sent[who] = np.where(asking, -asks_s * shares, left * shares)
        return sent

    def _pauses(self, at: IntArray, generator: np.random.Generator) -> FloatArray:
        pauses = np.empty(len(at))
        for number, step in enumerate(self._steps):
            who = np.flatnonzero(at == number)
            pauses[who] = sample(step.think_s, generator, len(who))
        return pauses


def _pick(cumulated: FloatArray, drawn: FloatArray) -> IntArray:
    """States by cumulated probability, of shape (states,) or a row for each draw."""
    picked: IntArray = (cumulated <= drawn[:, None]).sum(axis=1)
    at: IntArray = np.minimum(picked, cumulated.shape[-1] - 1)
    return at


def first_answer_s(
    design: Design, demand: Demand, steps: StepTimes, arrivals_s: FloatArray,
    generator: np.random.Generator,
) -> float:  # fmt: skip
    """Seconds from the first chat's arrival until the first answer is complete.

    Those who come with it share the batch, so they are simulated with it.
    """
    if demand.prompt_tokens is None or demand.answer_tokens is None:
        return 0.0
    env = Environment()
    limits = design.inference
    server = LanguageModelServer(
        env, Processor(env, 1, "device"), steps, max_batch=limits.max_batch,
        max_queue=limits.max_queue, queue_timeout_s=limits.queue_timeout_s, name="inference",
    )  # fmt: skip
    first = env.event()

    def ended(_sequence: Any, _how: str) -> None:
        if not first.triggered:
            first.succeed(env.now)

    def arrive(event: Fired) -> None:
        prompt, answer = event.value
        server.submit(prompt, answer, ended)

    arrivals = arrivals_s[np.isfinite(arrivals_s)][: limits.max_batch + limits.max_queue]
    prompts = sample(demand.prompt_tokens, generator, len(arrivals))
    answers = sample(demand.answer_tokens, generator, len(arrivals))
    for after_s, prompt, answer in zip(arrivals - arrivals[0], prompts, answers, strict=True):
        tokens = (
            min(max(round(float(prompt)), 1), limits.max_prompt_tokens),
            min(max(round(float(answer)), 1), limits.max_answer_tokens),
        )
        env.timeout(float(after_s), tokens).callbacks.append(arrive)
    env.run(until=first)
    return float(env.now)

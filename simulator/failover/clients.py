"""What the clients see of a failover: who tries when, and who succeeds for good."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from simpy import Environment

from architecture.design import Design
from architecture.workload import Demand, RequestName
from simulator.events import Fired
from simulator.failover.attempts import Tried, never_served, until_served
from simulator.failover.parts import mean_pause_s
from simulator.failover.recovery import Recovery
from simulator.failover.terms import Terms
from simulator.failover.ways import Ways
from simulator.journey_chain import repeated_steps, transitions, visits
from simulator.language_model import LanguageModelServer
from simulator.stations.processor import Processor
from simulator.step_times import StepTimes
from simulator.streams import FloatArray, sample

IntArray = npt.NDArray[np.int64]

OPERATIONS: dict[RequestName, str] = {"lookup": "read", "note": "write", "chat": "chat"}
# A pause in progress at the fault is drawn from so many pauses, weighted by their length.
PAUSES = 512
MOST_ROUNDS = 400
# An operation is back with the first success that no failure follows for so long: the definition
# by which experiments are measured (chaos.measures).
SUSTAIN_S = 10.0


@dataclass(frozen=True)
class FirstSuccess:
    """The first success of an operation that lasts; infinite for never. Seconds after the fault.

    Attributes:
        served_s: The attempt is taken up.
        finished_s: Its answer is complete.
    """

    served_s: float
    finished_s: float


NEVER = FirstSuccess(math.inf, math.inf)


@dataclass
class _Seen:
    """All attempts of one operation so far."""

    served: list[FloatArray] = field(default_factory=list)
    sent: list[FloatArray] = field(default_factory=list)
    failures: list[FloatArray] = field(default_factory=list)

    def note(self, tried: Tried) -> None:
        self.served.append(tried.served)
        self.sent.append(tried.sent)
        self.failures.extend(tried.failures)

    def lasting(self, own_s: float) -> FloatArray:
        """When attempts sent after the fault were taken up that no failure follows; sorted."""
        served, sent = np.concatenate(self.served), np.concatenate(self.sent)
        good = np.sort(served[np.isfinite(served) & (sent >= 0)])
        failures = np.sort(np.concatenate(self.failures))
        nexts = np.searchsorted(failures, good + own_s, side="right")
        following = np.append(failures, math.inf)[nexts]
        lasting: FloatArray = good[following > good + own_s + SUSTAIN_S]
        return lasting


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
        """One population through one fault: first lasting success by operation.

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
        ways = Ways(self._design, terms, recovery, users)
        client, limits = self._design.workload.client, self._design.api
        # Whoever is never served gives up after so many attempts, and goes on to the next step.
        patience_s = client.attempts * (client.retry_backoff_s + limits.request_timeout_s)
        seen = {
            step.request: (number, _Seen())
            for number, step in enumerate(self._steps)
            if step.request in OPERATIONS
        }
        hopeful = {
            request: found for request, found in seen.items()
            if not never_served(self._design, terms, recovery, request)
        }  # fmt: skip
        for _ in range(MOST_ROUNDS):
            served = np.full(users, math.inf)
            for number, step in enumerate(self._steps):
                who = np.flatnonzero(at == number)
                if len(who):
                    tried = until_served(
                        self._design, terms, recovery, step.request, sent[who],
                        pauses=lambda size, failed: self._retry_pauses(size, failed, generator),
                        ways=ways, who=who,
                    )  # fmt: skip
                    served[who] = tried.served
                    if step.request in seen:
                        seen[step.request][1].note(tried)
            finished = np.where(np.isfinite(served), served, sent + patience_s) + own_s[at]
            at = _pick(self._following[at], generator.random(users))
            sent = finished + self._pauses(at, generator)
            if sent.min() > self._settled_s(hopeful, own_s):
                break
        return {
            OPERATIONS[request]: self._first(request, history, own_s[number], steps, generator)
            for request, (number, history) in seen.items()
        }

    def _settled_s(self, seen: Mapping[RequestName, tuple[int, _Seen]], own_s: FloatArray) -> float:
        """When attempts can't change what is known any more; infinite before all are seen."""
        ends = []
        for number, history in seen.values():
            times = history.lasting(own_s[number]) if history.served else np.empty(0)
            ends.append(float(times[0]) if len(times) else math.inf)
        return max(ends, default=0.0) + SUSTAIN_S + float(own_s.max(initial=0.0))

    def _first(
        self, request: RequestName, history: _Seen, own_s: float, steps: StepTimes | None,
        generator: np.random.Generator,
    ) -> FirstSuccess:  # fmt: skip
        times = history.lasting(own_s) if history.served else np.empty(0)
        if not len(times):
            return NEVER
        begun_s = float(times[0])
        demand = self._design.workload.demands[request]
        if steps is not None and demand.prompt_tokens is not None:
            own_s += first_answer_s(self._design, demand, steps, times, generator)
        return FirstSuccess(begun_s, begun_s + own_s)

    def _retry_pauses(self, size: int, failed: int, generator: np.random.Generator) -> FloatArray:
        client = self._design.workload.client
        mean_s = mean_pause_s(client, failed)
        spread = client.retry_jitter
        return mean_s * generator.uniform(1 - spread, 1 + spread, size)

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

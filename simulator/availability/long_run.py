"""Many years of a plant, simulated: every unit lives, fails and is mended; the plant reacts.

Written as long-lived SimPy processes, to be read and extended. What costs time, the reactions, is
looked up: each state met is numbered once, and what follows from each event in it is kept.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from simpy import Environment, Event, Resource

from simulator.availability.lives import variate
from simulator.availability.plant import Level, Numbers, Plant, State
from simulator.streams import Streams, Variate

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

Steps = Generator[Event, object, None]
Targets = tuple[tuple[float, int], ...]

NO_UNIT = -1


@dataclass(frozen=True)
class Journal:
    """What happened: the state from each moment on.

    Attributes:
        horizon_h: Length of the simulated time.
        times_h: When a state began; the first is 0.
        states: Its number in ``levels`` and ``phases``.
        failing: The unit whose failure led to it; :data:`NO_UNIT` for a repair or a phase's end.
    """

    horizon_h: float
    times_h: FloatArray
    states: IntArray
    failing: IntArray
    levels: tuple[Level, ...]
    phases: tuple[str, ...]

    @property
    def spans_h(self) -> FloatArray:
        """How long each state lasted."""
        return np.diff(self.times_h, append=self.horizon_h)


class Machine:
    """A plant's reactions by number, found out when first needed and kept.

    It may serve many simulations with the same probabilities.
    """

    def __init__(self, plant: Plant, numbers: Numbers) -> None:
        self.plant = plant
        self._numbers = numbers
        self._numbering: dict[State, int] = {}
        self.states: list[State] = []
        self.timers: list[str] = []
        self.dormant: list[frozenset[int]] = []
        self.failed: list[dict[int, Targets]] = []
        self.mended: list[dict[int, Targets]] = []
        self.elapsed: list[Targets | None] = []
        self.start = self.number(plant.start())

    def number(self, state: State) -> int:
        """The number of a state."""
        known = self._numbering.get(state)
        if known is not None:
            return known
        number = self._numbering[state] = len(self.states)
        self.states.append(state)
        self.timers.append(self.plant.timer(state))
        self.dormant.append(self.plant.dormant(state))
        self.failed.append({})
        self.mended.append({})
        self.elapsed.append(None)
        return number

    def after_failure(self, number: int, unit: int) -> Targets:
        """Cumulated probabilities and states that may follow a failure."""
        known = self.failed[number].get(unit)
        if known is None:
            known = self._targets(self.plant.failed(self.states[number], unit))
            self.failed[number][unit] = known
        return known

    def after_repair(self, number: int, unit: int) -> Targets:
        """The same of a repair."""
        known = self.mended[number].get(unit)
        if known is None:
            known = self._targets(self.plant.mended(self.states[number], unit))
            self.mended[number][unit] = known
        return known

    def after_phase(self, number: int) -> Targets:
        """The same of a phase that ended by itself."""
        known = self.elapsed[number]
        if known is None:
            known = self._targets(self.plant.elapsed(self.states[number]))
            self.elapsed[number] = known
        return known

    def _targets(self, branches: tuple[tuple[str, State], ...]) -> Targets:
        total, found = 0.0, []
        for name, state in branches:
            total += self._numbers.probability(name)
            found.append((total, self.number(state)))
        return tuple(found)


class World:
    """One simulated horizon: the present state, its phase's timer, and the journal."""

    def __init__(self, env: Environment, machine: Machine, numbers: Numbers, streams: Streams):
        self.env = env
        self.machine = machine
        self.state = machine.start
        self.times: list[float] = [0.0]
        self.states: list[int] = [machine.start]
        self.failing: list[int] = [NO_UNIT]
        self._numbers = numbers
        self._streams = streams
        self._dice: dict[int, Variate] = {}
        self._phases: dict[str, Variate] = {}
        self._timer = ""
        self._alarm = 0  # the number of the timer that counts; an older one is deaf
        self._awake = env.event()

    def fail(self, unit: int) -> None:
        """``unit`` fails now."""
        targets = self.machine.after_failure(self.state, unit)
        self._enter(self._choose(targets, unit), unit)

    def mend(self, unit: int) -> None:
        """``unit`` works again now."""
        self._enter(self._choose(self.machine.after_repair(self.state, unit), unit), NO_UNIT)

    def can_fail(self, unit: int) -> bool:
        """Whether the unit is at work: a cold standby is not."""
        return unit not in self.machine.dormant[self.state]

    def change(self) -> Event:
        """The event of the next change of state."""
        return self._awake

    def journal(self, horizon_h: float) -> Journal:
        """What was noted."""
        plant, states = self.machine.plant, self.machine.states
        return Journal(
            horizon_h=horizon_h,
            times_h=np.array(self.times),
            states=np.array(self.states, dtype=np.int64),
            failing=np.array(self.failing, dtype=np.int64),
            levels=tuple(plant.level(state) for state in states),
            phases=tuple(state.phase for state in states),
        )

    def _choose(self, targets: Targets, unit: int) -> int:
        if len(targets) == 1:
            return targets[0][1]
        dice = self._dice.get(unit)
        if dice is None:
            name = "phase" if unit == NO_UNIT else self.machine.plant.units[unit].name
            dice = self._dice[unit] = self._streams.uniform(f"availability.{name}.chance")
        chance = dice()
        return next((number for total, number in targets if chance < total), targets[-1][1])

    def _enter(self, number: int, failing: int, *, afresh: bool = False) -> None:
        if number != self.state:
            self.state = number
            self.times.append(self.env.now)
            self.states.append(number)
            self.failing.append(failing)
            if self._awake.callbacks:
                awake, self._awake = self._awake, self.env.event()
                awake.succeed()
        timer = self.machine.timers[number]
        if timer != self._timer or afresh:
            self._timer = timer
            self._alarm += 1
            if timer:
                self._set(timer, self._alarm)

    def _set(self, timer: str, alarm: int) -> None:
        lasts = self._phases.get(timer)
        if lasts is None:
            drawn = self._numbers.timers[timer]
            lasts = self._phases[timer] = variate(drawn, self._streams, f"availability.{timer}")
        timeout = self.env.timeout(lasts())
        timeout.callbacks.append(lambda _event: self._ring(alarm))

    def _ring(self, alarm: int) -> None:
        if alarm == self._alarm:
            targets = self.machine.after_phase(self.state)
            self._enter(self._choose(targets, NO_UNIT), NO_UNIT, afresh=True)


def unit_life(world: World, unit: int, up: Variate, repair: Variate) -> Steps:
    """A unit's whole life."""
    timeout, fail, mend = world.env.timeout, world.fail, world.mend
    while True:
        yield timeout(up())
        fail(unit)
        yield timeout(repair())
        mend(unit)


def queueing_life(world: World, unit: int, up: Variate, repair: Variate, crews: Resource) -> Steps:
    """A unit that waits for one of few repair crews, first come, first served."""
    env = world.env
    while True:
        yield env.timeout(up())
        world.fail(unit)
        with crews.request() as crew:
            yield crew
            yield env.timeout(repair())
        world.mend(unit)


def standby_life(world: World, unit: int, up: Variate, repair: Variate) -> Steps:
    """A unit that does not age while it waits as a cold standby."""
    env = world.env
    while True:
        left_h = up()
        while left_h > 0:
            while not world.can_fail(unit):
                yield world.change()
            begun, ages = env.now, env.timeout(left_h)
            while world.can_fail(unit) and not ages.processed:
                yield ages | world.change()
            left_h = 0.0 if ages.processed else left_h - (env.now - begun)
        world.fail(unit)
        yield env.timeout(repair())
        world.mend(unit)


def simulate_plant(
    plant: Plant, numbers: Numbers, *, horizon_h: float, streams: Streams,
    machine: Machine | None = None,
) -> Journal:  # fmt: skip
    """Simulate one horizon, from everything well.

    Args:
        plant: What is simulated.
        numbers: Its figures.
        horizon_h: How long.
        streams: Randomness; each unit has streams of its own name.
        machine: Of the same plant and probabilities, to spare finding the reactions out again.

    Raises:
        ValueError: for a plant with both a cold standby at the start and few crews.
    """
    env = Environment()
    world = World(env, machine or Machine(plant, numbers), numbers, streams)
    crews = None if plant.crews is None else Resource(env, plant.crews)
    cold = bool(plant.dormant(plant.start()))
    if cold and crews is not None:
        raise ValueError("a cold standby and a limited number of crews are not simulated together")
    for index, unit in enumerate(plant.units):
        up = variate(numbers.failure[index], streams, f"availability.{unit.name}.failure")
        repair = variate(numbers.repair[index], streams, f"availability.{unit.name}.repair")
        if crews is not None:
            env.process(queueing_life(world, index, up, repair, crews))
        elif cold:
            env.process(standby_life(world, index, up, repair))
        else:
            env.process(unit_life(world, index, up, repair))
    env.run(until=horizon_h)
    return world.journal(horizon_h)

"""A design as a plant: what a failure starts, how each phase ends, and what clinicians have in it.

Phases:

- ``failover`` and its kin (:data:`SEAT_FAULTS`): the standby takes over by itself, or the crashed
  process is back; ``by-hand``: it did not, and somebody makes it. What was lost may return first;
- ``balancer``, ``balancer-by-hand``: the same of the shared address;
- ``stall``: writes wait until the lost standby is no longer waited for;
- ``quorum``: etcd has no majority and somebody is called; ``mended``: it was made whole by hand;
- ``takeover``, ``takeover-by-hand``: both nodes are lost and the cloud is being promoted;
  ``emergency``: it serves, until the nodes are whole and an operator leads back: ``return``.

Assumptions, each visible in one line below: a failure of an inference or speech server does not
move the service (health checks are shallow); the database's primary is on the seat that serves;
without power nobody on the premises has a network, so the cloud is not called; the emergency is
reached over the hospital's WiFi and WAN.
"""

from __future__ import annotations

from simulator.availability.functions import WRITES
from simulator.availability.plant import DOWN, SURE, UP, Branch, Level, State, Unit
from simulator.availability.structure import SEAT_FAULTS, Structure

SEAT_PHASES = frozenset({*SEAT_FAULTS, "by-hand"})
BALANCER_PHASES = frozenset({"balancer", "balancer-by-hand"})
CLOUD_PHASES = frozenset({"takeover", "takeover-by-hand", "emergency"})


class Hospital:
    """The plant of one design."""

    crews: int | None = None

    def __init__(self, structure: Structure) -> None:
        self.structure = structure
        self._units = tuple(part.unit for part in structure.parts)

    @property
    def units(self) -> tuple[Unit, ...]:
        """Every unit of the design, in the order of its structure's parts."""
        return self._units

    def start(self) -> State:
        return State(frozenset())

    def dormant(self, state: State) -> frozenset[int]:  # noqa: ARG002
        return frozenset()

    def failed(self, state: State, unit: int) -> tuple[Branch, ...]:
        down = state.down | {unit}
        structure = self.structure
        if state.phase in CLOUD_PHASES or structure.dark(down):
            return _stay(state, down)
        if not self._holds(down, state):
            return self._seat_lost(state._replace(down=down), unit)
        if structure.balancer(down) != structure.balancer(state.down):
            return self._balancer_lost(state._replace(down=down))
        stalls = self._waits_for_standby() and structure.copies(down) < structure.copies(state.down)
        if state.phase == "" and stalls:
            return ((SURE, state._replace(down=down, phase="stall")),)
        return _stay(state, down)

    def mended(self, state: State, unit: int) -> tuple[Branch, ...]:
        was, down = state.down, state.down - {unit}
        state = state._replace(down=down)
        structure = self.structure
        if structure.dark(was) and not structure.dark(down) and state.phase not in CLOUD_PHASES:
            return self._settled(self._seated(state))
        if structure.dark(down) or state.phase in {"emergency", "return"}:
            return ((SURE, state),)
        if state.phase == "stall":
            again = structure.copies(down) > structure.copies(was)
            return ((SURE, state._replace(phase="" if again else "stall")),)
        if state.phase == "mended":
            return ((SURE, state._replace(phase="" if structure.quorum(down) else "mended")),)
        if state.phase in BALANCER_PHASES:
            back = structure.balancer(down) == next(iter(structure.balancers), "")
            return ((SURE, state._replace(phase="" if back else state.phase)),)
        return ((SURE, self._seated(state)),)

    def _seated(self, state: State) -> State:
        """Back to normal when a seat can serve; a phase under way goes on when none can."""
        if self._able(state.down, state.active):
            return state._replace(phase="")
        other = self._other(state.down, state.active)
        if other is not None and state.phase not in SEAT_PHASES:
            return state._replace(phase="", active=other)
        return state

    def timer(self, state: State) -> str:
        if state.phase == "emergency":
            able = any(self._able(state.down, seat) for seat in range(len(self.structure.seats)))
            return "return-decision" if able and not self.structure.dark(state.down) else ""
        return "" if state.phase == "mended" else state.phase

    def elapsed(self, state: State) -> tuple[Branch, ...]:
        done = state._replace(phase="")
        if state.phase in SEAT_PHASES:
            other = self._other(state.down, state.active)
            return self._settled(done if other is None else done._replace(active=other))
        match state.phase:
            case "quorum":
                return ((SURE, self._best(state._replace(phase="mended"), by_hand=True)),)
            case "takeover" | "takeover-by-hand":
                return ((SURE, state._replace(phase="emergency")),)
            case "emergency":
                return ((SURE, self._best(state._replace(phase="return"))),)
            case _:
                return self._settled(done)

    def level(self, state: State) -> Level:
        structure = self.structure
        if not structure.network(state.down):
            return DOWN
        if state.phase == "emergency":
            return self._emergency() if structure.cloud(state.down) else DOWN
        out = SEAT_PHASES | BALANCER_PHASES | CLOUD_PHASES | {"return"}
        if state.phase in out or not structure.balancer(state.down):
            return DOWN
        served = structure.serves(state.down, state.active, by_hand=state.phase == "mended")
        if state.phase == "stall":
            served -= WRITES
        return self._serving(served)

    def _serving(self, served: frozenset[str]) -> Level:
        if served == self.structure.names:
            return UP
        demand = self.structure.functions.demand
        return Level(
            full=False,
            answering="read" in served,
            capacity=len(served) / len(self.structure.names),
            requests=sum(share for name, share in demand.items() if name in served),
        )

    def _emergency(self) -> Level:
        emergency = self.structure.design.emergency
        if emergency is None:
            return DOWN
        users = min(1.0, emergency.users / self.structure.design.workload.users)
        return Level(
            full=False,
            answering=True,
            capacity=users * emergency.functions_share,
            requests=users * self.structure.functions.emergency_demand,
        )

    def _waits_for_standby(self) -> bool:
        return self.structure.design.database.replication == "synchronous"

    def _able(self, down: frozenset[int], seat: int) -> bool:
        """Whether a seat could serve look-ups, with a balancer before it."""
        return (
            "read" in self.structure.serves(down, seat, by_hand=False)
            and self.structure.balancer(down) != ""
        )

    def _holds(self, down: frozenset[int], state: State) -> bool:
        """Whether the active seat has what failing over would look for."""
        by_hand = state.phase == "mended"
        return "read" in self.structure.serves(down, state.active, by_hand=by_hand)

    def _other(self, down: frozenset[int], active: int) -> int | None:
        seats = range(len(self.structure.seats))
        found = (seat for seat in seats if seat != active)
        able = (
            seat for seat in found if "read" in self.structure.serves(down, seat, by_hand=False)
        )
        return next(able, None)

    def _best(self, state: State, *, by_hand: bool = False) -> State:
        """The first seat, from the active one on, that can serve."""
        seats = sorted(range(len(self.structure.seats)), key=lambda seat: seat != state.active)
        able = (s for s in seats if "read" in self.structure.serves(state.down, s, by_hand=by_hand))
        return state._replace(active=next(able, state.active))

    def _settled(self, state: State) -> tuple[Branch, ...]:
        """What follows when a phase has ended but something may still be lost."""
        if self.structure.dark(state.down):
            return ((SURE, state),)
        if not self._holds(state.down, state):
            return self._seat_lost(state, None)
        return ((SURE, state),)

    def _seat_lost(self, state: State, unit: int | None) -> tuple[Branch, ...]:
        """The active seat serves no more: the standby, a hand, or the cloud."""
        structure, down = self.structure, state.down
        if self._other(down, state.active) is not None:
            if state.phase in SEAT_PHASES:
                return ((SURE, state),)
            name = "failover" if unit is None else structure.parts[unit].failover
            return (
                ("nodes.covered", state._replace(phase=name)),
                ("nodes.uncovered", state._replace(phase="by-hand")),
            )
        seats = range(len(structure.seats))
        if not structure.quorum(down) and any(structure.machines(seat, down) for seat in seats):
            return ((SURE, state._replace(phase="quorum")),)
        return self._call_the_cloud(state._replace(phase=""))

    def _balancer_lost(self, state: State) -> tuple[Branch, ...]:
        if state.phase in SEAT_PHASES or state.phase in BALANCER_PHASES:
            return ((SURE, state),)
        if self.structure.balancer(state.down) == "":
            return self._call_the_cloud(state)
        return (
            ("balancers.covered", state._replace(phase="balancer")),
            ("balancers.uncovered", state._replace(phase="balancer-by-hand")),
        )

    def _call_the_cloud(self, state: State) -> tuple[Branch, ...]:
        if not self.structure.emergency:
            return ((SURE, state),)
        return (
            ("emergency.covered", state._replace(phase="takeover")),
            ("emergency.uncovered", state._replace(phase="takeover-by-hand")),
        )


def _stay(state: State, down: frozenset[int]) -> tuple[Branch, ...]:
    return ((SURE, state._replace(down=down)),)

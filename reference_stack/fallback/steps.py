"""The steps of each procedure. Each is tried again and again until it says that it is done.

A step looks first and acts only on what it sees, so that it may be repeated from its beginning
after a crash at any point.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from reference_stack.fallback.state import State
from reference_stack.fallback.world import World


@dataclass(frozen=True)
class Done:
    """The step's effect is there."""

    detail: Mapping[str, Any]


@dataclass(frozen=True)
class NotYet:
    """What is still missing, in words."""

    missing: str


Outcome = Done | NotYet
Step = Callable[[World, State], Outcome]

NOTHING = Done({})


def fence(world: World, state: State) -> Outcome:
    """No node of the hospital may run when the cloud becomes primary."""
    if not world.edge_reachable():
        if state.site_lost:
            return Done({"fenced": False})
        return NotYet("no edge site can be reached, so no fence can be trusted")
    alive = [node for node in state.nodes if not world.cut_power(node)]
    if alive and not state.site_lost:
        return NotYet(f"the power of {', '.join(alive)} could not be cut")
    return Done({"fenced": not alive})


def mark(world: World, _state: State) -> Outcome:
    """Note where the cloud's copy ends, before anything new is written to it."""
    found = world.cloud_mark()
    if found is None:
        return NotYet("the cloud's Patroni does not answer")
    return Done(found)


def promote(world: World, _state: State) -> Outcome:
    """The cloud becomes primary."""
    if not world.cloud_primary():
        world.tell_cloud_to_lead()
    if not world.cloud_primary():
        return NotYet("the cloud's database is no primary yet")
    world.hasten_balancers(None)
    return NOTHING


def await_nodes(world: World, state: State) -> Outcome:
    """Enough nodes and the hospital's consensus are back."""
    back = world.waiting()
    if len(back) < state.required:
        return NotYet(
            f"{state.required} nodes are to be back, there are: {', '.join(sorted(back)) or 'none'}"
        )
    return NOTHING if world.hospital_quorum() else NotYet("the hospital's etcd has no quorum")


def salvage(world: World, state: State) -> Outcome:
    """What the nodes that are back alone may hold has been brought to the cloud."""
    missing = sorted(world.waiting() & state.unsalvaged)
    salvaged = set(state.nodes) - state.unsalvaged
    if missing or len(salvaged) < state.required:
        names = ", ".join(missing) or "more nodes"
        return NotYet(f"what only the hospital held is being brought over: {names}")
    return NOTHING


def configure(world: World, _state: State) -> Outcome:
    """The hospital's consensus says to follow the cloud, before a Patroni reads it."""
    if not world.cloud_keeps_wal():
        return NotYet("the cloud keeps no WAL for the hospital yet")
    if not world.hospital_follows_cloud():
        world.tell_hospital_to_follow()
    done = world.hospital_follows_cloud()
    return NOTHING if done else NotYet("the hospital's etcd did not take the order to follow")


def release(world: World, _state: State) -> Outcome:
    """From here on gates let Patroni start; the order to follow must be there."""
    done = world.hospital_follows_cloud()
    return NOTHING if done else NotYet("the hospital's etcd holds no order to follow the cloud")


def rejoin(world: World, state: State) -> Outcome:
    """Enough nodes follow the cloud closely."""
    streaming = world.hospital_streaming()
    if len(streaming) >= state.required:
        return Done({"streaming": sorted(streaming)})
    return NotYet(f"nodes that follow the cloud: {', '.join(sorted(streaming)) or 'none'}")


def demote(world: World, state: State) -> Outcome:
    """The cloud stops being primary; from here until the hospital leads nobody can write."""
    if world.cloud_primary():
        world.tell_cloud_to_follow(dict(state.mark["standby_cluster"]))
    end = world.cloud_position()
    return NotYet("the cloud is still primary") if end is None else Done({"cloud_position": end})


def compare(world: World, _state: State) -> Outcome:
    """The hospital has all that the cloud ever wrote."""
    cloud, hospital = world.cloud_position(), world.hospital_position()
    if cloud is None or hospital is None:
        return NotYet("a position is not known")
    if hospital < cloud:
        return NotYet(f"the hospital lacks {cloud - hospital} bytes of WAL")
    return Done({"cloud_position": cloud, "hospital_position": hospital})


def promote_hospital(world: World, _state: State) -> Outcome:
    """A node of the hospital becomes primary."""
    primaries = world.hospital_primaries()
    if not primaries:
        world.tell_hospital_to_lead()
        primaries = world.hospital_primaries()
    if not primaries:
        return NotYet("no node of the hospital is primary yet")
    primary = min(primaries)
    world.hasten_balancers(primary)
    return Done({"primary": primary})


def verify(world: World, _state: State) -> Outcome:
    """The cloud follows the hospital again, ready for the next emergency."""
    done = world.cloud_follows_hospital()
    return NOTHING if done else NotYet("the cloud does not stream from the hospital yet")


def restore_cloud(world: World, state: State) -> Outcome:
    """The way back failed before the hospital was told to lead: the cloud leads on."""
    return promote(world, state)


ACTIONS: Mapping[str, Step] = {
    "fence": fence,
    "mark": mark,
    "promote": promote,
    "await-nodes": await_nodes,
    "salvage": salvage,
    "configure": configure,
    "release": release,
    "rejoin": rejoin,
    "demote": demote,
    "compare": compare,
    "promote-hospital": promote_hospital,
    "verify": verify,
    "restore-cloud": restore_cloud,
}

"""Who leads and what is under way, as the fold of a journal's entries.

Two procedures move the lead, a third takes a failed way back back; each is a row of idempotent
steps. An entry ``begun`` is written before a step has any effect and ``done`` after it, so that
whoever reads the journal after a crash repeats at most the step that was under way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from pydantic import Field

from architecture.values import Strict

Leader = Literal["hospital", "cloud"]
Procedure = Literal["promotion", "way-back", "rollback"]
Order = Literal["start", "wait", "salvage", "set-aside"]
Kind = Literal[
    "armed", "decided", "confirmed", "withdrawn", "begun", "done", "way-back", "cancelled",
    "rollback", "salvaged", "set-aside", "rival",
]  # fmt: skip

STEPS: Mapping[Procedure, tuple[str, ...]] = {
    "promotion": ("fence", "mark", "promote"),
    "way-back": (
        "await-nodes", "salvage", "configure", "release", "rejoin", "demote", "compare",
        "promote-hospital", "verify",
    ),
    "rollback": ("restore-cloud",),
}  # fmt: skip


class Entry(Strict):
    """One line of the journal."""

    at: str = Field(description="ISO 8601, UTC")
    kind: Kind
    step: str | None = None
    detail: dict[str, Any] = Field(default_factory=dict)


@dataclass(frozen=True)
class State:
    """What the journal says."""

    nodes: tuple[str, ...]
    armed: bool = False
    leader: Leader = "hospital"
    epoch: int = 0
    since: str | None = None
    procedure: Procedure | None = None
    done: tuple[str, ...] = ()
    begun: bool = False
    reason: str = ""
    site_lost: bool = False
    fenced: bool | None = None
    mark: Mapping[str, Any] = field(default_factory=dict)
    required: int = 0
    released: bool = False
    unsalvaged: frozenset[str] = frozenset()
    unsalvaged_before: frozenset[str] = frozenset()
    to_set_aside: frozenset[str] = frozenset()

    @property
    def step(self) -> str | None:
        """The step under way, None between procedures."""
        if self.procedure is None:
            return None
        return STEPS[self.procedure][len(self.done)]

    @property
    def phase(self) -> str:
        """In one word: a leader at rest, or the step that is under way."""
        return self.leader if self.procedure is None else f"{self.procedure}.{self.step}"

    def order(self, node: str) -> Order:
        """What the gate of a hospital's node is to do.

        What the node alone may hold is brought over as soon as the cloud leads, not only on the
        way back: the notes are missed now.
        """
        if self.procedure == "promotion":
            return "wait"
        if node in self.to_set_aside:
            return "set-aside"
        if node in self.unsalvaged:
            return "salvage"
        return "start" if self.released or self.leader == "hospital" else "wait"


_Allowed = Callable[[State, Entry], bool]
_Change = Callable[[State, Entry], State]


class JournalError(Exception):
    """An entry that can't follow those before it."""


def fold(nodes: tuple[str, ...], entries: Iterable[Entry]) -> State:
    """The state after all entries."""
    state = State(nodes)
    for entry in entries:
        state = follow(state, entry)
    return state


def follow(state: State, entry: Entry) -> State:
    """The state after one more entry.

    Raises:
        JournalError: when the entry can't be true in this state.
    """
    allowed, change = _RULES[entry.kind]
    if not allowed(state, entry):
        raise JournalError(f"'{entry.kind}' {entry.step or ''} cannot follow {state.phase}")
    return change(state, entry)


def may_decide(state: State) -> bool:
    """Whether the cloud may be told to take over.

    Also while the hospital is being promoted on the way back: if both nodes die then, nobody knows
    whether one of them had become primary, and the fence makes the question idle.
    """
    resting = state.leader == "hospital" and state.procedure is None
    committed = state.procedure == "way-back" and state.step in {"promote-hospital", "verify"}
    return state.armed and (resting or committed)


def may_roll_back(state: State) -> bool:
    """Whether the cloud can still be given the lead back on the way back."""
    return state.procedure == "way-back" and (
        state.step in {"demote", "compare"}
        or (state.step == "promote-hospital" and not state.begun)
    )


def may_cancel(state: State) -> bool:
    """Whether the way back can be given up with nothing to undo: the cloud is still primary."""
    before = STEPS["way-back"][: STEPS["way-back"].index("demote")]
    return state.procedure == "way-back" and state.step in before


def _decided(state: State, entry: Entry) -> State:
    return State(
        state.nodes, armed=True, leader="cloud", epoch=state.epoch + 1, since=entry.at,
        procedure="promotion", reason=str(entry.detail.get("reason", "")),
        site_lost=bool(entry.detail.get("site_lost")), unsalvaged=frozenset(state.nodes),
        unsalvaged_before=state.unsalvaged,
    )  # fmt: skip


def _withdrawn(state: State, entry: Entry) -> State:
    back = replace(state, leader="hospital", procedure=None, done=(), begun=False, since=entry.at)
    return replace(back, unsalvaged=state.unsalvaged_before)


def _done(state: State, entry: Entry) -> State:
    step, procedure = state.step, state.procedure
    state = replace(state, done=(*state.done, step or ""), begun=False)
    if step == "fence":
        state = replace(state, fenced=bool(entry.detail.get("fenced")))
    elif step == "mark":
        state = replace(state, mark=entry.detail)
    elif step == "release":
        state = replace(state, released=True)
    elif step == "promote-hospital":
        state = replace(state, leader="hospital", since=entry.at)
    if procedure is not None and len(state.done) == len(STEPS[procedure]):
        state = replace(state, procedure=None, done=())
    return state


def _rival(state: State, entry: Entry) -> State:
    """A primary beside the leading cloud has written since: its rows are to be brought over too."""
    node = str(entry.detail["site"])
    state = replace(state, unsalvaged=state.unsalvaged | {node}, released=False)
    return replace(state, procedure=None, done=(), begun=False)


def _site(entry: Entry) -> frozenset[str]:
    return frozenset({str(entry.detail["site"])})


def _cloud_rests(state: State) -> bool:
    return state.leader == "cloud" and state.procedure is None


_RULES: Mapping[Kind, tuple[_Allowed, _Change]] = {
    "armed": (lambda s, _: not s.armed, lambda s, _: replace(s, armed=True)),
    "decided": (lambda s, _: may_decide(s), _decided),
    "confirmed": (
        lambda s, _: s.procedure == "promotion",
        lambda s, _: replace(s, site_lost=True),
    ),
    "withdrawn": (
        lambda s, _: s.step == "fence" and not s.begun,
        _withdrawn,
    ),
    "begun": (
        lambda s, e: s.step is not None and s.step == e.step and not s.begun,
        lambda s, _: replace(s, begun=True),
    ),
    "done": (lambda s, e: s.begun and s.step == e.step, _done),
    "way-back": (
        lambda s, _: _cloud_rests(s),
        lambda s, e: replace(
            s, procedure="way-back", done=(), begun=False, required=int(e.detail["required"])
        ),
    ),
    "cancelled": (
        lambda s, _: may_cancel(s),
        lambda s, _: replace(s, procedure=None, done=(), begun=False),
    ),
    "rollback": (
        lambda s, _: may_roll_back(s),
        lambda s, _: replace(s, procedure="rollback", done=(), begun=False),
    ),
    "salvaged": (
        lambda _s, _e: True,
        lambda s, e: replace(
            s, unsalvaged=s.unsalvaged - _site(e), to_set_aside=s.to_set_aside - _site(e)
        ),
    ),
    "set-aside": (
        lambda s, e: _site(e) <= s.unsalvaged,
        lambda s, e: replace(s, to_set_aside=s.to_set_aside | _site(e)),
    ),
    "rival": (lambda s, _: _cloud_rests(s) or may_cancel(s), _rival),
}

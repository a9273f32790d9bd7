"""Which single change buys the most uptime for its money: changes as data, tried one by one."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import Field

from architecture.design import Design
from architecture.errors import InputError
from architecture.loading import design_from_tree, design_hash
from architecture.validation import validated
from architecture.values import Name, Range, Strict
from architecture.yaml_files import read_yaml
from evidence import Estimate
from evidence.estimate import sample_interval
from simulator.availability.exact import ExactModel
from simulator.availability.rates import drawn
from simulator.availability.uptime import UptimeModel
from simulator.streams import Streams

FloatArray = npt.NDArray[np.float64]
Progress = Callable[[str], None]

FILE = Path(__file__).with_name("changes.yaml")
LIFETIME_YEARS = 5.0
DRAWS = 50


class Change(Strict):
    """One change: keys of the design it sets, and its price in reais."""

    title: str
    set: dict[str, Any] = Field(min_length=1)
    only_with: tuple[str, ...] = Field(
        default=(), description="keys that the design must have, for the change to mean anything"
    )
    once_brl: Range
    once_brl_of: dict[Name, Range] = Field(
        default_factory=dict, description="another price, by the hardware of the first failing site"
    )
    yearly_brl: Range


class ChangesFile(Strict):
    """What changes.yaml holds."""

    changes: dict[Name, Change]


@cache
def known_changes() -> dict[str, Change]:
    """The changes that come with the testbed.

    Raises:
        InputError: naming file and key when the file is wrong.
    """
    return dict(validated(ChangesFile, read_yaml(FILE), where=str(FILE)).changes)


@dataclass(frozen=True)
class Bought:
    """What a change brings.

    Intervals hold 95 % of what the uncertain figures leave possible, the same draw with and
    without the change; ``n`` counts draws.

    Attributes:
        name: Of the change.
        title: In words.
        saved_min: Minutes of downtime a year (time-based).
        cost_brl: Reais a year, what is paid once shared out over five years.
        min_per_kbrl: Minutes saved a year for a thousand reais a year.
        best: Share of draws in which no other change saves more for its money.
    """

    name: str
    title: str
    saved_min: Estimate
    cost_brl: Estimate
    min_per_kbrl: Estimate
    best: float


def changed(design: Design, change: Change) -> Design | None:
    """The design with the change; None when it does not apply or is there already."""
    tree = copy.deepcopy(design.model_dump(mode="json"))
    if any(tree_value(tree, key) is None for key in change.only_with):
        return None
    for key, value in change.set.items():
        if not put(tree, key, copy.deepcopy(value)):
            return None
    try:
        made = design_from_tree(tree, where=design.name)
    except InputError:  # the design lacks what the change builds upon
        return None
    return None if design_hash(made) == design_hash(design) else made


def tree_value(tree: Any, key: str) -> Any:
    """What a dotted key holds; None when it is not there."""
    for part in key.split("."):
        tree = tree.get(part) if isinstance(tree, dict) else None
    return tree


def put(tree: Any, key: str, value: Any) -> bool:
    """Set a dotted key in place; false when its place is not there."""
    *parents, last = key.split(".")
    for part in parents:
        if not isinstance(tree, dict) or tree.get(part) is None:
            return False
        tree = tree[part]
    if not isinstance(tree, dict):
        return False
    tree[last] = value
    return True


def buy(
    design: Design, *, seed: int = 1, draws: int = DRAWS, changes: dict[str, Change] | None = None,
    progress: Progress | None = None,
) -> list[Bought]:  # fmt: skip
    """Try every change that applies, each alone; most minutes for the money first."""
    base = ExactModel(UptimeModel(design)).draws(("time_based",), seed=seed, draws=draws)
    saved: dict[str, FloatArray] = {}
    costs: dict[str, FloatArray] = {}
    offered = changes if changes is not None else known_changes()
    for name, change in offered.items():
        made = changed(design, change)
        if made is None:
            continue
        if progress is not None:
            progress(f"what if: {change.title}")
        after = ExactModel(UptimeModel(made)).draws(("time_based",), seed=seed, draws=draws)
        saved[name] = 60 * (base["time_based"] - after["time_based"])
        costs[name] = np.array([_cost(design, name, change, seed, n) for n in range(draws)])
    # A change to a part that the design lacks, or that costs it nothing, is no answer.
    saved = {name: values for name, values in saved.items() if np.any(values != 0)}
    if not saved:
        return []
    ratios = {name: saved[name] / (costs[name] / 1000) for name in saved}
    winners = np.argmax(np.stack(list(ratios.values())), axis=0)
    found = [
        Bought(
            name=name,
            title=offered[name].title,
            saved_min=sample_interval(saved[name]),
            cost_brl=sample_interval(costs[name]),
            min_per_kbrl=sample_interval(ratios[name]),
            best=float(np.mean(winners == index)),
        )
        for index, name in enumerate(saved)
    ]
    return sorted(found, key=lambda item: -item.min_per_kbrl.estimate)


def _cost(design: Design, name: str, change: Change, seed: int, number: int) -> float:
    once = change.once_brl
    for key in {key.split(".")[1] for key in change.set if key.startswith("failures.")}:
        sites = design.failing_sites(key)
        if sites:
            once = change.once_brl_of.get(design.sites[sites[0]].hardware, once)
    value = drawn(Streams(seed, number))
    yearly = value(f"changes.{name}.once", once) / LIFETIME_YEARS
    # A change that costs next to nothing is worth at least its handling.
    return max(yearly + value(f"changes.{name}.yearly", change.yearly_brl), 1.0)

"""The points of a sweep: a grid, or a Sobol sequence; and the design of each."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from math import prod
from pathlib import Path
from typing import Any

from architecture import Design, load_design
from architecture.errors import InputError
from simulator.sweep.vary import WHERE, Dimension, Levels, Span

MAX_POINTS = 10_000

Settings = Mapping[str, Any]


@dataclass(frozen=True)
class Point:
    """One setting of the varied keys and the design it makes."""

    settings: Settings
    design: Design


def grid(dimensions: Sequence[Dimension]) -> list[Settings]:
    """Every combination; the last key varies fastest.

    Raises:
        InputError: for a span, which has no number of values, or too many points.
    """
    levels = []
    for dimension in dimensions:
        if not isinstance(dimension, Levels):
            raise InputError(
                f"from {dimension.low:g} to {dimension.high:g} in which steps?",
                where=WHERE, key=dimension.key, allowed="low:high:step, or --sobol N",
            )  # fmt: skip
        levels.append(dimension)
    _check_number(prod(len(dimension.values) for dimension in levels))
    keys = [dimension.key for dimension in levels]
    combinations = product(*(dimension.values for dimension in levels))
    return [dict(zip(keys, values, strict=True)) for values in combinations]


def sobol(dimensions: Sequence[Dimension], number: int, seed: int) -> list[Settings]:
    """``number`` points of a scrambled Sobol sequence (Owen 1998): even cover of many dimensions.

    Powers of two keep its balance; any number is allowed.

    Raises:
        InputError: for no or too many points.
    """
    from scipy.stats import qmc  # noqa: PLC0415 - takes a second that nothing else here needs

    _check_number(number)
    sequence = qmc.Sobol(len(dimensions), scramble=True, rng=seed)
    shares = sequence.random_base2((number - 1).bit_length())[:number]
    return [
        {
            dimension.key: dimension.at(float(share))
            for dimension, share in zip(dimensions, row, strict=True)
        }
        for row in shares
    ]


def whole_numbers(dimensions: Sequence[Dimension], base: Design) -> tuple[Dimension, ...]:
    """Spans of keys that hold a whole number in ``base`` take whole numbers only."""
    document = base.model_dump(mode="json")
    return tuple(
        replace(dimension, whole=_is_whole(_value_at(document, dimension.key)))
        if isinstance(dimension, Span)
        else dimension
        for dimension in dimensions
    )


def points(
    name_or_path: str | Path, settings: Sequence[Settings], overrides: Sequence[str] = ()
) -> list[Point]:
    """The designs of all settings, before anything is computed.

    Args:
        name_or_path: The design that is varied.
        settings: Values by key, for each point.
        overrides: ``a.b.c=value`` items that hold for all points; the varied keys win.

    Raises:
        InputError: naming ``--vary``, key and what is allowed there, for a key or value that makes
            no design.
    """
    return [Point(chosen, _design(name_or_path, chosen, overrides)) for chosen in settings]


def _design(name_or_path: str | Path, chosen: Settings, overrides: Sequence[str]) -> Design:
    varied = [f"{key}={json.dumps(value, ensure_ascii=False)}" for key, value in chosen.items()]
    try:
        return load_design(name_or_path, [*overrides, *varied])
    except InputError as error:
        if not any(_concern(key, error.key) for key in chosen):
            raise
        message = error.message if len(chosen) == 1 else f"{error.message}; at {', '.join(varied)}"
        raise InputError(message, where=WHERE, key=error.key, allowed=error.allowed) from None


def _concern(varied: str, wrong: str) -> bool:
    """Whether one key is the other or lies within it."""
    shorter, longer = sorted((varied, wrong), key=len)
    return longer == shorter or (shorter != "" and longer.startswith(f"{shorter}."))


def _check_number(number: int) -> None:
    if not 1 <= number <= MAX_POINTS:
        raise InputError(
            f"{number} points", where=WHERE, allowed=f"1 to {MAX_POINTS}: fewer values or --sobol N"
        )


def _value_at(document: Any, key: str) -> Any:
    place = document
    for part in key.split("."):
        if isinstance(place, dict):
            place = place.get(part)
        elif isinstance(place, list) and part.isdecimal() and int(part) < len(place):
            place = place[int(part)]
        else:
            return None
    return place


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)

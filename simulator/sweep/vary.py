"""What is varied: lists, steps and spans of a design's keys, as they are written on a command line.

- ``inference.max_batch=4,8,16``: these values (any YAML: ``database.commit=on,local``);
- ``workload.users=50:400:50``: from 50 to 400 in steps of 50, both ends included;
- ``inference.queue_timeout_s=5:60``: anything in between, for Sobol points.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from architecture.errors import InputError
from architecture.yaml_files import parse_yaml

WHERE = "--vary"
FORMS = "KEY=4,8,16 or KEY=low:high:step, and with Sobol points KEY=low:high"
MAX_LEVELS = 10_000

_NUMBER = r"\s*[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?\s*"
_STEPS = re.compile(rf"({_NUMBER}):({_NUMBER}):({_NUMBER})")
_SPAN = re.compile(rf"({_NUMBER}):({_NUMBER})")


@dataclass(frozen=True)
class Levels:
    """A key and the values it takes."""

    key: str
    values: tuple[Any, ...]

    def at(self, share: float) -> Any:
        """The value at a share in [0, 1) of the list."""
        return self.values[int(share * len(self.values))]


@dataclass(frozen=True)
class Span:
    """A key and the interval it moves in; whole numbers only when ``whole``."""

    key: str
    low: float
    high: float
    whole: bool = False

    def at(self, share: float) -> int | float:
        """The value at a share in [0, 1); every whole number has the same share of it."""
        if self.whole:
            low, high = round(self.low), round(self.high)
            return low + int(share * (high - low + 1))
        return self.low + share * (self.high - self.low)


Dimension = Levels | Span


def parse_vary(items: Sequence[str]) -> tuple[Dimension, ...]:
    """Read ``KEY=…`` items.

    Raises:
        InputError: for no item, one of another form, a key given twice, steps that lead nowhere.
    """
    if not items:
        raise InputError("nothing is varied", where=WHERE, allowed=FORMS)
    dimensions = tuple(map(_parse, items))
    keys = [dimension.key for dimension in dimensions]
    for key in keys:
        if keys.count(key) > 1:
            raise InputError("is varied twice", where=WHERE, key=key)
    return dimensions


def _parse(item: str) -> Dimension:
    key, separator, text = item.partition("=")
    key = key.strip()
    if not separator or not key or not text.strip():
        raise InputError(f"{item!r} does not say what to vary", where=WHERE, allowed=FORMS)
    if steps := _STEPS.fullmatch(text):
        start, stop, step = (Decimal(part.strip()) for part in steps.groups())
        return Levels(key, _stepped(key, start, stop, step))
    if span := _SPAN.fullmatch(text):
        low, high = (float(part) for part in span.groups())
        if low >= high:
            raise InputError(f"low < high is required, got {text}", where=WHERE, key=key)
        return Span(key, low, high)
    values = parse_yaml(f"[{text}]", where=WHERE, key=key)
    if not isinstance(values, list) or not values:
        raise InputError(f"{text!r} is no list of values", where=WHERE, key=key, allowed=FORMS)
    return Levels(key, tuple(values))


def _stepped(key: str, start: Decimal, stop: Decimal, step: Decimal) -> tuple[int | float, ...]:
    """Decimal steps: 0.1 to 0.5 by 0.1 has five values, the last of them 0.5."""
    if step <= 0 or stop < start:
        raise InputError(
            f"{start}:{stop}:{step} leads nowhere", where=WHERE, key=key,
            allowed="low ≤ high and a step above 0",
        )  # fmt: skip
    count = int((stop - start) / step) + 1
    if count > MAX_LEVELS:
        raise InputError(
            f"{count} values are too many", where=WHERE, key=key, allowed=f"at most {MAX_LEVELS}"
        )
    whole = all(part == part.to_integral_value() for part in (start, step))
    values = (start + step * number for number in range(count))
    return tuple(int(value) if whole else float(value) for value in values)

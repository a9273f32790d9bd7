"""Checks a dashboard against Grafana's own published types (its Foundation SDK).

The SDK reads whatever it is given: it drops fields that it does not know and keeps values of any
kind. So what was read is compared with what was written, and each value with its declared type.
"""

from __future__ import annotations

import enum
import json
import types
import typing
from collections.abc import Iterator
from typing import Any

import pytest


def complaints(document: dict[str, Any]) -> list[str]:
    """What Grafana's types do not know of the document, or have otherwise; nothing when all fits.

    Skips the test without the SDK (a package of the development environment).
    """
    pytest.importorskip("grafana_foundation_sdk")
    from grafana_foundation_sdk.cog.plugins import register_default_plugins  # noqa: PLC0415
    from grafana_foundation_sdk.models.dashboard import Dashboard  # noqa: PLC0415

    register_default_plugins()
    return list(_unfit_document(document, Dashboard, ""))


def _unfit_document(document: dict[str, Any], declared: Any, where: str) -> Iterator[str]:
    read = declared.from_json(document)
    kept = json.loads(json.dumps(read, default=lambda model: model.to_json()))
    yield from _lost(document, kept, where)
    yield from _unfit(read, declared, where)


def _lost(written: Any, kept: Any, where: str) -> Iterator[str]:
    """Fields that were written and are not there after reading."""
    if isinstance(written, dict) and isinstance(kept, dict):
        for key, value in written.items():
            # A threshold's and an override's None is said by leaving it out.
            if key not in kept and value is not None:
                yield f"{where}.{key} is unknown"
            elif value is not None:
                yield from _lost(value, kept[key], f"{where}.{key}")
    elif isinstance(written, list) and isinstance(kept, list) and len(written) == len(kept):
        for position, (one, other) in enumerate(zip(written, kept, strict=True)):
            yield from _lost(one, other, f"{where}[{position}]")
    elif written != kept:
        yield f"{where} was {written!r} and is read as {kept!r}"


def _unfit(value: Any, declared: Any, where: str) -> Iterator[str]:
    """Values that are not of their declared type."""
    origin, arguments = typing.get_origin(declared), typing.get_args(declared)
    if declared in {Any, object}:  # the kind of panel or of query has decided
        declared = type(value)
    if origin in {typing.Union, types.UnionType}:
        found = [list(_unfit(value, one, where)) for one in arguments]
        if all(found):
            # The kind that was meant is the one whose complaint lies deepest.
            yield from max(found, key=lambda one: len(one[0].split(" is ")[0]))
    elif origin is typing.Literal:
        if value not in arguments:
            yield f"{where} is {value!r}, not one of {arguments}"
    elif origin in {list, dict}:
        if not isinstance(value, origin):
            yield f"{where} is {value!r}, no {origin.__name__}"
            return
        for key, one in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _unfit(one, arguments[-1], f"{where}[{key}]")
    else:
        yield from _unfit_plain(value, declared, where)


def _unfit_plain(value: Any, declared: Any, where: str) -> Iterator[str]:
    if isinstance(value, dict) and hasattr(declared, "from_json"):
        yield from _unfit_document(value, declared, where)  # the SDK leaves a few unread
    elif issubclass(declared, enum.Enum):
        if value not in [one.value for one in declared]:
            yield f"{where} is {value!r}, not one of {[one.value for one in declared]}"
    elif declared is float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            yield f"{where} is {value!r}, no number"
    elif not isinstance(value, declared) or (declared is int and isinstance(value, bool)):
        yield f"{where} is {value!r}, no {declared.__name__}"
    elif hasattr(value, "to_json"):
        for name, hint in typing.get_type_hints(type(value)).items():
            yield from _unfit(getattr(value, name), hint, f"{where}.{name}")

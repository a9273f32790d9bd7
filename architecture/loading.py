"""Reading designs: YAML with inheritance, overrides, and errors that name file, key and range."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from architecture.catalogue import hardware_names, model_names
from architecture.design import Design
from architecture.errors import InputError
from architecture.topology import Service
from architecture.validation import validated
from architecture.yaml_files import parse_yaml, read_yaml

DESIGNS = Path(__file__).parent / "designs"

Tree = dict[str, Any]


def design_names() -> tuple[str, ...]:
    """Names of the designs that come with the testbed."""
    return tuple(sorted(path.stem for path in DESIGNS.glob("*.yaml")))


def load_design(name_or_path: str | Path, overrides: Sequence[str] = ()) -> Design:
    """Read and validate a design.

    Args:
        name_or_path: Name of a design that comes with the testbed, or path of a YAML file. A file
            may say ``extends: NAME`` and give only what differs; mappings are merged key by key,
            everything else (lists too) is replaced, and ``null`` takes an inherited key away.
        overrides: Items ``a.b.c=value``; the value is read as YAML, ``null`` takes the key away.

    Raises:
        InputError: naming file (or ``--set``), key and allowed values.
    """
    path = _find(name_or_path)
    tree = design_tree(path, overrides)
    try:
        return design_from_tree(tree, where=str(path))
    except InputError as error:
        if any(_concerns(item.partition("=")[0], error.key) for item in overrides):
            raise InputError(
                error.message, where="--set", key=error.key, allowed=error.allowed
            ) from None
        raise


def overrides_without(name_or_path: str | Path, *services: Service) -> tuple[str, ...]:
    """Overrides of a design under which no site runs any of ``services``.

    Raises:
        InputError: when the design can't be read.
    """
    sites = load_design(name_or_path).sites
    return tuple(
        f"sites.{name}.services=[{', '.join(s for s in site.services if s not in services)}]"
        for name, site in sites.items()
    )


def design_tree(name_or_path: str | Path, overrides: Sequence[str] = ()) -> Tree:
    """A design as it is before validation: parents merged, overrides applied.

    Raises:
        InputError: when a file can't be read or an override leads nowhere.
    """
    tree = _read_with_parents(_find(name_or_path), ())
    for item in overrides:
        _apply_override(tree, item)
    return tree


def design_from_tree(tree: Tree, *, where: str) -> Design:
    """Validate a merged tree; ``where`` is the file an error names.

    Raises:
        InputError: naming ``where``, key and allowed values.
    """
    design = validated(Design, tree, where=where)
    for key, name, known in _catalogue_references(design):
        if name not in known:
            raise InputError(
                f"'{name}' is not in the catalogue", where=where, key=key, allowed=", ".join(known)
            )
    return design


def design_hash(design: Design) -> str:
    """SHA-256 of the design's canonical JSON: equal for equal content, whatever the file's form."""
    canonical = json.dumps(design.model_dump(mode="json"), sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def _catalogue_references(design: Design) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    machines, models = hardware_names(), model_names()
    for name, site in design.sites.items():
        yield f"sites.{name}.hardware", site.hardware, machines
    yield "inference.model", design.inference.model, models
    for name, companion in design.companions.items():
        yield f"companions.{name}.model", companion.model, models


def _concerns(override: str, key: str) -> bool:
    """Whether an override's key and an error's key are the same or one lies within the other."""
    longer, shorter = sorted((override, key), key=len, reverse=True)
    return longer == shorter or (shorter != "" and longer.startswith(f"{shorter}."))


def _find(name_or_path: str | Path, *, where: str = "design", key: str = "") -> Path:
    """The design's file. One that can't be read is told by whoever reads it."""
    text = str(name_or_path)
    if text in design_names():
        return DESIGNS / f"{text}.yaml"
    path = Path(text)
    if path.suffix in {".yaml", ".yml"}:
        return path
    allowed = ", ".join(design_names()) + ", or the path of a .yaml file"
    raise InputError(f"there is no design '{text}'", where=where, key=key, allowed=allowed)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name the file system refuses, for example one too long
        return False


def _read_with_parents(path: Path, children: tuple[Path, ...]) -> Tree:
    tree = read_yaml(path)
    place = path.resolve()
    if place in children:
        raise InputError("the design extends itself", where=str(path), key="extends")
    if not isinstance(tree, dict):
        raise InputError("must be a mapping of keys", where=str(path))
    parent = tree.pop("extends", None)
    if parent is None:
        return tree
    if not isinstance(parent, str):
        raise InputError("must be a design's name", where=str(path), key="extends")
    beside = path.parent / parent
    found = beside if _is_file(beside) else _find(parent, where=str(path), key="extends")
    base = _read_with_parents(found, (*children, place))
    return _merged(base, tree)


def _merged(base: Mapping[str, Any], change: Mapping[str, Any]) -> Tree:
    result = dict(base)
    for key, value in change.items():
        old = result.get(key)
        if value is None:
            result.pop(key, None)
        elif isinstance(old, dict) and isinstance(value, dict) and "kind" not in value:
            result[key] = _merged(old, value)
        else:  # a mapping with a 'kind' is another variant: the old one's keys mean nothing in it
            result[key] = value
    return result


def _apply_override(tree: Tree, item: str) -> None:
    key, separator, text = item.partition("=")
    if not separator or not key or not key.isprintable():
        raise InputError(f"{item!r} is not of the form a.b.c=value", where="--set")
    value = parse_yaml(text, where="--set", key=key)
    *parents, last = key.split(".")
    place: Any = tree
    for part in parents:
        place = _descend(place, part, key)
    if isinstance(place, list):
        place[_list_index(place, last, key)] = value
    elif not isinstance(place, dict):
        raise InputError("leads into a value, not a mapping", where="--set", key=key)
    elif value is None:
        place.pop(last, None)
    else:
        place[last] = value


def _descend(place: Any, part: str, key: str) -> Any:
    if isinstance(place, list):
        return place[_list_index(place, part, key)]
    if isinstance(place, dict):
        if place.get(part) is None:
            place[part] = {}
        return place[part]
    raise InputError("leads into a value, not a mapping", where="--set", key=key)


def _list_index(items: list[Any], part: str, key: str) -> int:
    if part in map(str, range(len(items))):
        return int(part)
    raise InputError(
        f"'{part}' is no position in the list", where="--set", key=key,
        allowed=f"0 to {len(items) - 1}",
    )  # fmt: skip

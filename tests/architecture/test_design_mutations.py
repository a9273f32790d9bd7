"""Whatever is done to a valid design, loading it gives a design or an InputError, nothing else."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from architecture import Design, InputError, design_hash, design_names, load_design
from architecture.loading import DESIGNS, design_from_tree, design_tree

pytestmark = pytest.mark.long

TREES = {name: design_tree(name) for name in design_names()}

junk = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**30), 10**30),
    st.just(10**400),
    st.floats(allow_nan=True, allow_infinity=True),
    st.text(max_size=12),
    st.sampled_from(["mac-1", "none", "constant", "B-20.x", "gcp"]),
    st.lists(st.integers() | st.text(max_size=4), max_size=3),
    st.dictionaries(st.text(max_size=6) | st.integers(), st.integers(), max_size=3),
    # Built anew each time: a shared one could be put into itself by a later mutation.
    st.builds(lambda: {"kind": "lognormal"}),
    st.builds(lambda: {"low": 3, "typical": 2, "high": 1, "source": "none"}),
    st.binary(max_size=3),
)
keys = st.one_of(st.text(max_size=8), st.integers(), st.none(), st.booleans())


def containers(tree: Any) -> Iterator[Any]:
    """Every mapping and list of a tree, itself included, that has something in it."""
    if isinstance(tree, dict) and tree:
        yield tree
        for value in tree.values():
            yield from containers(value)
    elif isinstance(tree, list) and tree:
        yield tree
        for value in tree:
            yield from containers(value)


@st.composite
def mutated_trees(draw: st.DrawFn) -> dict[str, Any]:
    tree = copy.deepcopy(TREES[draw(st.sampled_from(sorted(TREES)))])
    for _ in range(draw(st.integers(1, 3))):
        places = list(containers(tree))
        place = places[draw(st.integers(0, len(places) - 1))]
        action = draw(st.sampled_from(["delete", "replace", "insert", "repeat"]))
        if isinstance(place, dict):
            key = draw(st.sampled_from(sorted(place, key=repr)))
            if action == "delete":
                del place[key]
            elif action == "replace":
                place[key] = draw(junk)
            else:
                place[draw(keys)] = draw(junk)
        else:
            position = draw(st.integers(0, len(place) - 1))
            if action == "delete":
                del place[position]
            elif action == "replace":
                place[position] = draw(junk)
            else:
                repeated = copy.deepcopy(place[position])
                place.insert(position, repeated if action == "repeat" else draw(junk))
    return tree


def loads_or_refuses(load: Callable[[], Design]) -> None:
    try:
        design = load()
    except InputError as refusal:
        said = str(refusal)
    else:
        said = design_hash(design)
    assert said


@settings(
    max_examples=300, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
@given(mutated_trees())
def test_a_mutated_tree_is_a_design_or_an_input_error(tree: dict[str, Any]) -> None:
    loads_or_refuses(lambda: design_from_tree(tree, where="a test"))


@settings(
    max_examples=60, deadline=None, derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)  # fmt: skip
@given(tree=mutated_trees())
def test_a_mutated_file_is_a_design_or_an_input_error(tmp_path: Path, tree: dict[str, Any]) -> None:
    path = tmp_path / "mutated.yaml"
    text = yaml.dump(tree, allow_unicode=False, sort_keys=False)
    path.write_text(text, encoding="utf-8", errors="replace")
    loads_or_refuses(lambda: load_design(path))


@settings(
    max_examples=100, deadline=None, derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)  # fmt: skip
@given(data=st.data())
def test_a_scribbled_file_is_a_design_or_an_input_error(
    tmp_path: Path, data: st.DataObject
) -> None:
    text = (DESIGNS / "local.yaml").read_text(encoding="utf-8")
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(text)))
        stop = min(len(text), start + data.draw(st.integers(0, 40)))
        scribble = st.text(alphabet=":-{}[]?!&*#|>'\"%@` \n\tab0x_.:1", max_size=6)
        text = text[:start] + data.draw(scribble) + text[stop:]
    path = tmp_path / "scribbled.yaml"
    path.write_text(text, encoding="utf-8")
    loads_or_refuses(lambda: load_design(path))


def dotted_keys(tree: Any, prefix: str = "") -> Iterator[str]:
    """The dotted key of every value of a tree."""
    entries: Iterator[tuple[Any, Any]] = iter(())
    if isinstance(tree, dict):
        entries = iter(tree.items())
    elif isinstance(tree, list):
        entries = iter(enumerate(tree))
    for key, value in entries:
        yield f"{prefix}{key}"
        yield from dotted_keys(value, f"{prefix}{key}.")


override_keys = st.sampled_from(sorted(dotted_keys(TREES["local"]))) | st.text(max_size=8)
override_values = st.text(alphabet="abelnosuw.0123-[]{}: ", max_size=12)


@settings(
    max_examples=80, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
@given(st.lists(st.tuples(override_keys, override_values).map("=".join), min_size=1, max_size=3))
def test_any_override_gives_a_design_or_an_input_error(overrides: list[str]) -> None:
    loads_or_refuses(lambda: load_design("local", overrides))


@pytest.mark.parametrize(
    "text",
    [
        "[" * 20_000,
        "0x_: 1",
        "a: 2024-13-45",
        "a: !!int x",
        "&a [*a]",
        "a: &b {c: *b}",
        'name: "\\ud800"',
        '"\\ud800": 1',
    ],
)
def test_text_that_upsets_the_yaml_parser_is_an_input_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "upsetting.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError):
        load_design(path)

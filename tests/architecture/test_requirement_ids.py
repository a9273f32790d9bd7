"""Requirements stand in the project, and every id a design or an objective cites exists."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from architecture import InputError, design_names, load_design
from architecture.loading import design_tree
from architecture.requirements import DESIGN_OF, all_requirements, requirement

DOCS = Path(__file__).parents[2] / "docs"


def cited_ids(tree: Any) -> Iterator[str]:
    """Ids in every ``requirements`` list of a tree."""
    if isinstance(tree, dict):
        yield from tree.get("requirements", ())
        for value in tree.values():
            yield from cited_ids(value)
    elif isinstance(tree, list):
        for value in tree:
            yield from cited_ids(value)


def test_the_ids_are_those_of_the_documents_without_a_gap() -> None:
    ids = [row.id for row in all_requirements()]
    expected = [f"{letter}-{n:02d}" for letter, last in (("A", 19), ("B", 20), ("D", 18))
                for n in range(1, last + 1)]  # fmt: skip
    assert ids == expected


def test_promises_belong_to_a_design_and_doubts_to_none() -> None:
    for row in all_requirements():
        assert row.kind == ("doubt" if row.id.startswith("D") else "promise")
        assert row.design == DESIGN_OF.get(row.id[0])
        assert bool(row.part) == (row.kind == "promise")


def test_a_requirement_is_found_by_its_id() -> None:
    row = requirement("B-09")
    assert row.part == "PostgreSQL"
    assert "replica lag max 100 ms" in row.text


def test_a_doubt_names_the_promises_it_questions() -> None:
    assert requirement("D-08").cites == ("B-18", "B-09")


@pytest.mark.parametrize("unknown", ["B-21", "b-01", "", "D-1"])
def test_an_unknown_id_is_refused_with_the_ids_there_are(unknown: str) -> None:
    with pytest.raises(InputError, match="A-01, A-02"):
        requirement(unknown)


def test_ids_cited_by_other_requirements_exist() -> None:
    for row in all_requirements():
        for cited in row.cites:
            requirement(cited)


def test_the_documentation_gives_every_requirement_in_full() -> None:
    page = (DOCS / "requirements.md").read_text(encoding="utf-8")
    missing = [
        row.id
        for row in all_requirements()
        if f"| {' | '.join(filter(None, (row.id, row.part, row.text)))} |" not in page
    ]
    assert missing == []


@pytest.mark.parametrize("design", sorted(DESIGN_OF.values()))
def test_every_promise_of_a_design_is_in_it_or_left_out_with_a_reason(design: str) -> None:
    promised = {row.id for row in all_requirements() if row.design == design}
    loaded = load_design(design)
    represented, left_out = set(loaded.requirements), set(loaded.left_out)
    assert represented | left_out == promised
    assert not represented & left_out
    assert all(len(reason) > 20 for reason in loaded.left_out.values())


@pytest.mark.parametrize("name", design_names())
def test_every_id_a_design_cites_exists_and_is_not_left_out(name: str) -> None:
    design = load_design(name)
    cited = {*cited_ids(design_tree(name)), *(o.requirement for o in design.objectives)}
    for requirement_id in cited | set(design.left_out):
        requirement(requirement_id)
    assert not cited & set(design.left_out)


@pytest.mark.parametrize("name", design_names())
def test_every_id_a_section_cites_is_among_the_designs_own(name: str) -> None:
    tree = design_tree(name)
    assert set(cited_ids(tree)) <= set(tree["requirements"])

"""The chapter on availability says what its run recorded, and leaves the promise open."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from pydantic_core import to_jsonable_python

from architecture import load_design
from evidence import Estimate, Run, load_run
from evidence.record import RecordError
from reports.availability import availability_pages
from reports.bars import Bar, bars
from reports.report import build_report, rebuild_page
from simulator.availability import analyse, record_uptime
from simulator.availability.changes import Bought
from simulator.availability.importance import Importance
from tests.reports.fixtures import HELD_SO_FAR, write_situation

SAVED = Estimate(estimate=120, lower=40, upper=340, confidence=0.95, n=50)
CHANGE = Bought("quick-return", "Back sooner", SAVED, SAVED, SAVED, best=0.8)


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real, short prediction; one change is put in, because trying all of them takes long."""
    uptime = analyse(load_design("mac-mini-cluster"), years=40, replications=2)
    uptime = type(uptime)(**{**vars(uptime), "extras": {"changes": [asdict(CHANGE)]}})
    return record_uptime(uptime, tmp_path_factory.mktemp("uptime"))[0]


@pytest.fixture
def run(record: Path) -> Run:
    return load_run(record)


def plain(text: str) -> str:
    return re.sub(r"\s+", " ", text.replace("\u00a0", " ").replace("\u202f", " "))


def altered(run: Run, root: Path, change: Callable[[dict[str, Any]], None]) -> Run:
    """The run with another outcome."""
    outcome: dict[str, Any] = json.loads(json.dumps(to_jsonable_python(run.record.outcome)))
    change(outcome)
    return Run(root, run.record.model_copy(update={"outcome": outcome}))


def test_uptime_is_told_in_four_ways_with_minutes_that_belong_to_it(run: Run) -> None:
    [page] = availability_pages([run])
    outcome: Any = run.record.outcome
    assert [line.name.split(":")[0] for line in page.measures] == [
        "time-based", "with-emergency", "request-based", "capacity-weighted",
    ]  # fmt: skip
    minutes = 525_600 * (1 - outcome["availability"]["time_based"]["estimate"])
    assert plain(page.measures[0].cells[2]).replace(" ", "").startswith(f"{minutes:.0f}")
    assert minutes == pytest.approx(outcome["downtime_min_per_year"]["total"]["estimate"])


def test_the_picture_holds_every_minute(run: Run) -> None:
    """The bars below "All together" add up to it."""
    [page] = availability_pages([run])
    for svg in page.picture.values():
        label = ElementTree.fromstring(svg).attrib["aria-label"]  # noqa: S314 (our own text)
        found = [
            float(value.replace(" ", ""))
            for value in re.findall(r": ([\d. ]+) min ·", plain(label))
        ]
        assert sum(found[1:]) == pytest.approx(found[0], rel=0.01)


def test_what_was_not_asked_for_is_named_and_what_was_is_a_table(run: Run, tmp_path: Path) -> None:
    page = build_report([run.path], tmp_path).page.read_text(encoding="utf-8")
    assert "testbed availability --importance" in page
    assert "testbed availability --changes" not in page
    assert "Back sooner" in page
    assert "120 (40.0 to 340)" in page


def test_a_cause_matters_from_one_per_cent_of_the_budget_on(run: Run, tmp_path: Path) -> None:
    causes = [Importance(name, minutes, -0.5, 0.3) for name, minutes in (("node", 9), ("wan", 5))]
    rows = [{**asdict(cause), "simulated_min": SAVED.model_dump()} for cause in causes]
    [page] = availability_pages([altered(run, tmp_path, lambda o: o.update(importance=rows))])
    [line] = page.importance
    assert (line.name, page.unimportant) == ("A Mac mini stops (hardware)", 1)
    assert [plain(cell) for cell in line.cells] == ["9.00 min", "120 (40.0 to 340)", "+0.30 %"]


def test_assumptions_are_told_with_their_sources(run: Run) -> None:
    [page] = availability_pages([run])
    design: Any = run.record.design_document
    assert len(page.failures) == len(design["failures"])
    assert any("Vishwanath & Nagappan 2010" in line.cells[1] for line in page.failures)
    weak, every = (int(word) for word in re.findall(r"\d+", page.sources))
    assert 0 < weak < every
    assert every > len(page.figures)


def test_the_chapter_stands_beside_verdicts_of_another_design_and_judges_none(
    run: Run, tmp_path: Path
) -> None:
    report = build_report([*write_situation(tmp_path, HELD_SO_FAR), run.path], tmp_path)
    page = report.page.read_text(encoding="utf-8")
    assert "Predicted, not measured: no run is a year long." in page
    (uptime,) = [v for v in report.verdicts if v.objective == "B-01.availability"]
    assert (uptime.verdict, uptime.measured, uptime.n) == ("inconclusive", None, 0)


def test_the_records_make_the_chapter_again(run: Run, tmp_path: Path) -> None:
    report = build_report([run.path], run.path.parent)
    assert 'id="availability"' in rebuild_page(load_run(report.path))


def test_the_newest_prediction_of_a_design_counts(run: Run) -> None:
    record = run.record.model_copy(update={"started": "2999-01-01T00:00:00", "name": "later"})
    [page] = availability_pages([Run(run.path, record), run])
    assert page.run == "later"


def test_a_record_that_lacks_a_part_is_refused_by_its_path(run: Run, tmp_path: Path) -> None:
    broken = altered(run, tmp_path, lambda outcome: outcome.pop("probability_to_miss"))
    with pytest.raises(RecordError, match="probability_to_miss"):
        availability_pages([broken])


@pytest.mark.parametrize("width", ["wide", "narrow"])
def test_bars_are_as_long_as_their_values_and_the_budget_stands_among_them(width: Any) -> None:
    def of(value: float) -> Estimate:
        return Estimate(estimate=value, lower=value, upper=value, confidence=0.95, n=9)

    rows = [Bar("a & b", "100 min", of(100)), Bar("c", "25 min", of(25))]
    svg = ElementTree.fromstring(bars(rows, 50, "budget", width))  # noqa: S314 (our own text)
    name = "{http://www.w3.org/2000/svg}"
    first, second = (float(bar.attrib["width"]) for bar in svg.findall(f"{name}rect"))
    assert first == pytest.approx(4 * second, rel=0.02)
    left = float(svg.findall(f"{name}rect")[0].attrib["x"])
    line = float(svg.findall(f"{name}line")[0].attrib["x1"])
    assert line - left == pytest.approx(first / 2, rel=0.02)

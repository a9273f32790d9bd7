"""The chapter on capacity says what its run recorded."""

from __future__ import annotations

from pathlib import Path

import pytest
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from pydantic import JsonValue

import reports
from architecture import load_design
from evidence import RunWriter, load_run
from evidence.record import RecordError
from reports.capacity import capacity_pages

ROOM: dict[str, JsonValue] = {
    "users": 198,
    "over": -0.01,
    "breaks_at": 200,
    "reason": "a dictation: 12 > 10",
}
OUTCOME: dict[str, JsonValue] = {
    "design": "dual-m3-ultra",
    "users": 200,
    "bottleneck": {
        "by_utilisation": "gpu mac-1", "by_growth": "speech-to-text mac-1",
        "utilisation": {"gpu mac-1": 0.8951}, "growth_s": {"speech-to-text mac-1": 1.08},
    },
    "head_room": {"peak": ROOM, "without": {"mac-1": {**ROOM, "users": 162, "over": -0.19}}},
    "under_100_ms": {
        "lookup": {"p95_s": 0.0176, "holds": True}, "chat": {"p95_s": 8.9, "holds": False},
    },
    "machines": {
        "mac-1": {
            "weight_bytes": 6.0 * 2**30, "system_bytes": 4.0 * 2**30, "memory_bytes": 512 * 2**30,
            "memory_share": 0.0195, "bandwidth_share": 0.061, "accelerator_utilisation": 0.895,
        }
    },
    "lost_with": {"mac-1": {"operations": [], "failed_share": 0.0}},
    "storms": [
        {
            "fault": "both-power-loss", "relogin": "emergency", "most_arrivals": 25.1,
            "turned_away": 44827.0, "quiet_again_s": "Infinity", "busiest": "gpu gcp",
            "utilisation": 0.45,
        }
    ],
    "cost": {"years": 5, "total_brl": {"low": 1e5, "typical": 366_166.0, "high": 6e6}},
}  # fmt: skip


def recorded(root: Path, outcome: dict[str, JsonValue]) -> Path:
    design = load_design("dual-m3-ultra")
    with RunWriter.of_design(
        root, kind="capacity-answers", design=design, seed=1, parameters={},
    ) as run:  # fmt: skip
        run.finish(outcome)
    return run.path


def test_a_page_says_what_the_run_found(tmp_path: Path) -> None:
    [page] = capacity_pages([load_run(recorded(tmp_path, OUTCOME))])
    assert "gpu mac-1" in page.bottleneck
    assert "speech-to-text mac-1" in page.bottleneck
    assert [line.name for line in page.rooms] == ["everything up", "without mac-1"]
    assert page.rooms[0].cells[:2] == ("198", "-1%")
    assert page.machines[0].cells[0].replace("\u00a0", " ") == "10.0 GiB of 512 GiB"
    assert page.losses[0].cells[0] == "nothing"
    assert page.storms[0].cells[2] == "not within ten minutes"


def test_the_chapter_renders_every_table(tmp_path: Path) -> None:
    pages = capacity_pages([load_run(recorded(tmp_path, OUTCOME))])
    environment = Environment(
        loader=FileSystemLoader(Path(reports.__file__).parent), undefined=StrictUndefined,
        autoescape=True,
    )  # fmt: skip
    names = {page.run: "run" for page in pages}
    html = environment.get_template("capacity.html.jinja").render(
        capacity=pages, links=names, short=names
    )
    for word in ("D-12", "D-15", "D-16", "D-17", "198", "both-power-loss", "10.0"):
        assert word in html


def test_a_record_that_lacks_a_part_is_refused_by_its_path(tmp_path: Path) -> None:
    broken = {key: value for key, value in OUTCOME.items() if key != "machines"}
    with pytest.raises(RecordError, match="machines"):
        capacity_pages([load_run(recorded(tmp_path, broken))])

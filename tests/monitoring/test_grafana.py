"""The Grafana dashboard asks what the page asks, in Grafana's own words."""

from __future__ import annotations

import configparser
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from architecture import Design, InputError, design_names, load_design
from reference_stack.monitoring.grafana import files
from reference_stack.monitoring.grafana.dashboard import GRID_WIDTH, dashboard, uid
from reference_stack.monitoring.grafana.variables import PROMETHEUS_UID
from reference_stack.monitoring.panels import charts, columns, tiles
from tests.monitoring.grafana_model import complaints
from tests.monitoring.promtool import promtool, run_rules

WATCHED = [name for name in design_names() if load_design(name).sites_with("monitoring")]


@pytest.fixture(scope="module")
def design() -> Design:
    return load_design("local")


def expressions(document: dict[str, Any], sites: str = ".*") -> dict[str, str]:
    """Each query by its panel and its name there, as Grafana sends it."""
    found = {
        f"{panel['title']} {target['refId']}": target["expr"]
        for panel in document["panels"]
        for target in panel.get("targets", [])
    } | {mark["name"]: mark["expr"] for mark in document["annotations"]["list"]}
    return {
        name: query.replace("$__rate_interval", "20s").replace("$site", sites)
        for name, query in found.items()
    }


def expression(design: Design, title: str, sites: str = ".*") -> str:
    return expressions(dashboard(design), sites)[f"{title} A"]


# The types of the classic model point to the newer one, which Grafana before 12 does not read.
@pytest.mark.filterwarnings("ignore:Prefer using dashboardv2:DeprecationWarning")
@pytest.mark.parametrize("name", WATCHED)
def test_grafanas_published_types_know_every_field_and_value(name: str) -> None:
    assert complaints(dashboard(load_design(name))) == []


@pytest.mark.filterwarnings("ignore:Prefer using dashboardv2:DeprecationWarning")
def test_the_check_against_grafanas_types_sees_unknown_fields_and_wrong_values(
    design: Design,
) -> None:
    document = dashboard(design)
    document["refreshes"] = "5s"
    document["panels"][1]["options"]["colorMode"] = "colourful"
    document["panels"][1]["gridPos"]["w"] = "wide"
    found = " ".join(complaints(document))
    assert "refreshes is unknown" in found
    assert "colourful" in found
    assert "wide" in found


@pytest.mark.parametrize("name", WATCHED)
def test_panels_have_ids_of_their_own_and_lie_beside_each_other_within_the_grid(name: str) -> None:
    panels = dashboard(load_design(name))["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert max(x for x, _y in cells) < GRID_WIDTH
        taken |= cells


@pytest.mark.parametrize("name", WATCHED)
def test_every_question_of_the_page_is_asked_under_its_name(name: str) -> None:
    design = load_design(name)
    document = dashboard(design)
    titles = [panel["title"] for panel in document["panels"]]
    for question in (*tiles(design), *charts(design)):
        assert titles.count(question.title) == 1
    (table,) = (panel for panel in document["panels"] if panel["title"] == "Sites" and
                panel["type"] == "table")  # fmt: skip
    renamed = table["transformations"][1]["options"]["renameByName"]
    assert list(renamed.values()) == ["Site", *(column.title for column in columns(design))]
    assert len(set(renamed.values())) == len(renamed)
    queries = list(expressions(document).values())
    for asked in (*charts(design, "20s"), *columns(design)):
        assert sum(asked.query in query for query in queries) >= 1, asked.title


@pytest.mark.parametrize("name", WATCHED)
def test_prometheus_understands_every_expression(name: str, tmp_path: Path) -> None:
    rules = [
        {"record": f"asked:{position}", "expr": query}
        for position, query in enumerate(expressions(dashboard(load_design(name))).values())
    ]
    file = tmp_path / "asked.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "asked", "rules": rules}]}))
    check = subprocess.run(
        [promtool(), "check", "rules", file], capture_output=True, text=True, check=False
    )
    assert check.returncode == 0, check.stdout + check.stderr
    assert f"{len(rules)} rules found" in check.stdout


@pytest.mark.parametrize(
    ("primaries", "shown"),
    [
        ({"mac-1": 1, "mac-2": 0}, {'{scope="hospital", site="mac-1"}': 1}),
        ({"mac-1": 0, "mac-2": 0}, {'{site="nobody"}': 0}),
        (
            {"mac-1": 1, "mac-2": 1},
            {'{scope="hospital", site="mac-1"}': 0, '{scope="hospital", site="mac-2"}': 0},
        ),
        ({}, {'{site="nobody"}': 0}),
    ],
)
def test_a_role_is_well_held_by_one_and_badly_by_nobody_or_two(
    primaries: dict[str, int], shown: dict[str, float], design: Design, tmp_path: Path
) -> None:
    series = {
        f'patroni_primary{{scope="hospital",site="{site}"}}': f"{value}x9"
        for site, value in primaries.items()
    }
    run_rules(
        design, tmp_path, series, [], files=["mended"], interval="5s", evaluation="5s",
        expressions={expression(design, "Primary database"): ("10s", shown)},
    )  # fmt: skip


def test_only_chosen_sites_have_lines_and_rows(design: Design, tmp_path: Path) -> None:
    series = {
        'up{job="mac-studio",site="mac-1"}': "1x9",
        'up{job="api",site="mac-1"}': "1x9",
        'up{job="api",site="mac-2"}': "0x9",
        'inference_queue_length{site="mac-1",job="inference"}': "3x9",
        'inference_queue_length{site="mac-2",job="inference"}': "4x9",
    }
    queue = "Chats waiting for a model"
    first = 'inference_queue_length{job="inference",site="mac-1"}'
    second = 'inference_queue_length{job="inference",site="mac-2"}'
    table = expressions(dashboard(design), "(mac-2)")["Sites C0"]
    run_rules(
        design, tmp_path, series, [], files=["mended"], interval="5s", evaluation="5s",
        expressions={
            expression(design, queue): ("10s", {first: 3, second: 4}),
            expression(design, queue, "(mac-1)"): ("10s", {first: 3}),
            expression(design, queue, "(mac-1|mac-2)"): ("10s", {first: 3, second: 4}),
            table: ("10s", {'{site="mac-2"}': 0}),
        },
    )  # fmt: skip


@pytest.mark.parametrize("tile", ["Replication lag", "Answered, 5 min", "Last write"])
def test_a_number_changes_colour_exactly_at_its_bound(tile: str, design: Design) -> None:
    (figure,) = (one for one in tiles(design) if one.title == tile)
    (panel,) = (one for one in dashboard(design)["panels"] if one["title"] == tile)
    steps = panel["fieldConfig"]["defaults"]["thresholds"]["steps"]

    def colour(value: float) -> str:
        return [s["color"] for s in steps if s["value"] is None or value >= s["value"]][-1]

    bound = getattr(figure, "at_most", None)
    within, beyond = (bound, bound * 1.001) if bound is not None else (99.9, 99.89)
    assert "green" in colour(within)
    assert "red" in colour(beyond)


def test_long_names_of_designs_keep_dashboards_apart(design: Design) -> None:
    names = [f"{'a-very-long-name-of-a-hospital' * 2}-{number}" for number in (1, 2)]
    uids = [uid(design.model_copy(update={"name": name})) for name in names]
    assert uids[0] != uids[1]
    assert all(len(one) == 40 for one in uids)


def test_the_folder_points_grafana_at_its_own_files_and_at_the_stack(
    design: Design, tmp_path: Path
) -> None:
    folder = tmp_path / "for grafana"
    urls = {"prometheus": "http://127.0.7.4:9090", "alertmanager": "http://127.0.7.4:9093"}
    for _again in range(2):
        written = files.write(design, folder, **urls)
    assert sorted(written) == sorted(path for path in folder.rglob("*") if path.is_file())
    settings = configparser.ConfigParser(interpolation=None)
    settings.read(folder / "grafana.ini", encoding="utf-8")
    provisioning = Path(settings["paths"]["provisioning"])
    assert settings["server"]["http_addr"] == "127.0.0.1"
    home = Path(settings["dashboards"]["default_home_dashboard_path"])
    assert json.loads(home.read_text(encoding="utf-8")) == dashboard(design)
    (provider,) = yaml.safe_load(
        next((provisioning / "dashboards").iterdir()).read_text(encoding="utf-8")
    )["providers"]
    assert Path(provider["options"]["path"]) == home.parent
    sources = yaml.safe_load(
        next((provisioning / "datasources").iterdir()).read_text(encoding="utf-8")
    )["datasources"]
    assert {source["type"]: source["url"] for source in sources} == urls
    variable = dashboard(design)["templating"]["list"][0]
    assert variable["current"] == {"text": sources[0]["name"], "value": PROMETHEUS_UID}
    assert sources[0]["uid"] == PROMETHEUS_UID


@pytest.mark.parametrize("name", ["a;b", "a$b", "a%b"])
def test_a_folder_that_grafanas_settings_cannot_name_is_refused(
    name: str, design: Design, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="without"):
        files.write(design, tmp_path / name, prometheus="http://x", alertmanager=None)
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_folders_place_is_refused(design: Design, tmp_path: Path) -> None:
    place = tmp_path / "taken"
    place.write_text("mine")
    with pytest.raises(InputError, match="not a folder"):
        files.write(design, place, prometheus="http://x", alertmanager=None)
    assert place.read_text() == "mine"

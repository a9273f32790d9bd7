"""The user's own file: what it can say, and what it is told when it says nonsense."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from architecture.errors import InputError
from architecture.station_network import (
    is_network,
    load_network,
    network_hash,
    network_names,
    published_network_schema,
)

PHARMACY = "stations.pharmacy"
PATIENTS = "classes.patients"


@pytest.mark.parametrize(
    ("override", "key", "allowed"),
    [
        (f"{PHARMACY}.speed=3", f"{PHARMACY}.speed", "service_s"),
        (f"{PHARMACY}.discipline=lifo", f"{PHARMACY}.discipline", "priority-preemptive"),
        (f"{PHARMACY}.servers=0", f"{PHARMACY}.servers", ""),
        (f"{PHARMACY}.service_s.kind=weibull", f"{PHARMACY}.service_s", "lognormal"),
        (f"{PHARMACY}.service_s=null", f"{PHARMACY}.service_s", ""),
        ("stations.reception.capacity=1", "stations.reception.capacity", "at least 2"),
        (f"{PHARMACY}.batch_time=first", f"{PHARMACY}.batch_time", ""),
        (f"{PHARMACY}.discipline=batch", f"{PHARMACY}.batch_size", ""),
        (f"{PHARMACY}.service_s_by_class.staff={{kind: constant, value: 1}}",
         f"{PHARMACY}.service_s_by_class", "patients"),
        (f"{PATIENTS}.routing.consultation.pharmacy=0.95",
         f"{PATIENTS}.routing.consultation", "at most 1"),
        (f"{PATIENTS}.routing.consultation={{consultation: 1}}",
         f"{PATIENTS}.routing.consultation", "way out"),
        (f"{PATIENTS}.routing.reception.morgue=0.1", f"{PATIENTS}.routing.reception", "pharmacy"),
        (f"{PATIENTS}.routing.morgue.reception=0.1", f"{PATIENTS}.routing", "pharmacy"),
        (f"{PATIENTS}.starts_at.reception=0.5", f"{PATIENTS}.starts_at", "exactly 1"),
        (f"{PATIENTS}.population=3", f"{PATIENTS}.arrivals", "closed"),
        (f"{PATIENTS}.arrivals={{kind: renewal, gap_s: {{kind: constant, value: 0}}}}",
         f"{PATIENTS}.arrivals.gap_s", ""),
        (f"{PATIENTS}.arrivals={{kind: listed, times_s: [2, 1]}}",
         f"{PATIENTS}.arrivals.times_s", ""),
        (f"{PATIENTS}.arrivals={{kind: profile, step_s: 1, rates_per_s: [0]}}",
         f"{PATIENTS}.arrivals.rates_per_s", "positive"),
        ("timetable=[{at_s: 1, station: nowhere, action: pause}]",
         "timetable.0.station", "reception"),
        ("timetable=[{at_s: 1, station: pharmacy, action: set-servers}]",
         "timetable.0.servers", ""),
        ("run=null", "run", ""),
        (f"{PHARMACY}.service_s={{kind: trace, file: none.csv, column: x}}",
         f"{PHARMACY}.service_s.file", ""),
        (f"{PHARMACY}.service_s={{kind: trace, file: none.csv}}",
         f"{PHARMACY}.service_s.column", ""),
    ],
)  # fmt: skip
def test_nonsense_names_the_key_and_what_is_allowed(override: str, key: str, allowed: str) -> None:
    with pytest.raises(InputError) as caught:
        load_network("three-stations", [override])
    assert caught.value.key == key
    assert allowed in caught.value.allowed
    assert "three-stations.yaml" in caught.value.where


@pytest.mark.parametrize("name", network_names())
def test_networks_that_come_with_the_testbed_are_valid(name: str) -> None:
    network = load_network(name)
    assert network.name == name
    assert network_hash(network) == network_hash(load_network(name))
    assert is_network(name)


def test_designs_and_missing_files_are_no_networks(tmp_path: Path) -> None:
    design = Path(__file__).parents[2] / "architecture" / "designs" / "local.yaml"
    assert not is_network(design)
    assert not is_network("local")
    assert not is_network(tmp_path / "missing.yaml")


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_traces_are_read_beside_the_file(tmp_path: Path, ending: str) -> None:
    table = pd.DataFrame({"at": [0.5, 1.0, 4.0], "took": [2.0, 3.0, 5.0]})
    if ending == "csv":
        table.to_csv(tmp_path / "log.csv", index=False)
    else:
        table.to_parquet(tmp_path / "log.parquet")
    trace = f"{{kind: trace, file: log.{ending}, column: "
    (tmp_path / "mine.yaml").write_text(
        f"""
kind: station-network
name: mine
run: {{duration_s: 10}}
classes:
  calls: {{arrivals: {trace}at}}, starts_at: {{desk: 1}}}}
stations:
  desk: {{service_s: {trace}took}}}}
"""
    )
    network = load_network(tmp_path / "mine.yaml")
    assert is_network(tmp_path / "mine.yaml")
    arrivals, service_s = network.classes["calls"].arrivals, network.stations["desk"].service_s
    assert getattr(arrivals, "times_s", None) == (0.5, 1.0, 4.0)
    assert getattr(service_s, "values", None) == (2.0, 3.0, 5.0)


def test_a_bad_trace_names_its_row_and_a_missing_column_those_there_are(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("took\n1\nnever\n")
    text = (Path(__file__).parents[2] / "architecture/networks/three-stations.yaml").read_text()
    (tmp_path / "mine.yaml").write_text(text)
    for column, message in {"took": "row 2 is no time", "spent": "no column 'spent'"}.items():
        service = f"{PHARMACY}.service_s={{kind: trace, file: log.csv, column: {column}}}"
        with pytest.raises(InputError, match=message):
            load_network(tmp_path / "mine.yaml", [service])


def test_the_published_schema_is_the_models() -> None:
    schema = Path(__file__).parents[2] / "docs" / "station-network.schema.json"
    assert schema.read_text(encoding="utf-8") == published_network_schema()

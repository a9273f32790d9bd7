"""The written report: its page and its JSON say what the records say."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from architecture import InputError
from evidence import list_runs, load_run
from evidence.record import RecordError
from reports import Report, build_report, html
from reports.html import short_names
from reports.report import rebuild_page
from tests.reports.fixtures import (
    HELD_SO_FAR,
    local_design,
    write_chaos,
    write_prediction,
    write_situation,
)

VOID = {"meta", "br", "link", "img", "hr", "input"}


class Outline(HTMLParser):
    """Collects what a page refers to, and whether its elements nest."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.resources: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {key: value or "" for key, value in attrs}
        if tag not in VOID:
            self.open.append(tag)
        if "id" in values:
            self.ids.append(values["id"])
        if tag == "a":
            self.links.append(values["href"])
        if tag in {"link", "script", "iframe"}:
            self.resources.append(tag)
        for key in ("src", "xlink:href"):
            value = values.get(key, "")
            if value and not value.startswith(("#", "data:")):
                self.resources.append(value)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


@pytest.fixture(scope="module")
def reports(roots: dict[str, Path]) -> dict[str, Report]:
    return {
        name: build_report(sorted(root.iterdir()), root)
        for name, root in roots.items()
        if name in {"held-so-far", "refuted", "unconfirmed", "no-ledger"}
    }


def outline(report: Report) -> Outline:
    parsed = Outline()
    parsed.feed(report.page.read_text(encoding="utf-8"))
    return parsed


def words(report: Report) -> str:
    return re.sub(r"\s+", " ", " ".join(outline(report).text).replace("\u00a0", " "))


def test_a_report_is_a_run_that_names_its_evidence(reports: dict[str, Report]) -> None:
    report = reports["held-so-far"]
    record = load_run(report.path).record
    assert record.kind == "report"
    assert record.parameters["runs"] == report.document["runs"]
    assert report.document["run"] == record.name
    assert json.loads((report.path / "report.json").read_text()) == report.document
    assert record.outcome["verdicts"] == report.document["verdicts"]


@pytest.mark.parametrize(
    ("situation", "code"),
    [("held-so-far", 3), ("refuted", 1), ("unconfirmed", 3), ("no-ledger", 3)],
)
def test_the_exit_code_follows_the_verdicts(
    reports: dict[str, Report], situation: str, code: int
) -> None:
    assert reports[situation].exit_code == code


def test_each_verdict_has_the_agreed_keys(reports: dict[str, Report]) -> None:
    for verdict in json.loads((reports["refuted"].path / "report.json").read_text())["verdicts"]:
        assert {"objective", "verdict", "target", "predicted", "measured", "n", "runs"} <= set(
            verdict
        )
        for key in ("predicted", "measured"):
            if verdict[key] is not None:
                assert set(verdict[key]) == {"estimate", "lower", "upper", "confidence", "n"}


def test_the_page_is_well_formed_and_asks_the_network_for_nothing(
    reports: dict[str, Report],
) -> None:
    for report in reports.values():
        page = outline(report)
        assert page.open == []
        assert page.resources == []
        assert len(page.ids) == len(set(page.ids))
        text = report.page.read_text(encoding="utf-8")
        assert "@import" not in text
        assert not re.search(r"url\((?!#)", text)


def test_the_style_sheet_reaches_the_page_unchanged(reports: dict[str, Report]) -> None:
    style = (Path(html.__file__).with_name("report.css")).read_text(encoding="utf-8")
    assert style in reports["refuted"].page.read_text(encoding="utf-8")


def test_every_link_leads_to_a_run_or_a_heading(reports: dict[str, Report]) -> None:
    for report in reports.values():
        page = outline(report)
        assert page.links
        for link in page.links:
            if link.startswith("#"):
                assert link[1:] in page.ids
            else:
                assert (report.path / link / "run.json").is_file()


def test_the_page_names_no_path_of_the_machine(
    reports: dict[str, Report], roots: dict[str, Path]
) -> None:
    for name, report in reports.items():
        assert str(roots[name]) not in report.page.read_text(encoding="utf-8")


def test_the_records_alone_make_the_same_page_again(reports: dict[str, Report]) -> None:
    for report in reports.values():
        again = rebuild_page(load_run(report.path))
        stamp = re.compile(r'<span id="stamp">.*?</span>')
        page = report.page.read_text(encoding="utf-8")
        assert len(stamp.findall(page)) == 1
        assert stamp.sub("", again) == stamp.sub("", page)


def test_the_recovery_on_the_page_is_that_of_the_parquet(reports: dict[str, Report]) -> None:
    """Recomputed here without the package: the first answered note of a sound stretch."""
    report = reports["refuted"]
    run = next(r for r in list_runs(report.path.parent) if r.record.kind == "chaos")
    landed_s = float(pd.read_parquet(run.path / "faults.parquet")["landed_s"].iloc[0])
    requests = pd.read_parquet(run.path / "requests.parquet")
    notes = requests[(requests["operation"] == "note") & (requests["sent_s"] >= landed_s)]
    last_failure_s = notes.loc[notes["outcome"] != "ok", "sent_s"].max()
    later = notes[(notes["outcome"] == "ok") & (notes["finished_s"] >= last_failure_s)]
    rto_s = later["finished_s"].min() - landed_s
    assert f"notes can be written again in {rto_s:#.3g} s" in words(report)


def test_the_losses_on_the_page_are_those_of_the_parquet(reports: dict[str, Report]) -> None:
    report = reports["refuted"]
    run = next(r for r in list_runs(report.path.parent) if r.record.kind == "chaos")
    ledger = pd.read_parquet(run.path / "ledger.parquet")
    acknowledged = ledger[ledger["outcome"] == "acknowledged"]
    lost = acknowledged[~acknowledged["found"].astype(bool)]
    landed_s = float(pd.read_parquet(run.path / "faults.parquet")["landed_s"].iloc[0])
    rpo_ms = (landed_s - lost["acknowledged_s"].min()) * 1000
    assert f"{len(lost)} acknowledged notes were lost" in words(report)
    assert f"{len(acknowledged)} {len(acknowledged) - len(lost)} {len(lost)} " in words(report)
    shown = f"{rpo_ms / 1000:#.3g} s" if rpo_ms >= 1000 else f"{rpo_ms:#.3g} ms".replace(". ", " ")
    assert shown in words(report)


def test_the_latency_on_the_page_is_that_of_the_parquet(reports: dict[str, Report]) -> None:
    report = reports["held-so-far"]
    run = next(r for r in list_runs(report.path.parent) if r.record.kind == "chaos")
    requests = pd.read_parquet(run.path / "requests.parquet")
    start_s = requests["intended_s"].min() + local_design().workload.ramp_s
    injected_s = float(pd.read_parquet(run.path / "faults.parquet")["injected_s"].iloc[0])
    lookups = requests[requests["operation"] == "lookup"]
    calm = lookups[(lookups["intended_s"] >= start_s) & (lookups["finished_s"] <= injected_s)]
    p95_ms = np.quantile(calm["finished_s"] - calm["intended_s"], 0.95) * 1000
    assert "Patient look-up, 95th percentile, all nodes up" in words(report)
    assert f"{p95_ms:#.3g} ms" in words(report)
    assert len(calm) >= 59
    assert f" {len(calm)} " in words(report)
    assert f"{len(calm)} / 59" not in words(report), "no more are needed"


def test_the_prediction_on_the_page_is_that_of_the_samples(reports: dict[str, Report]) -> None:
    report = reports["held-so-far"]
    run = next(r for r in list_runs(report.path.parent) if r.record.kind == "prediction")
    samples = pd.read_parquet(run.path / "failover_samples.parquet")
    outage_s = samples.loc[samples["operation"] == "write", "outage_s"]
    lower, upper = np.quantile(outage_s, [0.025, 0.975])
    assert f"predicted {lower:#.3g} to {upper:#.3g} s" in words(report)


def test_an_unconfirmed_fault_is_said_beside_the_picture(reports: dict[str, Report]) -> None:
    assert "The fault was not confirmed (mac-1 still answers)" in words(reports["unconfirmed"])


def test_an_unread_ledger_is_said_in_its_table(reports: dict[str, Report]) -> None:
    assert "not read" in words(reports["no-ledger"])


def test_coverage_counts_the_pairs_of_the_json(reports: dict[str, Report]) -> None:
    document = json.loads((reports["refuted"].path / "report.json").read_text())
    coverage = document["coverage"]
    assert coverage["n"] == len(coverage["pairs"])
    inside = [
        p["predicted"]["lower"] <= p["measured"] <= p["predicted"]["upper"]
        for p in coverage["pairs"]
    ]
    assert coverage["covered"] == sum(inside) < coverage["n"]
    assert f"{sum(inside)} of {len(inside)} measured figures" in words(reports["refuted"])


def test_the_prediction_a_chaos_run_names_is_taken_in(tmp_path: Path) -> None:
    prediction = write_prediction(tmp_path, local_design())
    chaos = write_situation(tmp_path / "x", replace(HELD_SO_FAR, prediction_first=False))[0]
    moved = chaos.rename(tmp_path / chaos.name)
    run = load_run(moved)
    outcome = {**run.record.outcome, "prediction": prediction.name}
    later = run.record.model_copy(
        update={
            "outcome": outcome,
            "started": "2026-03-03T09:00:00+00:00",
            "finished": "2026-03-03T09:03:00+00:00",
        }
    )
    (moved / "run.json").write_text(later.model_dump_json())
    report = build_report([moved], tmp_path)
    assert prediction.name in report.document["runs"]  # type: ignore[operator]


def test_a_report_may_lie_in_another_root_than_its_runs(tmp_path: Path) -> None:
    runs = write_situation(tmp_path / "runs", HELD_SO_FAR)
    report = build_report(runs, tmp_path / "elsewhere")
    assert all((report.path / link).exists() for link in outline(report).links if link[0] != "#")


def test_runs_of_two_designs_are_refused_by_name(tmp_path: Path) -> None:
    design = local_design()
    one = write_chaos(tmp_path, design, HELD_SO_FAR)
    two = write_prediction(tmp_path, design.model_copy(update={"title": "Something else"}))
    with pytest.raises(InputError, match=two.name):
        build_report([one, two], tmp_path)


def test_no_run_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no run"):
        build_report([], tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_runs_are_called_by_kind_and_number(roots: dict[str, Path]) -> None:
    runs = [r for r in list_runs(roots["held-so-far"]) if r.record.kind != "report"]
    assert list(short_names(runs).values()) == ["prediction 1", "chaos 1"]


def test_replications_without_a_request_of_a_kind_are_left_out_of_its_latency(
    tmp_path: Path,
) -> None:
    prediction = write_prediction(tmp_path, local_design())
    latency = pd.read_parquet(prediction / "latency.parquet")
    latency.loc[latency["operation"] == "login", ["p50", "p95", "p99"]] = np.nan
    latency.loc[latency["replication"] == 0, "p95"] = np.nan
    latency.to_parquet(prediction / "latency.parquet", index=False)
    document = build_report([prediction], tmp_path).document
    rows = {(row["operation"], row["quantile"]): row for row in document["latency"]}  # type: ignore[union-attr, index, call-overload]
    assert ("login", 0.5) not in rows
    assert rows["lookup", 0.95]["predicted"]["n"] == 19  # type: ignore[index, call-overload]


def test_a_prediction_that_is_no_estimate_is_named(tmp_path: Path) -> None:
    prediction = write_prediction(tmp_path, local_design())
    record = load_run(prediction).record
    outcome = {**record.outcome, "predictions": {"B-01.availability": {"estimate": 2}}}
    text = record.model_copy(update={"outcome": outcome}).model_dump_json()
    (prediction / "run.json").write_text(text)
    with pytest.raises(RecordError, match=r"outcome\.predictions\.B-01\.availability"):
        build_report([prediction], tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [prediction.name]

"""Building a report: the one place of this package that writes."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import JsonValue, ValidationError

from architecture import Design, InputError
from evidence import Estimate, Run, RunWriter, Verdict, load_run
from evidence.record import RecordError, json_document
from reports.availability import KIND as AVAILABILITY
from reports.capacity import KIND as CAPACITY
from reports.doubts import KIND as DOUBTS
from reports.doubts import Doubt, doubts_of
from reports.findings import Findings, findings
from reports.html import render

HTML_NAME = "report.html"
CHAPTERS = frozenset({AVAILABILITY, CAPACITY, DOUBTS})
JSON_NAME = "report.json"


@dataclass(frozen=True)
class Report:
    """A written report. ``document`` is what ``report.json`` holds."""

    path: Path
    verdicts: tuple[Verdict, ...]
    exit_code: int
    document: Mapping[str, JsonValue]

    @property
    def page(self) -> Path:
        """The HTML page."""
        return self.path / HTML_NAME


def build_report(
    runs: Sequence[Path], root: Path, progress: Callable[[str], None] = lambda _: None
) -> Report:
    """Judge the runs and write a run of kind ``report`` under ``root``.

    Findings on the doubts, predicted uptime and answers on capacity are chapters; they may be of
    other designs.

    A prediction that a chaos run names as its own is taken in too when it lies beside that run.

    Raises:
        InputError: without runs, or when they are of several designs.
        RecordError: when a folder is no run, or a record or table can't be read.
    """
    gathered, settled = _apart(with_named_predictions([load_run(path) for path in runs]))
    design = design_of(gathered or settled)
    progress(f"judging {len(gathered)} runs of {design.name}")
    found = findings(gathered, design)
    every = [*found.runs, *settled]
    parameters: dict[str, JsonValue] = {"runs": [run.name for run in every]}
    with RunWriter.of_design(
        root,
        kind="report",
        design=design,
        seed=None,
        parameters=parameters,
    ) as writer:
        progress("drawing the page")
        links = relative_links(every, root / writer.name)
        written = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"
        chapter = doubts_of(of_kind(settled, DOUBTS))
        document = report_document(found, name=writer.name, doubts=chapter)
        page = render(
            found, links=links, name=writer.name, written=written, doubts=chapter, further=settled
        )
        writer.file(HTML_NAME).write_text(page, encoding="utf-8")
        writer.file(JSON_NAME).write_text(
            json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n",
            encoding="utf-8",
        )
        writer.finish({"verdicts": document["verdicts"], "exit_code": found.exit_code})
    progress(f"wrote {writer.path / HTML_NAME}")
    return Report(writer.path, found.verdicts, found.exit_code, document)


def rebuild_page(report: Run) -> str:
    """The page of an earlier report, made again from the records it was made from.

    Raises:
        RecordError: when one of those runs no longer lies beside the report.
    """
    names = report.record.parameters.get("runs")
    if report.record.kind != "report" or not isinstance(names, list):
        raise RecordError(f"{report.path}: is no record of a report")
    runs = [load_run(report.path.parent / str(name)) for name in names]
    judged, settled = _apart(runs)
    found = findings(judged, design_of(judged or settled))
    links = relative_links([*found.runs, *settled], report.path)
    written = f"{datetime.fromisoformat(report.record.finished):%Y-%m-%d %H:%M:%S} UTC"
    return render(
        found, links=links, name=report.name, written=written,
        doubts=doubts_of(of_kind(settled, DOUBTS)), further=settled,
    )  # fmt: skip


def _apart(runs: Sequence[Run]) -> tuple[list[Run], list[Run]]:
    """Runs to judge promises from, and those that have a chapter of their own."""
    chapters = [run for run in runs if run.record.kind in CHAPTERS]
    return [run for run in runs if run.record.kind not in CHAPTERS], chapters


def of_kind(runs: Sequence[Run], kind: str) -> list[Run]:
    """Those of one kind."""
    return [run for run in runs if run.record.kind == kind]


def design_of(runs: Sequence[Run]) -> Design:
    """The one design that the runs are records of.

    Raises:
        InputError: without runs, or when there are several designs.
        RecordError: when the recorded design is not valid any more.
    """
    if not runs:
        raise InputError("no run was given", where="report", allowed="folders of finished runs")
    designs = {run.record.design_hash: run for run in runs}
    if len(designs) > 1:
        named = "; ".join(
            f"{run.name}: {run.record.design} {key[:12]}" for key, run in designs.items()
        )
        raise InputError(
            f"the runs are of {len(designs)} different designs ({named})",
            where="report",
            allowed="runs of one design with the same settings",
        )
    run = runs[0]
    try:
        return Design.model_validate(run.record.design_document)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(str(part) for part in first["loc"])
        raise RecordError(f"{run.path}: design_document.{key}: {first['msg']}") from error


def with_named_predictions(runs: Sequence[Run]) -> list[Run]:
    """The runs, and the predictions they name that lie beside them; each once."""
    gathered = {run.name: run for run in runs}
    for run in runs:
        name = run.record.outcome.get("prediction")
        if not isinstance(name, str) or name in gathered:
            continue
        beside = run.path.parent / name
        if (beside / "run.json").is_file():
            gathered[name] = load_run(beside)
    return list(gathered.values())


def relative_links(runs: Sequence[Run], report_path: Path) -> dict[str, str]:
    """Address of each run's folder, as seen from the report's folder."""
    start = report_path.resolve()
    return {
        run.name: Path(os.path.relpath(run.path.resolve(), start)).as_posix() + "/" for run in runs
    }


def report_document(
    found: Findings, *, name: str, doubts: Sequence[Doubt] = ()
) -> dict[str, JsonValue]:
    """What ``report.json`` holds. Infinite figures are written as the string ``Infinity``."""
    pairs = [
        {**asdict(pair), "predicted": _estimate(pair.predicted), "covered": pair.covered}
        for pair in found.pairs
    ]
    document: dict[str, Any] = {
        "run": name,
        "design": found.design.name,
        "design_hash": found.design_hash,
        "exit_code": found.exit_code,
        "runs": [run.name for run in found.runs],
        "doubts": [{"id": d.id, "verdict": d.verdict, "run": d.run} for d in doubts],
        "verdicts": [
            {
                **json_document(judgement.verdict),
                "prediction": judgement.prediction,
                "prediction_covers": judgement.verdict.prediction_covers,
            }
            for judgement in found.judgements
        ],
        "coverage": {
            "covered": sum(pair.covered for pair in found.pairs),
            "n": len(pairs),
            "pairs": pairs,
        },
        "latency": [
            {
                "operation": row.operation,
                "quantile": row.quantile,
                "predicted": _estimate(row.predicted),
                "measured": _estimate(row.measured),
            }
            for row in found.latency
        ],
        "trials": [
            {
                "run": trial.run.name,
                "fault": trial.fault,
                "site": trial.site,
                "confirmed": trial.confirmed,
                "requests": trial.requests,
                "users": trial.users,
                "rto_s": {key: back.rto_s for key, back in trial.returns.items()},
                "ledger": None if trial.account is None else asdict(trial.account),
            }
            for trial in found.trials
        ],
    }
    cleaned: dict[str, JsonValue] = _finite(document)
    return cleaned


def _estimate(value: Estimate | None) -> dict[str, JsonValue] | None:
    return None if value is None else json_document(value)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(part) for part in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
    return value

"""The report as one self-contained HTML page; the same records give the same page."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from architecture import Design
from architecture.requirements import all_requirements
from evidence import Run
from reports import palette, wording
from reports.availability import availability_pages
from reports.bullet import bullet
from reports.capacity import capacity_pages
from reports.definitions import DEFINITIONS, Entry, limits
from reports.doubts import Doubt
from reports.findings import Findings, picture_of, telling_trial
from reports.headline import answer, counts, sentences
from reports.picture import in_words
from reports.timeline import svg
from reports.trials import Trial

FOLDER = Path(__file__).parent
CARD_METRICS = ("rto_s", "lost_writes")


def render(
    findings: Findings, *, links: Mapping[str, str], name: str, written: str,
    doubts: Sequence[Doubt] = (), further: Sequence[Run] = (),
) -> str:  # fmt: skip
    """The page.

    Args:
        findings: What to say.
        links: Run name: address of its folder, relative to the page.
        name: The report's own name; it and ``written`` stand in the last line only.
        written: When the report was made, UTC.
        doubts: The chapter on the doubts; left out when there are none.
        further: Runs that chapters rest on, beside those of ``findings``; uptime and capacity
            among them make chapters.

    Raises:
        RecordError: when one of ``further`` is not what its kind says.
    """
    shown = telling_trial(findings.trials)
    levels = {v.predicted.confidence for v in findings.verdicts if v.predicted is not None}
    return _environment().get_template("report.html.jinja").render(
        f=findings,
        css=(FOLDER / "report.css").read_text(encoding="utf-8"),
        answer=answer(findings),
        counts=counts(findings),
        sentences=sentences(findings),
        cards=[j for j in findings.judgements if j.tested and j.objective.metric in CARD_METRICS],
        level=f"{max(levels, default=0.95) * 100:g} %",
        links=links,
        short=short_names([*findings.runs, *further]),
        doubts=doubts,
        availability=availability_pages(further),
        capacity=capacity_pages(further),
        name=name,
        written=written,
        requirements=requirements_of(findings.design),
        shown=shown,
        story=_story(shown),
        picture=_picture(findings, shown),
        unmeasured_operations=[wording.OPERATIONS[name] for name in findings.unmeasured_operations],
        covered=sum(pair.covered for pair in findings.pairs),
        limits=limits(findings),
        definitions=DEFINITIONS,
        **_provenance(findings, further),
    )  # fmt: skip


def requirements_of(design: Design) -> list[Entry]:
    """What the documents say under the ids that the design's objectives come from."""
    ids = dict.fromkeys(objective.requirement for objective in design.objectives)
    known = {requirement.id: requirement for requirement in all_requirements()}
    return [Entry(f"{key} · {known[key].part}", known[key].text) for key in ids if key in known]


def recovered(trial: Trial, operation: str) -> str:
    """When an operation was served again, in words."""
    back = trial.returns.get(operation)
    if back is None or not back.attempts:
        return "–"
    if back.rto_s is not None:
        return wording.seconds(back.rto_s)
    if back.failing_until_s > 0:
        return f"> {wording.seconds(back.failing_until_s)}"
    return "not lasting"


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(FOLDER), autoescape=True, undefined=StrictUndefined,
        keep_trailing_newline=True,
    )  # fmt: skip
    environment.globals.update(
        figure=wording.figure,
        interval=wording.interval,
        target=wording.target,
        seconds=wording.seconds,
        number=wording.count,
        operations=wording.OPERATIONS,
        marks=palette.VERDICT_MARKS,
        words=palette.VERDICT_WORDS,
        bullet=bullet,
        recovered=recovered,
        known=lambda value: "not read" if value is None else wording.count(value),
    )
    return environment


def _story(shown: Trial | None) -> str:
    if shown is None:
        return ""
    fault = wording.LOSSES.get(shown.fault, shown.fault)
    return f"{fault[0].upper()}{fault[1:]} ({shown.site}) with {shown.users} users at work:"


def short_names(runs: Sequence[Run]) -> dict[str, str]:
    """Run name: kind and number, by which tables refer to it ("chaos 2")."""
    seen: Counter[str] = Counter()
    names = {}
    for run in runs:
        seen[run.record.kind] += 1
        names[run.name] = f"{run.record.kind} {seen[run.record.kind]}"
    return names


def _picture(findings: Findings, shown: Trial | None) -> dict[str, str] | None:
    if shown is None:
        return None
    picture = picture_of(shown, findings.judgements)
    words = in_words(picture)
    return {
        "wide": svg(picture, "wide", name="wide", describedby=words),
        "narrow": svg(picture, "narrow", name="narrow", describedby=words),
    }


def _provenance(findings: Findings, further: Sequence[Run]) -> dict[str, object]:
    runs = (*findings.runs, *further)
    hosts = {
        ", ".join(f"{key} {value}" for key, value in sorted(run.record.host.items()))
        for run in runs
    }
    versions = {
        f"{package} {version}"
        for run in runs
        for package, version in run.record.versions.items()
        if version != "not installed"
    }
    users = sorted({trial.users for trial in findings.trials})
    return {
        "hosts": sorted(hosts),
        "versions": sorted(versions),
        "span": _span(runs),
        "users_seen": f"{' or '.join(map(str, users))} at work in the experiments"
        if users
        else "no experiment with users",
        "run_rows": [_run_row(run) for run in runs],
    }


def _run_row(run: Run) -> dict[str, str]:
    began, ended = (datetime.fromisoformat(t) for t in (run.record.started, run.record.finished))
    return {
        "name": run.name,
        "kind": run.record.kind,
        "began": f"{began:%Y-%m-%d %H:%M:%S}",
        "took": wording.seconds(math.floor((ended - began).total_seconds())),
        "seed": "–" if run.record.seed is None else str(run.record.seed),
    }


def _span(runs: tuple[Run, ...]) -> str:
    if not runs:
        return "no run"
    began = min(datetime.fromisoformat(run.record.started) for run in runs)
    ended = max(datetime.fromisoformat(run.record.finished) for run in runs)
    if began.date() == ended.date():
        return f"{began:%d %B %Y, %H:%M}–{ended:%H:%M}".lstrip("0")
    return f"{began:%d %B %Y %H:%M} – {ended:%d %B %Y %H:%M}".lstrip("0")

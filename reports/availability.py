"""The chapter on availability: a page's worth per design, as its run recorded it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from evidence import Estimate, Run
from evidence.record import RecordError
from reports import wording
from reports.assumptions import failure_line, figure_line, ranges_of, sources_in_words
from reports.bars import Bar, bars
from reports.capacity import Line
from reports.predictions import MODEL_SAYS
from reports.wording import capital

KIND: Final = "availability"
YEAR_MIN: Final = 8760 * 60
SHOWN_FROM: Final = 0.01
"""Share of the budget from which a cause has a bar and a row of its own."""

MEASURES: Final = {
    "time_based": "everybody has every function (the promise is about this one)",
    "with_emergency": "something answers a look-up, the cloud's emergency mode included",
    "request_based": "requests served in the end, retries included",
    "capacity_weighted": "share of users times share of functions",
}
CAUSES: Final = {
    "power": "the power fails (grid, generator, battery)",
    "release": "a release breaks the service",
    "pause": "a pause is taken for a death",
    "planned": "planned work (releases, drills)",
}
PHASES: Final = {"emergency": "in the emergency mode", "repair": "waiting for a repair"}


@dataclass(frozen=True)
class AvailabilityPage:
    """What one design's year is predicted to be.

    Attributes:
        design: Its name, with the beginning of its hash where two designs have the name.
        basis: How many years and histories, one sentence.
        verdict: What the model says by itself of the promise.
        reason: Why.
        miss: How likely a year misses the promise, and what that is due to.
        measures: Uptime counted in four ways.
        picture: Two ``<svg>`` elements, ``wide`` and ``narrow``: what uses the budget.
        spent: Beside the picture: where in an outage the minutes pass.
        importance: What each cause would save if it never failed, when that is 1 % of the budget
            or more; empty when not asked for.
        unimportant: How many others were looked at.
        changes: Single changes, most minutes for the money first; empty when not asked for.
        sources: How many of the figures rest on estimates.
        failures: The failures' figures and sources.
        figures: All other figures and sources.
        run: The run's name.
    """

    design: str
    basis: str
    verdict: str
    reason: str
    miss: str
    measures: tuple[Line, ...]
    picture: dict[str, str]
    spent: str
    importance: tuple[Line, ...]
    unimportant: int
    changes: tuple[Line, ...]
    sources: str
    failures: tuple[Line, ...]
    figures: tuple[Line, ...]
    run: str


def availability_pages(runs: Sequence[Run]) -> tuple[AvailabilityPage, ...]:
    """The newest prediction of uptime for each design that the runs hold, by the design's name.

    Raises:
        RecordError: when a record of kind ``availability`` is not one.
    """
    newest: dict[str, Run] = {}
    for run in sorted(runs, key=lambda run: run.record.started):
        if run.record.kind == KIND:
            newest[run.record.design_hash] = run
    names = Counter(run.record.design for run in newest.values())
    ordered = sorted(newest.values(), key=lambda run: (run.record.design, run.name))
    return tuple(_page_of(run, alone=names[run.record.design] == 1) for run in ordered)


def _page_of(run: Run, *, alone: bool) -> AvailabilityPage:
    name = run.record.design if alone else f"{run.record.design} {run.record.design_hash[:12]}"
    try:
        return _page(run, name)
    except (KeyError, TypeError, ValueError) as error:
        raise RecordError(f"{run.path}: outcome: {error!r}") from error


def _page(run: Run, name: str) -> AvailabilityPage:
    outcome: Any = run.record.outcome
    design: Any = run.record.design_document
    settings: Any = run.record.parameters
    titles = CAUSES | {key: mode["title"] for key, mode in design["failures"].items()}
    target, budget_min = outcome["target"], outcome["error_budget"]["budget_min"]
    promised = f"{wording.share(target)} (at most {_minutes(budget_min)} a year)"
    verdict = outcome["verdict"]
    drawn = "drawn anew for each" if settings["inputs"] == "drawn" else "typical in all"
    ranges = tuple(ranges_of(design))
    important = [
        row
        for row in outcome.get("importance", ())
        if row["perfect_min"] >= SHOWN_FROM * budget_min
    ]
    return AvailabilityPage(
        design=name,
        basis=f"{wording.count(settings['years'])} simulated years in {settings['replications']} "
        f"histories, the uncertain figures {drawn}.",
        verdict=f"By the model alone the promise of {promised} {MODEL_SAYS[verdict['predicted']]}.",
        reason=f"{capital(verdict['reason'])}.",
        miss=_miss(outcome, target),
        measures=tuple(_measure(outcome, key, budget_min) for key in outcome["availability"]),
        picture=_picture(outcome, titles, target),
        spent=_spent(outcome["downtime_min_per_year"]["by_phase"]),
        importance=tuple(_importance(row, titles) for row in important),
        unimportant=len(outcome.get("importance", ())) - len(important),
        changes=tuple(_change(row) for row in outcome.get("changes", ())),
        sources=sources_in_words([entry["source"] for _, entry in ranges]),
        failures=tuple(failure_line(mode) for mode in design["failures"].values()),
        figures=tuple(figure_line(key, entry) for key, entry in ranges if key[0] != "failures"),
        run=run.name,
    )


def _miss(outcome: Mapping[str, Any], target: float) -> str:
    missed = Estimate.model_validate(outcome["probability_to_miss"])
    luck = outcome["variance_of_a_year"]["chance_share"]
    return (
        f"A year misses {wording.share(target)} with probability {missed.estimate:.2g} "
        f"({missed.lower:.2g} to {missed.upper:.2g}). How one year turns out is luck for "
        f"{luck:.0%} of its variance, for the rest what is not known about the figures."
    )


def _measure(outcome: Mapping[str, Any], key: str, budget_min: float) -> Line:
    up = Estimate.model_validate(outcome["availability"][key])
    possible = Estimate.model_validate(outcome["possible_availability"][key])
    down = Estimate(
        lower=YEAR_MIN * (1 - up.upper), estimate=YEAR_MIN * (1 - up.estimate),
        upper=YEAR_MIN * (1 - up.lower), confidence=up.confidence, n=up.n,
    )  # fmt: skip
    cells = (
        wording.estimate(up, wording.SHARE),
        wording.interval(possible, wording.SHARE),
        _estimate(down),
        f"{down.estimate / budget_min:.0%}" if budget_min else "–",
    )
    return Line(f"{key.replace('_', '-')}: {MEASURES.get(key, '')}", cells)


def _picture(
    outcome: Mapping[str, Any], titles: Mapping[str, str], target: float
) -> dict[str, str]:
    budget_min = outcome["error_budget"]["budget_min"]
    down = outcome["downtime_min_per_year"]
    rows = [_bar("All together", Estimate.model_validate(down["total"]), budget_min, strong=True)]
    small = []
    for cause, document in down["by_cause"].items():
        minutes = Estimate.model_validate(document)
        if minutes.estimate >= SHOWN_FROM * budget_min:
            rows.append(
                _bar(capital(titles.get(cause, cause).partition(" (")[0]), minutes, budget_min)
            )
        else:
            small.append(minutes.estimate)
    if small:
        rest = Estimate(estimate=sum(small), lower=sum(small), upper=sum(small), confidence=0, n=0)
        causes = wording.plural(len(small), "other cause")
        rows.append(_bar(f"{causes} together", rest, budget_min))
    words = f"budget of {wording.share(target)}: {_minutes(budget_min)} a year"
    return {
        "wide": bars(rows, budget_min, words, "wide"),
        "narrow": bars(rows, budget_min, words, "narrow"),
    }


def _bar(name: str, minutes: Estimate, budget_min: float, *, strong: bool = False) -> Bar:
    words = _minutes(minutes.estimate)
    if budget_min:
        words += f" · {minutes.estimate / budget_min:.0%}"
    return Bar(name, words, minutes, strong=strong)


def _spent(by_phase: Mapping[str, float]) -> str:
    total = sum(by_phase.values())
    if not total:
        return ""
    listed = [
        f"{minutes / total:.0%} {PHASES.get(phase, phase.replace('-', ' '))}"
        for phase, minutes in list(by_phase.items())[:3]
    ]
    return f"Of the unplanned minutes pass: {', '.join(listed)}."


def _importance(row: Mapping[str, Any], titles: Mapping[str, str]) -> Line:
    return Line(
        capital(titles.get(row["cause"], row["cause"])),
        (
            _minutes(row["perfect_min"]),
            _estimate(Estimate.model_validate(row["simulated_min"])),
            f"{row['repair_elasticity']:+.2f}{wording.NBSP}%",
        ),
    )


def _change(row: Mapping[str, Any]) -> Line:
    saved, cost, ratio = (
        Estimate.model_validate(row[key]) for key in ("saved_min", "cost_brl", "min_per_kbrl")
    )
    price = (
        f"R${wording.NBSP}{wording.count(cost.estimate)} "
        f"({wording.count(cost.lower)} to {wording.count(cost.upper)})"
    )
    return Line(
        row["title"],
        (
            _estimate(saved),
            price,
            _estimate(ratio),
            f"{row['best']:.0%}",
        ),
    )


def _minutes(value: float) -> str:
    shown = "0" if abs(value) < 0.005 else wording.significant(value)  # noqa: PLR2004
    return f"{shown}{wording.NBSP}min"


def _estimate(value: Estimate) -> str:
    middle, lower, upper = (
        "0" if abs(part) < 0.005 else wording.significant(part)  # noqa: PLR2004
        for part in (value.estimate, value.lower, value.upper)
    )
    return middle if lower == upper else f"{middle} ({lower} to {upper})"

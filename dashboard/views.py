"""What the pages show, as data frames and charts. Pure; knows nothing of Streamlit."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import altair as alt
import pandas as pd

from evidence import Estimate, Outcome, Run
from evidence.verdict import EXIT_INCONCLUSIVE, EXIT_NOTHING_REFUTED, EXIT_REFUTED
from reports import palette, wording
from reports.findings import Findings, LatencyRow
from reports.html import short_names
from reports.judge import Judgement
from reports.predictions import Pair
from reports.trials import Trial

EXIT_WORDS = {
    EXIT_NOTHING_REFUTED: "every promise held",
    EXIT_REFUTED: "a promise is refuted",
    EXIT_INCONCLUSIVE: "nothing refuted, something still open",
}
_INSIDE, _OUTSIDE = "inside the prediction", "outside the prediction"
_ROW_PX, _FRAME_PX = 34, 120
"""Height of a chart's row, and of its legend and axis together."""


def verdict_table(findings: Findings) -> pd.DataFrame:
    """One row an objective; figures in words, so that units stay with them."""
    return pd.DataFrame(
        [
            {
                "Verdict": verdict_words(v.verdict),
                "Promise": v.title,
                "Target": wording.target(v.target, v.unit),
                "Predicted": "–" if v.predicted is None else wording.estimate(v.predicted, v.unit),
                "Measured": "–" if v.measured is None else wording.estimate(v.measured, v.unit),
                "n / needed": wording.count(v.n)
                + ("" if v.needed is None else f"{wording.NBSP}/{wording.NBSP}{v.needed}"),
                "Why": v.reason,
                "Objective": v.objective,
            }
            for v in findings.verdicts
        ]
    )


def verdict_words(outcome: Outcome) -> str:
    """Mark and word of a verdict."""
    return f"{palette.VERDICT_MARKS[outcome]}{wording.NBSP}{palette.VERDICT_WORDS[outcome]}"


def featured(findings: Findings) -> list[Judgement]:
    """Judgements worth a card: what was tested, refuted ones first, then in the design's order."""
    order = {"refuted": 0, "inconclusive": 1, "held": 2}
    tested = [judgement for judgement in findings.judgements if judgement.tested]
    return sorted(tested, key=lambda judgement: order[judgement.verdict.verdict])


def events_table(events: pd.DataFrame, zero_s: float) -> pd.DataFrame:
    """A run's events in order, their time counted from ``zero_s``."""
    ordered = events.sort_values("time_s", ignore_index=True)
    return pd.DataFrame(
        {
            "Seconds after landing": (ordered["time_s"] - zero_s).round(2),
            "Source": ordered["source"],
            "Event": ordered["event"],
            "Detail": ordered["detail"],
        }
    )


def lost_notes(ledger: pd.DataFrame, landed_s: float) -> pd.DataFrame:
    """Notes that were acknowledged and not found, oldest acknowledgement first."""
    if ledger["found"].isna().any():
        return pd.DataFrame(columns=["Client id", "Writer", "Acknowledged before landing, s"])
    lost = ledger[(ledger["outcome"] == "acknowledged") & ~ledger["found"].astype(bool)]
    lost = lost.sort_values("acknowledged_s", ignore_index=True)
    return pd.DataFrame(
        {
            "Client id": lost["client_id"],
            "Writer": lost["writer"],
            "Acknowledged before landing, s": (landed_s - lost["acknowledged_s"]).round(2),
        }
    )


def ledger_figures(trial: Trial) -> dict[str, str]:
    """The ledger's account, label and figure; empty without a ledger."""
    account = trial.account
    if account is None:
        return {}
    return {
        "Acknowledged": wording.count(account.acknowledged),
        "Lost": "not read" if account.lost is None else wording.count(account.lost),
        "RPO": "–" if account.rpo_s is None else wording.seconds(account.rpo_s),
        "Unknown": wording.count(account.unknown),
        "… found": "not read"
        if account.unknown_found is None
        else wording.count(account.unknown_found),
        "Refused": wording.count(account.refused),
    }


def trial_names(trials: Sequence[Trial], runs: Sequence[Run]) -> dict[str, Trial]:
    """How a reader picks a trial: its run, fault and time; the newest first."""
    short = short_names(runs)
    return {
        f"{short[trial.run.name]}: {trial.fault} on {trial.site}, "
        f"{trial.run.record.started[:16].replace('T', ' ')}"
        f"{'' if trial.confirmed else ' (not confirmed)'}": trial
        for trial in reversed(trials)
    }


def recovery_intervals(pairs: Sequence[Pair], short: dict[str, str]) -> pd.DataFrame:
    """Predicted and measured recovery times, a row a pair. Times in seconds."""
    chosen = [pair for pair in pairs if ".rto" in pair.objective and math.isfinite(pair.measured)]
    return _intervals(
        (f"{pair.title} · {short[pair.run]}", pair.predicted, pair.measured, pair.covered)
        for pair in chosen
    )


def latency_intervals(rows: Sequence[LatencyRow]) -> pd.DataFrame:
    """Predicted and measured response times, a row a percentile. Times in seconds."""
    return _intervals(
        (
            f"{wording.OPERATIONS[row.operation]} · p{row.quantile * 100:.0f}",
            row.predicted,
            row.measured.estimate,
            row.covered,
        )
        for row in rows
        if row.predicted is not None and row.measured is not None and row.covered is not None
    )


def interval_chart(table: pd.DataFrame, *, logarithmic: bool = False) -> alt.LayerChart:
    """Predicted intervals as bars, measured figures as marks: filled inside, hollow outside."""
    scale = alt.Scale(type="log", nice=False) if logarithmic else alt.Scale(zero=True)
    axis = alt.Axis(labelLimit=420, domain=False, ticks=False)
    y = alt.Y("label:N", sort=None, title=None, axis=axis)
    kinds = [_INSIDE, _OUTSIDE]
    colours = [palette.MEASURED, palette.MARKS["unknown"].colour]
    colour = alt.Color("fit:N", title="Measured", scale=alt.Scale(domain=kinds, range=colours))
    shapes = alt.Scale(domain=kinds, range=["circle", "diamond"])
    shape = alt.Shape("fit:N", title="Measured", scale=shapes)
    tips = [
        alt.Tooltip("label:N", title="What"),
        alt.Tooltip("predicted_words:N", title="Predicted"),
        alt.Tooltip("measured_words:N", title="Measured"),
    ]
    base = alt.Chart(table).encode(y=y, tooltip=tips)
    bars = base.mark_bar(height=14, color=palette.PREDICTED, opacity=0.28).encode(
        x=alt.X("lower:Q", scale=scale, title="seconds"), x2="upper:Q"
    )
    middles = base.mark_tick(height=14, thickness=1.5, color=palette.PREDICTED).encode(
        x="estimate:Q"
    )
    points = base.mark_point(size=110, filled=True, opacity=1).encode(
        x="measured:Q", color=colour, shape=shape
    )
    chart: alt.LayerChart = (
        alt.layer(bars, middles, points)
        .properties(height=len(table) * _ROW_PX + _FRAME_PX)
        .configure_view(strokeWidth=0)
        .configure_axis(labelFontSize=13, titleFontSize=13)
        .configure_legend(orient="top", labelFontSize=13, titleFontSize=13)
    )
    return chart


def pairs_table(pairs: Sequence[Pair], short: dict[str, str]) -> pd.DataFrame:
    """Every measured figure that a prediction preceded."""
    return pd.DataFrame(
        [
            {
                "Promise": pair.title,
                "Run": short[pair.run],
                "Predicted": wording.interval(pair.predicted, pair.unit),
                "Measured": wording.figure(pair.measured, pair.unit),
                "Inside": pair.covered,
                "Prediction": short[pair.prediction],
            }
            for pair in pairs
        ],
        columns=["Promise", "Run", "Predicted", "Measured", "Inside", "Prediction"],
    )


def runs_table(runs: Sequence[Run]) -> pd.DataFrame:
    """All runs, the newest first."""
    return pd.DataFrame(
        [
            {
                "Run": run.name,
                "Kind": run.record.kind,
                "Design": run.record.design,
                "Began": pd.Timestamp(run.record.started),
                "Took, s": round(
                    (
                        pd.Timestamp(run.record.finished) - pd.Timestamp(run.record.started)
                    ).total_seconds(),
                    1,
                ),
                "Seed": run.record.seed,
                "Tables": ", ".join(run.record.tables),
            }
            for run in reversed(runs)
        ],
        columns=["Run", "Kind", "Design", "Began", "Took, s", "Seed", "Tables"],
    ).astype({"Seed": "Int64"})


def designs(runs: Sequence[Run]) -> dict[str, str]:
    """Name to choose a design by: its hash; the one of the newest run first."""
    found: dict[str, str] = {}
    for run in reversed(runs):
        found.setdefault(run.record.design_hash, run.record.design)
    names = list(found.values())
    return {
        f"{name} ({key[:8]})" if names.count(name) > 1 else name: key for key, name in found.items()
    }


def newest_report(runs: Sequence[Run], design_hash: str) -> Run | None:
    """The newest report on a design."""
    found = [
        run for run in runs if run.record.kind == "report" and run.record.design_hash == design_hash
    ]
    return found[-1] if found else None


def _intervals(rows: Iterable[tuple[str, Estimate, float, bool]]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "label": label,
                "lower": predicted.lower,
                "estimate": predicted.estimate,
                "upper": predicted.upper,
                "measured": measured,
                "fit": _INSIDE if covered else _OUTSIDE,
                "predicted_words": wording.interval(predicted, "s"),
                "measured_words": wording.seconds(measured),
            }
            for label, predicted, measured, covered in rows
        ],
        columns=[
            "label", "lower", "estimate", "upper", "measured", "fit", "predicted_words",
            "measured_words",
        ],
    )  # fmt: skip

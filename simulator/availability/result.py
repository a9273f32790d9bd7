"""A design's uptime as a document: what `testbed availability` prints and records."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import JsonValue
from pydantic_core import to_jsonable_python

from architecture.design import Design
from evidence import Estimate, RunWriter
from evidence.estimate import mean_interval, sample_interval
from simulator.availability.budget import ErrorBudget, error_budget, uptime_target
from simulator.availability.exact import ExactModel
from simulator.availability.one_year import judge_long_run, probability_to_miss, up_share
from simulator.availability.rates import YEAR_H
from simulator.availability.uptime import MEASURES, Inputs, Replication

FloatArray = npt.NDArray[np.float64]
KIND = "availability"
LENGTHS_MIN = (1.0, 5.0, 30.0, 60.0, 240.0, 1440.0)
PERCENTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
VERY_MANY_NINES = 12.0


@dataclass(frozen=True)
class Uptime:
    """What the replications and the chain say about one design."""

    design: Design
    seed: int
    years: int
    inputs: Inputs
    replications: Sequence[Replication]
    exact: ExactModel
    uncertain_h: Mapping[str, FloatArray]
    extras: Mapping[str, Any] = field(default_factory=dict)

    def availability(self) -> dict[str, Estimate]:
        """Each measure as a share: a t-interval over replications."""
        return {
            measure: _share([made.lost_h_per_year(measure) for made in self.replications])
            for measure in MEASURES
        }

    def by_cause_min(self) -> dict[str, Estimate]:
        """Minutes of downtime a year by cause, planned work as ``planned``; greatest first."""
        found = {
            cause: mean_interval([
                60 * made.accounts.by_cause_h[cause] / made.accounts.years
                for made in self.replications
            ])
            for cause in self.replications[0].accounts.by_cause_h
        }  # fmt: skip
        found["planned"] = mean_interval([60 * made.planned_h for made in self.replications])
        return dict(sorted(found.items(), key=lambda item: -item[1].estimate))

    def by_phase_min(self) -> dict[str, float]:
        """Minutes of unplanned downtime a year by what was going on; greatest first."""
        total: dict[str, float] = {}
        for made in self.replications:
            for phase, hours in made.accounts.by_phase_h.items():
                total[phase] = total.get(phase, 0.0) + 60 * hours / made.accounts.years
        many = len(self.replications)
        return dict(sorted(((p, m / many) for p, m in total.items()), key=lambda item: -item[1]))

    def budget(self) -> ErrorBudget:
        """The year's error budget and what spends it, at the replications' means."""
        by_cause = self.by_cause_min()
        causes = {cause: item.estimate for cause, item in by_cause.items() if cause != "planned"}
        return error_budget(self.design, causes)

    def document(self) -> dict[str, Any]:
        """Everything as one JSON document (estimates as models)."""
        target = uptime_target(self.design)
        shares = self.availability()
        lost = [made.lost_h_per_year("time_based") * 60 for made in self.replications]
        possible = _possible(self.uncertain_h)
        verdict, reason = judge_long_run(possible["time_based"], target)
        return {
            "availability": shares,
            "nines": {name: _nines(share) for name, share in shares.items()},
            "target": target,
            "verdict": {"predicted": verdict, "reason": reason},
            "downtime_min_per_year": {
                "total": mean_interval(lost),
                "by_cause": self.by_cause_min(),
                "by_phase": self.by_phase_min(),
            },
            "outages": self.outages(),
            "probability_to_miss": probability_to_miss(
                [made.yearly_h for made in self.replications], target
            ),
            "possible_availability": possible,
            "variance_of_a_year": variance_shares(self.replications),
            "exact_at_typical_figures": {
                "availability": {
                    name: 1 - self.exact.lost_h_per_year(name) / YEAR_H for name in MEASURES
                },
                "downtime_min_per_year": 60 * self.exact.lost_h_per_year("time_based"),
            },
            "error_budget": {**asdict(self.budget()), "spent": self.budget().spent},
            **self.extras,
        }

    def outages(self) -> dict[str, Any]:
        """How many a year, and how long they last."""
        yearly = [len(made.accounts.outages_h) / made.accounts.years for made in self.replications]
        minutes = np.concatenate([made.accounts.outages_h * 60 for made in self.replications])
        if not len(minutes):
            return {"per_year": mean_interval(yearly), "n": 0}
        edges = (0.0, *LENGTHS_MIN, math.inf)
        counts = np.histogram(minutes, bins=np.array(edges))[0]
        return {
            "per_year": mean_interval(yearly),
            "n": len(minutes),
            "minutes": {
                "mean": float(minutes.mean()),
                **{name: float(np.quantile(minutes, share)) for name, share in PERCENTILES.items()},
                "longest": float(minutes.max()),
            },
            "by_length": [
                {
                    "from_min": low,
                    "to_min": None if math.isinf(high) else high,
                    "share": float(count / len(minutes)),
                }
                for low, high, count in zip(edges, edges[1:], counts, strict=False)
            ],
        }

    def tables(self) -> dict[str, pd.DataFrame]:
        """``years``: downtime of each simulated year; ``outages``: each outage."""
        years, outages = [], []
        for number, made in enumerate(self.replications):
            years.append(pd.DataFrame({"replication": number, "downtime_min": made.yearly_h * 60}))
            names = np.array(made.accounts.causes)
            outages.append(
                pd.DataFrame({
                    "replication": number,
                    "cause": names[made.accounts.outage_causes],
                    "minutes": made.accounts.outages_h * 60,
                })
            )  # fmt: skip
        return {
            "years": pd.concat(years, ignore_index=True),
            "outages": pd.concat(outages, ignore_index=True),
        }


def variance_shares(replications: Sequence[Replication]) -> dict[str, float]:
    """Where the variance of one year's downtime comes from (law of total variance).

    Var(year) = E[Var(year | figures)] + Var(E[year | figures]). The first is the mean of the
    replications' variances between their years: chance, which no better figure takes away. The
    second is the variance of the replications' means less the chance still in them, s²/years:
    what is not known about the figures. Minutes², and shares.
    """
    years = [made.yearly_h * 60 for made in replications]
    within = float(np.mean([year.var(ddof=1) if len(year) > 1 else math.nan for year in years]))
    length = float(np.mean([len(year) for year in years]))
    means = np.array([year.mean() for year in years])
    between = max(float(means.var(ddof=1)) - within / length, 0.0)
    total = within + between
    return {
        "chance_min2": within,
        "figures_min2": between,
        "chance_share": within / total if total > 0 else 0.0,
        "figures_share": between / total if total > 0 else 0.0,
    }


def record_uptime(
    uptime: Uptime, root: Path, parameters: Mapping[str, JsonValue] | None = None
) -> tuple[Path, dict[str, Any]]:
    """Write a run of kind ``availability``; returns its folder and its outcome as plain JSON.

    Infinite values are the string ``Infinity``. ``parameters`` come on top of years, replications
    and inputs.

    Raises:
        evidence.record.RecordError: when it cannot be written.
    """
    document: dict[str, Any] = to_jsonable_python(uptime.document(), inf_nan_mode="strings")
    settings: dict[str, JsonValue] = {
        "years": uptime.years,
        "replications": len(uptime.replications),
        "inputs": uptime.inputs,
        **(parameters or {}),
    }
    with RunWriter.of_design(
        root, kind=KIND, design=uptime.design, seed=uptime.seed, parameters=settings,
    ) as run:  # fmt: skip
        for name, table in uptime.tables().items():
            run.write_table(name, table)
        run.finish(document)
    return run.path, document


def _share(lost_h: list[float]) -> Estimate:
    return up_share(mean_interval(lost_h))


def _possible(uncertain_h: Mapping[str, FloatArray]) -> dict[str, Estimate]:
    """Median and central 95 % of the long-run uptime over draws of the uncertain figures."""
    return {measure: up_share(sample_interval(hours)) for measure, hours in uncertain_h.items()}


def _nines(share: Estimate) -> dict[str, float]:
    """−log10(1 − share) of the estimate and of the interval's ends."""

    def nines(value: float) -> float:
        return min(-math.log10(1 - value), VERY_MANY_NINES) if value < 1 else VERY_MANY_NINES

    return {
        "estimate": nines(share.estimate), "lower": nines(share.lower), "upper": nines(share.upper),
    }  # fmt: skip

"""`testbed availability`: what uptime a design can promise, what spends it, what would buy more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer
from rich.table import Table

from architecture import InputError, load_design
from cli.common import (
    DEFAULT_RUNS,
    DesignOption,
    JsonOption,
    RunsOption,
    SeedOption,
    SetOption,
    out,
    print_json,
    progress_printer,
)
from evidence import Estimate

LOUDEST = 8


def availability(
    design: DesignOption = "dual-m3-ultra",
    override: SetOption = None,
    years: Annotated[int, typer.Option("--years", min=2, help="simulated in all")] = 10_000,
    replications: Annotated[
        int, typer.Option("--replications", min=2, help="among which the years are shared out")
    ] = 50,
    typical: Annotated[
        bool, typer.Option("--typical", help="every uncertain figure at its typical value")
    ] = False,
    importance: Annotated[
        bool, typer.Option("--importance", help="what each component's perfection would save")
    ] = False,
    changes: Annotated[
        bool, typer.Option("--changes", help="which single change buys the most uptime")
    ] = False,
    lease: Annotated[
        bool, typer.Option("--lease", help="the lease: quicker failovers against false ones")
    ] = False,
    repair: Annotated[
        str | None,
        typer.Option("--repair", help="a failure mode: how fast a repair, how many spares"),
    ] = None,
    seed: SeedOption = 1,
    runs: RunsOption = DEFAULT_RUNS,
    json: JsonOption = False,
) -> None:
    """Predict a design's uptime: time-based, request-based and weighted by capacity.

    Example: `testbed availability --design mac-mini-cluster --years 2000 --changes`
    """
    from simulator.availability import analyse, record_uptime

    if years < replications:
        raise InputError(
            f"{years} years cannot be shared out among {replications} replications",
            where="--years", allowed=f"{replications} or more, or fewer --replications",
        )  # fmt: skip
    system = load_design(design, override or ())
    uptime = analyse(
        system, years=years, replications=replications, seed=seed,
        inputs="typical" if typical else "drawn", with_importance=importance,
        with_changes=changes, with_lease=lease, repair_of=repair, progress=progress_printer(),
    )  # fmt: skip
    path, document = record_uptime(uptime, runs)
    if json:
        print_json({"design": system.name, "run": path.name, **document})
        return
    _show(system.title, document)
    _show_questions(document)
    out.print(f"recorded in {path}", soft_wrap=True)


def _show(title: str, document: Mapping[str, Any]) -> None:
    table = Table("uptime", "share, 95 % interval", "nines", "possible, 95 %", title=title)
    for name, share in document["availability"].items():
        nines = f"{document['nines'][name]['estimate']:.2f}"
        possible = document["possible_availability"][name]
        table.add_row(
            name.replace("_", " "), _percent(share), nines,
            f"{possible['lower']:.3%} to {possible['upper']:.3%}",
        )  # fmt: skip
    out.print(table)
    downtime, miss = document["downtime_min_per_year"], document["probability_to_miss"]
    verdict = document["verdict"]
    target = f"{document['target']:.4g}"
    out.print(f"down {_words(downtime['total'])} minutes a year", highlight=False)
    out.print(
        f"a year misses {target} with probability {_words(miss)}; predicted: "
        f"[bold]{verdict['predicted']}[/bold], {verdict['reason']}",
        highlight=False, soft_wrap=True,
    )  # fmt: skip
    causes = Table("cause", "minutes a year", "of the error budget")
    budget_min = document["error_budget"]["budget_min"]
    for cause, minutes in list(downtime["by_cause"].items())[:LOUDEST]:
        share = minutes["estimate"] / budget_min if budget_min else float("inf")
        causes.add_row(cause, _words(minutes), f"{share:.0%}")
    out.print(causes)
    literal_h = document["error_budget"]["literal_drills_min"] / 60
    out.print(
        f"the drills may cost {literal_h:.1f} h a year by the documents' words, "
        f"the whole budget is {budget_min / 60:.2f} h",
        highlight=False, soft_wrap=True,
    )  # fmt: skip


def _show_questions(document: Mapping[str, Any]) -> None:
    if "importance" in document:
        table = Table(
            "if it never failed", "min, typical", "min, simulated", "per 1 % longer repair"
        )
        for row in document["importance"]:
            table.add_row(
                row["cause"], f"{row['perfect_min']:.3g}", _words(row["simulated_min"]),
                f"{row['repair_elasticity']:+.3f} %",
            )  # fmt: skip
        out.print(table)
    if "changes" in document:
        table = Table("change", "minutes saved a year", "R$ a year", "minutes for R$ 1,000", "best")
        for row in document["changes"]:
            table.add_row(
                row["title"], _words(row["saved_min"]), _words(row["cost_brl"]),
                _words(row["min_per_kbrl"]), f"{row['best']:.0%}",
            )  # fmt: skip
        out.print(table)
    if "leases" in document:
        table = Table("setting", "failover s", "false a year", "minutes a year", "of the pair")
        for row in document["leases"]:
            keys = (
                "failover_s", "false_failovers_per_year", "downtime_min", "database_downtime_min",
            )  # fmt: skip
            table.add_row(row["setting"], *(f"{row[key]:.3g}" for key in keys))
        out.print(table)
    _show_choices(document.get("repairs", ()), "repair")
    _show_choices(document.get("spares", ()), "spares")


def _show_choices(rows: Sequence[Mapping[str, Any]], title: str) -> None:
    if not rows:
        return
    table = Table(title, "minutes a year, typical", "possible, 95 %", "outages a year")
    for row in rows:
        possible = row["uncertain_min"]
        table.add_row(
            row["setting"], f"{row['downtime_min']:.4g}",
            f"{possible['lower']:.3g} to {possible['upper']:.3g}",
            f"{row['outages_per_year']:.3g}",
        )  # fmt: skip
    out.print(table)


def _words(document: Mapping[str, Any]) -> str:
    made = Estimate.model_validate(document)
    return f"{made.estimate:.4g} ({made.lower:.3g} to {made.upper:.3g})"


def _percent(document: Mapping[str, Any]) -> str:
    made = Estimate.model_validate(document)
    return f"{made.estimate:.3%} ({made.lower:.3%} to {made.upper:.3%})"

"""`testbed findings`: the doubts about the designs, each settled by computed figures."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from cli.common import (
    DEFAULT_RUNS,
    JsonOption,
    RunsOption,
    SeedOption,
    SetOption,
    out,
    print_json,
    progress_printer,
)

if TYPE_CHECKING:
    from simulator.findings import Figure, Finding

MARKS = {"held": ("✓", "yellow"), "refuted": ("✗", "green"), "inconclusive": ("?", "cyan")}
WORDS = {"held": "bears out", "refuted": "refuted", "inconclusive": "open"}


def findings(
    doubt: Annotated[
        list[str] | None, typer.Argument(help="ids of doubts (D-01 …); all when left out")
    ] = None,
    design: Annotated[
        str, typer.Option("--design", "-d", help="the design in which the mends are made")
    ] = "dual-m3-ultra",
    override: SetOption = None,
    years: Annotated[int, typer.Option("--years", min=100, help="simulated, each design")] = 5000,
    failovers: Annotated[
        int, typer.Option("--failovers", min=50, help="simulated faults of each kind")
    ] = 400,
    seed: SeedOption = 1,
    runs: RunsOption = DEFAULT_RUNS,
    json: JsonOption = False,
) -> None:
    """Settle the doubts: claim, evidence, verdict, cheapest mend and the mend's own evidence.

    The verdict is about the doubt: when its claim is borne out, the documents' literal design has
    the weakness it speaks of. Example: `testbed findings D-01 D-03`
    """
    from simulator.findings import Inquiry, doubts, findings_document, record_findings, settle

    inquiry = Inquiry(
        design_name=design, overrides=tuple(override or ()), seed=seed, years=years,
        failovers=failovers,
    )  # fmt: skip
    found = settle(inquiry, doubt or (), progress_printer())
    path = record_findings(inquiry, found, runs)
    if json:
        print_json({"run": path.name, "design": design, "findings": findings_document(found)})
        return
    texts = doubts()
    for finding in found:
        _show(finding, texts[finding.id])
    out.print(f"recorded in {path}", soft_wrap=True)


def _show(finding: Finding, doubt: str) -> None:
    mark, colour = MARKS[finding.verdict]
    out.print(
        f"[{colour}]{mark} {WORDS[finding.verdict]:<10}[/{colour}] [bold]{finding.id}[/bold]  "
        f"{escape(doubt)}",
        soft_wrap=True, highlight=False,
    )  # fmt: skip
    out.print(f"    {escape(finding.reason)} ({finding.method}: {escape(finding.how)})",
              soft_wrap=True, highlight=False)  # fmt: skip
    _show_figures(finding.evidence)
    if finding.mend is not None:
        cost = finding.mend.cost_brl
        price = (
            ""
            if cost is None
            else (f" · R$ {cost.typical:,.0f} ({cost.low:,.0f} to {cost.high:,.0f}; {cost.source})")
        )
        out.print(f"    [bold]mend[/bold]: {escape(finding.mend.what)}{escape(price)}",
                  soft_wrap=True, highlight=False)  # fmt: skip
        _show_figures(finding.mend.evidence)
    if finding.experiment:
        out.print(f"    experiment: {escape(finding.experiment)}", soft_wrap=True, highlight=False)


def _show_figures(figures: tuple[Figure, ...]) -> None:
    for figure in figures:
        out.print(
            f"      {escape(figure.what)}: {in_words(figure)}", soft_wrap=True, highlight=False
        )


def in_words(figure: Figure) -> str:
    """A figure with its interval, number of observations and unit."""
    value = figure.value
    unit = f" {figure.unit}" if figure.unit else ""
    if math.isinf(value.estimate):
        return "without end"
    if value.lower == value.upper:
        return f"{value.estimate:.4g}{unit}"
    span = f"{value.lower:.4g} to {value.upper:.4g}"
    observed = f", n {value.n}" if value.n else ""
    return f"{value.estimate:.4g}{unit} ({span}{observed})"

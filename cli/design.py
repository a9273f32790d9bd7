"""`testbed design`: the designs as data."""

from __future__ import annotations

import math
from typing import Annotated

import typer
import yaml

from architecture import design_hash, design_names, load_design
from architecture.schema import json_schema
from cli.common import JsonOption, SetOption, out, print_json
from evidence.record import json_document
from evidence.verdict import EXIT_REFUTED

app = typer.Typer(help="List, show and check designs.", no_args_is_help=True)

NameArgument = Annotated[str, typer.Argument(help="a design's name, or the path of a YAML file")]


@app.command("list")
def list_designs(json: JsonOption = False) -> None:
    """List the designs that come with the testbed. Example: `testbed design list`"""
    designs = [load_design(name) for name in design_names()]
    if json:
        print_json([{"name": d.name, "title": d.title, "hash": design_hash(d)} for d in designs])
        return
    for design in designs:
        out.print(f"[bold]{design.name:<18}[/bold] {design.title}", soft_wrap=True)


@app.command()
def show(name: NameArgument, override: SetOption = None, json: JsonOption = False) -> None:
    """Show a design as it is used: merged, overridden, validated.

    Example: `testbed design show local --set workload.users=50`
    """
    document = json_document(load_design(name, override or ()))
    if json:
        print_json(document)
    else:
        out.out(yaml.safe_dump(document, sort_keys=False, allow_unicode=True), highlight=False)


@app.command()
def check(name: NameArgument, override: SetOption = None, json: JsonOption = False) -> int:
    """Check a design: does it hold together, and can its configuration keep its promises?

    Prints the longest failover each fault can take, by closed form. Exit code 1 when a promise
    can't be kept. Example: `testbed design check local`
    """
    from dataclasses import asdict

    from simulator.failover.bound import failover_bound_s
    from simulator.failover.design_check import design_problems
    from simulator.failover.faults import faults_of
    from simulator.failover.term_bounds import term_bounds_s
    from simulator.failover.terms import resolve

    design = load_design(name, override or ())
    problems = design_problems(design)
    bounds = failover_bound_s(design)
    if json:
        print_json(
            {
                "design": design.name,
                "hash": design_hash(design),
                "problems": [problem._asdict() for problem in problems],
                "failover_bound_s": bounds,
                "term_bounds_s": {
                    fault: asdict(term_bounds_s(design, resolve(design, fault)))
                    for fault in faults_of(design)
                },
            }
        )
    else:
        out.print(f"[bold]{design.name}[/bold] is valid ({design_hash(design)[:12]})")
        for fault, operations in bounds.items():
            words = ", ".join(f"{name} {_seconds(value)}" for name, value in operations.items())
            out.print(f"  longest outage after {fault}: {words}", highlight=False, soft_wrap=True)
        for problem in problems:
            out.print(f"  [red]✗[/red] {problem.key}: {problem.message}", soft_wrap=True)
    return EXIT_REFUTED if problems else 0


def _seconds(value: float) -> str:
    if value == 0:
        return "none"
    return "for ever" if math.isinf(value) else f"{value:.1f} s"


@app.command()
def schema() -> None:
    """Print the JSON Schema of a design file. Example: `testbed design schema > schema.json`"""
    print_json(json_schema())

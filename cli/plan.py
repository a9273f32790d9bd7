"""`testbed plan` and `testbed compare`: how many users, on what, for how much, and what differs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Column, Table

from architecture import Design, load_design
from cli.common import (
    DEFAULT_RUNS,
    DesignOption,
    JsonOption,
    Progress,
    RunsOption,
    SeedOption,
    SetOption,
    out,
    print_json,
    progress_printer,
)

if TYPE_CHECKING:
    from simulator.planning import HeadRoom, Judged, Plan

REFUTED = 1

HardwareOption = Annotated[
    list[str] | None, typer.Option("--hardware", help="node hardware to choose from; repeatable")
]
NodesOption = Annotated[
    list[int] | None,
    typer.Option("--nodes", min=1, help="serving nodes to choose from (1: one and a standby)"),
]
ModelOption = Annotated[
    list[str] | None, typer.Option("--model", help="language models to choose from; repeatable")
]
BatchOption = Annotated[
    list[int] | None, typer.Option("--batch", min=1, help="batch sizes to choose from; repeatable")
]


def plan(
    design: DesignOption = "dual-m3-ultra",
    override: SetOption = None,
    users: Annotated[int | None, typer.Option("--users", min=1, help="to be served")] = None,
    hardware: HardwareOption = None,
    nodes: NodesOption = None,
    model: ModelOption = None,
    batch: BatchOption = None,
    replications: Annotated[int, typer.Option("--replications", min=2)] = 4,
    seed: SeedOption = 1,
    runs: RunsOption = DEFAULT_RUNS,
    json: JsonOption = False,
) -> None:
    """Most users of a design under its objectives, or the cheapest of several for so many users.

    Without a choice: the most users, with everything up and with one node down. With choices: the
    cheapest that holds, and why each other one lost. Exit code 1 when none holds.

    Example: `testbed plan --users 200 --hardware mac-mini-m4-pro --hardware mac-studio-m4-max
    --nodes 1 --nodes 2`
    """
    from simulator.planning import Choice

    system = load_design(design, override or ())
    number = system.workload.users if users is None else users
    choice = Choice(hardware or (), nodes or (), model or (), batch or ())
    tell = progress_printer()
    if any((hardware, nodes, model, batch)):
        document = _cheapest(system, choice, number, replications, seed, tell)
    else:
        document = _most_users(system, number, replications, seed, tell)
    document["run"] = _recorded(system, document, runs, seed)
    if json:
        print_json(document)
    else:
        _show(document)
    if not document["holds"]:
        raise typer.Exit(REFUTED)


def compare(
    first: Annotated[str, typer.Argument(help="a design's name, or the path of a YAML file")],
    second: Annotated[str, typer.Argument(help="the design it is compared with")],
    users: Annotated[int | None, typer.Option("--users", min=1)] = None,
    replications: Annotated[int, typer.Option("--replications", min=2)] = 12,
    seed: SeedOption = 1,
    json: JsonOption = False,
) -> None:
    """Compare two designs that meet the same clinicians: second − first, pair by pair.

    Example: `testbed compare mac-mini-cluster dual-m3-ultra`
    """
    from simulator.figures import figures_for
    from simulator.hospital import Scenario
    from simulator.planning import compare as compare_designs

    pair = [load_design(name) for name in (first, second)]
    if users is None:
        users = max(system.workload.users for system in pair)
    differences = compare_designs(
        (pair[0], figures_for(pair[0])), (pair[1], figures_for(pair[1])),
        scenario=Scenario(users=users), seed=seed, replications=replications,
    )  # fmt: skip
    if json:
        shown = {metric: difference.document() for metric, difference in differences.items()}
        print_json({"first": pair[0].name, "second": pair[1].name, "differences": shown})
        return
    table = Table(
        Column("metric", no_wrap=True), Column(pair[0].name, min_width=7),
        Column(pair[1].name, min_width=7), "difference, 95 % interval", "",
    )  # fmt: skip
    for metric, found in differences.items():
        if ".latency_s.mean" in metric or ".latency_s.p95" in metric or metric == "failed_share":
            difference = found.difference
            interval = f"{difference.estimate:.3g} [{difference.lower:.3g}, {difference.upper:.3g}]"
            values = (f"{found.first.estimate:.3g}", f"{found.second.estimate:.3g}")
            table.add_row(metric, *values, interval, found.direction)
    out.print(table)


def capacity(
    design: DesignOption = "dual-m3-ultra",
    override: SetOption = None,
    users: Annotated[int | None, typer.Option("--users", min=1)] = None,
    seed: SeedOption = 1,
    runs: RunsOption = DEFAULT_RUNS,
    json: JsonOption = False,
) -> None:
    """Answer every capacity question about a design at once, for its page in the report.

    Bottleneck, head-room (with each site lost too), memory and bandwidth, what is under 100 ms,
    what the storm after a failover does, cost. Takes some minutes.

    Example: `testbed capacity --design mac-mini-cluster`
    """
    from evidence import load_run
    from simulator.planning import record_answers

    system = load_design(design, override or ())
    path = record_answers(system, runs, users=users, seed=seed, progress=progress_printer())
    if json:
        print_json({"run": path.name, **load_run(path).record.outcome})
    else:
        out.print(f"recorded in {path}", soft_wrap=True)


def _most_users(
    system: Design, users: int, replications: int, seed: int, tell: Progress
) -> dict[str, Any]:
    from simulator.figures import figures_for
    from simulator.hospital import Scenario, ScheduledFault
    from simulator.planning import cost_of, head_room, standard_of

    figures, standard = figures_for(system), standard_of(system)
    warm = Scenario(warmup_s=300.0)
    tell(f"most users of {system.name}")
    whole = head_room(
        system, figures, standard, scenario=warm, seed=seed, replications=replications
    )
    one_down: dict[str, Any] = {}
    for site in system.sites_with("api"):
        if system.sites[site].location != "hospital":
            continue
        tell(f"most users without {site}")
        scenario = Scenario(warmup_s=300.0, faults=(ScheduledFault(site, 0.0),))
        room = head_room(
            system, figures, standard, scenario=scenario, seed=seed, replications=replications,
            begin=max(whole.users, 1),
        )  # fmt: skip
        one_down[site] = _room(room, users)
    return {
        "design": system.name,
        "users": users,
        "most_users": _room(whole, users),
        "one_node_down": one_down,
        "cost": cost_of(system).document(),
        "holds": whole.users >= users,
    }


def _cheapest(
    system: Design, choice: Any, users: int, replications: int, seed: int, tell: Progress
) -> dict[str, Any]:
    from simulator.planning import cheapest, options, standard_of

    found: Plan = cheapest(
        options(system, choice), standard_of(system), users=users, seed=seed,
        replications=replications, progress=tell,
    )  # fmt: skip
    return {
        "design": system.name,
        "users": users,
        "chosen": None if found.chosen is None else _judged(found.chosen),
        "rejected": [_judged(judged) for judged in found.rejected],
        "holds": found.chosen is not None,
    }


def _room(room: HeadRoom, users: int) -> dict[str, Any]:
    return {
        "users": room.users, "over": room.over(users), "breaks_at": room.breaks_at,
        "reason": room.reason.words,
    }  # fmt: skip


def _judged(judged: Judged) -> dict[str, Any]:
    option = judged.option
    return {
        "option": option.words, "hardware": option.hardware, "nodes": option.nodes,
        "model": option.model, "max_batch": option.max_batch, "reason": judged.reason,
        "extrapolated": option.extrapolated, "cost": option.cost.document(),
    }  # fmt: skip


def _recorded(system: Design, document: dict[str, Any], runs: Any, seed: int) -> str:
    from evidence import RunWriter

    with RunWriter.of_design(
        runs, kind="plan", design=system, seed=seed, parameters={"users": document["users"]},
    ) as run:  # fmt: skip
        run.finish(document)
    return str(run.path.name)


def _show(document: dict[str, Any]) -> None:
    if "most_users" in document:
        rooms = {"everything up": document["most_users"]}
        rooms |= {f"without {site}": room for site, room in document["one_node_down"].items()}
        table = Table("", "most users", f"over {document['users']}", "what gives way")
        for name, room in rooms.items():
            table.add_row(name, str(room["users"]), f"{room['over']:+.0%}", room["reason"])
        out.print(table)
        total = document["cost"]["total_brl"]
        out.print(
            f"five years cost R$ {total['typical']:,.0f} "
            f"(R$ {total['low']:,.0f} to {total['high']:,.0f}), without people"
        )
    else:
        table = Table("option", "R$, five years", "verdict", "why")
        chosen = document["chosen"]
        listed = [] if chosen is None else [("[bold]chosen[/bold]", chosen)]
        listed += [("rejected", judged) for judged in document["rejected"]]
        for verdict, judged in listed:
            typical = judged["cost"]["total_brl"]["typical"]
            table.add_row(judged["option"], f"{typical:,.0f}", verdict, judged["reason"])
        out.print(table)
    out.print(f"recorded as {document['run']}", soft_wrap=True)

"""`testbed stack promote`, `failback` and `switchover`: who leads, when a person says so."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from architecture import InputError
from cli.common import DEFAULT_STACK, JsonOption, StackOption, out, print_json, progress_printer
from evidence.verdict import NoVerdictError

if TYPE_CHECKING:
    from reference_stack.handle import StackHandle

ByHandOption = Annotated[
    bool, typer.Option("--by-hand", help="do the steps here, when the fallback controller is dead")
]


def promote(
    site_lost: Annotated[
        bool, typer.Option("--site-lost", help="you know that the hospital's site is lost")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="also when a node is alive: it is fenced")
    ] = False,
    by_hand: ByHandOption = False,
    directory: StackOption = DEFAULT_STACK,
    json: JsonOption = False,
) -> int:
    """Let the cloud take over: fence both nodes, promote, tell the users.

    The fallback controller does this by itself when both nodes are down. Exit code 2 when it
    refuses, 3 when it did not come to its end in time.
    Example: `testbed stack promote --site-lost`
    """
    from reference_stack.fallback.by_hand import ByHand
    from reference_stack.fallback.operator import Controls

    handle, tell = _attached(directory), progress_printer()

    def act() -> dict[str, Any]:
        if not by_hand:
            return Controls(handle, tell).promote(site_lost=site_lost, force=force)
        with ByHand(handle, tell) as hand:
            return hand.promote(site_lost=site_lost, force=force)

    return _carried_out(act, json=json)


def failback(
    nodes: Annotated[
        int | None,
        typer.Option("--nodes", min=1, help="how many nodes must be back; all when left out"),
    ] = None,
    set_aside: Annotated[
        list[str] | None,
        typer.Option(
            "--set-aside",
            metavar="SITE",
            help="keep this node's data directory under another name instead of reading "
            "it, when it can't be read",
        ),
    ] = None,
    cancel: Annotated[
        bool, typer.Option("--cancel", help="give up the way back; the cloud leads on")
    ] = False,
    open_gate: Annotated[
        str | None,
        typer.Option(
            "--open-gate",
            metavar="SITE",
            help="let this node's database start although nobody says that it may. If the "
            "cloud leads, there are two primaries until it is fenced again",
        ),
    ] = None,
    by_hand: ByHandOption = False,
    directory: StackOption = DEFAULT_STACK,
    json: JsonOption = False,
) -> int:
    """Lead the way back from the cloud to the hospital; nothing written meanwhile is lost.

    Notes that only the hospital's old servers hold are brought over first. Exit code 2 when it
    can't begin, 3 when it did not come to its end in time (it goes on).
    Example: `testbed stack failback --nodes 1`
    """
    from reference_stack.fallback.by_hand import ByHand, write_order
    from reference_stack.fallback.operator import Controls

    handle, tell = _attached(directory), progress_printer()
    required = nodes if nodes is not None else len(handle.hospital_sites)
    aside = tuple(set_aside or ())
    _require_sites([*aside, *([open_gate] if open_gate else [])], handle)
    if open_gate is not None:
        write_order(handle.directory / open_gate, "start")
        tell(f"{open_gate}: its gate opens when it reads the order, if it waits")
        return 0

    def act() -> dict[str, Any]:
        if by_hand:
            with ByHand(handle, tell) as hand:
                return (
                    hand.cancel() if cancel else hand.fail_back(required=required, set_aside=aside)
                )
        controls = Controls(handle, tell)
        return (
            controls.cancel() if cancel else controls.fail_back(required=required, set_aside=aside)
        )

    return _carried_out(act, json=json)


def switchover(
    to: Annotated[
        str | None,
        typer.Option("--to", help="the new primary; the synchronous standby if left out"),
    ] = None,
    directory: StackOption = DEFAULT_STACK,
    json: JsonOption = False,
) -> None:
    """Move the primary to the other node as planned, and say for how long nothing was written.

    Exit code 2 when no node is fit to take it. Example: `testbed stack switchover --to mac-2`
    """
    from reference_stack.fallback.switchover import switch_over

    handle = _attached(directory)
    _require_sites([to] if to else [], handle)
    done = switch_over(handle, to, progress_printer())
    if json:
        print_json(done)
    else:
        out.print(f"the primary moved from {done.from_site} to {done.to_site}")
        out.print(f"through the edge nothing was written for {done.write_outage_s:.2f} s")


def _attached(directory: Path) -> StackHandle:
    from reference_stack.handle import StackHandle

    return StackHandle.attach(directory.absolute())


def _require_sites(sites: Sequence[str], handle: StackHandle) -> None:
    for site in sites:
        if site not in handle.hospital_sites:
            allowed = ", ".join(handle.hospital_sites)
            raise InputError(f"'{site}' is no node of the hospital", where="SITE", allowed=allowed)


def _carried_out(act: Callable[[], dict[str, Any]], *, json: bool) -> int:
    from reference_stack.fallback.operator import NotFinishedError

    try:
        status = act()
    except NotFinishedError as error:
        raise NoVerdictError(str(error)) from None
    if json:
        print_json(status)
    else:
        out.print(f"the {status['leader']} leads, epoch {status['epoch']}", soft_wrap=True)
        if status["unsalvaged"]:
            names = ", ".join(status["unsalvaged"])
            out.print(f"[yellow]{names} may alone hold notes that were not brought over yet: "
                      "they are when it is back[/yellow]", soft_wrap=True)  # fmt: skip
    return 0

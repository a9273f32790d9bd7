"""`testbed stack`: the reference stack on this machine, brought up, looked at and ended."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from architecture import InputError, load_design
from cli.common import (
    DEFAULT_STACK,
    DesignOption,
    InstanceOption,
    JsonOption,
    SeedOption,
    SetOption,
    StackOption,
    out,
    print_json,
    progress_printer,
)
from evidence.verdict import EXIT_INCONCLUSIVE
from reference_stack.addresses import INSTANCES

if TYPE_CHECKING:
    from reference_stack.handle import StackHandle

app = typer.Typer(help="Bring the reference stack up and down.", no_args_is_help=True)


def parse_instance(text: str) -> int | None:
    """'auto' is None; anything else must be the number of an instance."""
    if text == "auto":
        return None
    if not text.isdigit() or int(text) >= INSTANCES:
        raise InputError(f"got '{text}'", where="--instance", allowed="0 to 99, or 'auto'")
    return int(text)


@app.command()
def up(
    design: DesignOption = "local",
    override: SetOption = None,
    directory: StackOption = DEFAULT_STACK,
    instance: InstanceOption = "0",
    seed: SeedOption = 1,
    json: JsonOption = False,
) -> None:
    """Start every site of a design and wait until the stack is whole.

    It runs on until `testbed stack down`. Example: `testbed stack up --instance auto`
    """
    from reference_stack import bringup

    handle = bringup.up(
        load_design(design, override or ()),
        directory.absolute(),
        instance=parse_instance(instance),
        seed=seed,
        progress=progress_printer(),
    )
    if json:
        print_json(_describe(handle))
    else:
        out.print(f"The API answers at [bold]{handle.api_url}[/bold] (trust "
                  f"{handle.certificate_authority}), the balancer's page is at "
                  f"{handle.balancer_stats_url}", soft_wrap=True)  # fmt: skip


@app.command()
def status(directory: StackOption = DEFAULT_STACK, json: JsonOption = False) -> int:
    """Say what runs, who is primary, and what keeps the stack from being whole.

    Exit code 3 when it is not whole. Example: `testbed stack status --json`
    """
    from reference_stack.handle import StackHandle

    handle = StackHandle.attach(directory.absolute())
    problems = handle.whole()
    if json:
        print_json(_describe(handle))
    else:
        for site, state in handle.status().items():
            down = [name for name, service in state.services.items() if not service.running]
            note = f"  [red]not running: {', '.join(down)}[/red]" if down else ""
            out.print(f"{site:<8} {state.state:<8} {state.processes:>3} processes{note}")
        out.print(f"primary: {handle.primary()}")
        for problem in problems:
            out.print(f"[red]✗[/red] {problem}", soft_wrap=True)
        if not problems:
            out.print("[green]✓[/green] the stack is whole")
    return EXIT_INCONCLUSIVE if problems else 0


@app.command()
def logs(
    site: Annotated[str, typer.Argument(help="a site of the stack, for example mac-1")],
    service: Annotated[str | None, typer.Argument(help="a service; all when left out")] = None,
    lines: Annotated[int, typer.Option("--lines", "-n", min=1, help="lines from the end")] = 20,
    directory: StackOption = DEFAULT_STACK,
) -> None:
    """Show the end of a site's logs, also after the stack has ended.

    Example: `testbed stack logs mac-1 patroni -n 50`
    """

    folder = directory.absolute() / site / "log"
    files = sorted(folder.glob("*.log"))
    if not files:
        raise InputError(f"there are no logs of '{site}'", where=str(directory))
    if service is not None:
        known = [file.stem for file in files]
        if service not in known:
            raise InputError(
                f"there is no log of '{service}'", where=str(folder), allowed=", ".join(known)
            )
        files = [folder / f"{service}.log"]
    for file in files:
        out.rule(f"{site} {file.stem}")
        for line in _tail(file, lines):
            out.out(line, highlight=False)


@app.command()
def down(directory: StackOption = DEFAULT_STACK) -> None:
    """End the stack; nothing of it is left running. Example: `testbed stack down`"""
    from reference_stack import bringup

    ended = bringup.down(directory.absolute())
    out.print("the stack has ended" if ended else "no stack was running")


def _describe(handle: StackHandle) -> dict[str, object]:
    return {
        "design": handle.design.name,
        "directory": str(handle.directory),
        "api_url": handle.api_url,
        "api_urls": list(handle.api_urls),
        "certificate_authority": str(handle.certificate_authority),
        "balancer_stats_url": handle.balancer_stats_url,
        "primary": handle.primary(),
        "problems": handle.whole(),
        "sites": {site: state.model_dump() for site, state in handle.status().items()},
    }


def _tail(file: Path, lines: int) -> list[str]:
    return file.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:]

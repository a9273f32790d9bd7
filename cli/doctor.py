"""`testbed doctor`: what is here, what is missing, and what mends it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from architecture import load_design
from cli.common import (
    DEFAULT_STACK,
    DesignOption,
    JsonOption,
    StackOption,
    out,
    print_json,
    progress_printer,
)
from evidence.verdict import EXIT_BAD_INPUT

if TYPE_CHECKING:
    from reference_stack.doctor import Finding

MARKS = {"good": "[green]✓[/green]", "warning": "[yellow]![/yellow]", "missing": "[red]✗[/red]"}


def doctor(
    design: DesignOption = "local",
    directory: StackOption = DEFAULT_STACK,
    fix: Annotated[bool, typer.Option("--fix", help="install programs and fetch models")] = False,
    browser: Annotated[
        bool,
        typer.Option("--browser", help="with --fix: also a Chromium, for tests of the web client"),
    ] = False,
    json: JsonOption = False,
) -> int:
    """Say what this machine has for the stack and what is missing.

    Exit code 2 when the stack can't start. Example: `testbed doctor --fix`
    """
    from reference_stack.doctor import examine
    from reference_stack.install import install_missing
    from reference_stack.models import ensure_model, model_cache
    from reference_stack.preconditions import models_of

    system = load_design(design)
    if fix:
        progress = progress_printer()
        install_missing(progress, browser=browser)
        for model in models_of(system):
            ensure_model(model, model_cache(), progress)
    findings = examine(system, directory)
    if json:
        print_json({"findings": [finding.model_dump() for finding in findings]})
    else:
        for finding in findings:
            _show(finding)
    return EXIT_BAD_INPUT if any(finding.level == "missing" for finding in findings) else 0


def _show(finding: Finding) -> None:
    mend = f"  [bold]→ {finding.mend}[/bold]" if finding.mend else ""
    mark = MARKS[finding.level]
    out.print(f"{mark} {finding.subject:<10} {finding.detail}{mend}", soft_wrap=True)

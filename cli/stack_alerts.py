"""`testbed stack alerts`: what fires in the running stack, and what was sent."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.common import DEFAULT_STACK, JsonOption, StackOption, out, print_json


def alerts(
    received: Annotated[
        bool, typer.Option("--received", help="those that were sent, not those that fire now")
    ] = False,
    directory: StackOption = DEFAULT_STACK,
    json: JsonOption = False,
) -> None:
    """List the alerts that fire or are about to. Example: `testbed stack alerts --received`"""
    from reference_stack.handle import StackHandle
    from reference_stack.monitoring.alerts import active_alerts, received_alerts

    handle = StackHandle.attach(directory.absolute())
    if received:
        rows = [
            {"at": alert.received_at.isoformat(), "state": alert.status, **alert.labels}
            for alert in received_alerts(handle.design, handle.addresses)
        ]
    else:
        rows = [
            {"at": alert.since.isoformat(), "state": alert.state, **alert.labels}
            for alert in active_alerts(handle.design, handle.addresses)
        ]
    if json:
        print_json(rows)
        return
    for row in rows:
        labels = ", ".join(
            f"{name} {value}" for name, value in row.items()
            if name not in {"at", "state", "alertname"}
        )  # fmt: skip
        out.print(f"{row['at'][:19]}  {row['state']:<9} [bold]{row['alertname']}[/bold]  {labels}",
                  soft_wrap=True)  # fmt: skip
    if not rows:
        out.print("no alert fires")

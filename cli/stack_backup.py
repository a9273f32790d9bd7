"""`testbed stack backups` and `testbed stack restore`: the bucket's, and a server from it."""

from __future__ import annotations

import contextlib
import socket
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from architecture import InputError
from cli.common import DEFAULT_STACK, JsonOption, StackOption, err, out, print_json

if TYPE_CHECKING:
    from reference_stack.database.backup import BackupStore
    from reference_stack.handle import StackHandle

LATEST = "latest"


def backups(directory: StackOption = DEFAULT_STACK, json: JsonOption = False) -> None:
    """List the base backups in the bucket, of the hospital's cluster and of the cloud's.

    Any moment after the first can be restored. Example: `testbed stack backups`
    """
    from reference_stack.database.backup import base_backups
    from reference_stack.handle import StackHandle

    found = [
        {"cluster": store.cluster, **backup.model_dump(mode="json")}
        for store in _stores(StackHandle.attach(directory.absolute()))
        for backup in base_backups(store)
    ]
    if json:
        print_json(found)
        return
    for backup in found:
        out.print(
            f"{backup['cluster']:<9} complete at {backup['end_time']}  "
            f"timeline {backup['timeline']}  {backup['size_bytes'] / 1e6:.0f} MB  "
            f"from {backup['begin_wal']}",
            soft_wrap=True,
        )
    if not found:
        out.print("the bucket holds no complete base backup yet")


def restore(
    into: Annotated[Path, typer.Option("--into", help="folder for the server; new or empty")],
    to: Annotated[
        str, typer.Option("--to", help="a moment, as 2026-03-01T10:15:00-03:00, or 'latest'")
    ] = LATEST,
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0: a free one")] = 0,
    directory: StackOption = DEFAULT_STACK,
) -> None:
    """Make a server with the data of one moment from the bucket; it runs until Ctrl-C.

    The stack is left as it is, whatever of it is still alive.
    Example: `testbed stack restore --to 2026-03-01T10:15:00-03:00 --into restored`
    """
    from reference_stack import binaries
    from reference_stack.addresses import Endpoint
    from reference_stack.database.restore import restored
    from reference_stack.handle import StackHandle
    from reference_stack.rendering import DATABASE_NAME

    moment = None if to == LATEST else parse_moment(to)
    handle = StackHandle.attach(directory.absolute())
    with restored(
        _stores(handle), to=moment, into=into.absolute(),
        endpoint=Endpoint("127.0.0.1", port or _free_port()),
        binaries=binaries.require("postgres").path.resolve().parent,
        user="postgres", password=handle.secret("superuser"),
    ) as server:  # fmt: skip
        last = server.last_commit.isoformat() if server.last_commit else "the base backup's end"
        out.print(
            f"restored in {server.took_s:.0f} s from base backup {server.base_backup.backup_id} of "
            f"the {server.cluster}; last commit: {last}", soft_wrap=True,
        )  # fmt: skip
        password = handle.directory / "secrets" / "superuser"
        out.print(
            f"psql -h {server.endpoint.host} -p {server.endpoint.port} -U postgres {DATABASE_NAME}"
            f"   (password: {password})", soft_wrap=True,
        )  # fmt: skip
        err.print("Ctrl-C ends it; its files stay.")
        with contextlib.suppress(KeyboardInterrupt):
            server.wait()


def parse_moment(text: str) -> datetime:
    """An ISO 8601 moment; without a zone it is this machine's.

    Raises:
        InputError: when it is no moment.
    """
    try:
        return datetime.fromisoformat(text).astimezone()
    except ValueError:
        raise InputError(
            f"got '{text}'", where="--to", allowed="an ISO 8601 date and time, or 'latest'"
        ) from None


def _stores(handle: StackHandle) -> list[BackupStore]:
    from reference_stack.database.backup_render import CLUSTERS, backup_store

    if handle.design.database.backup is None:
        raise InputError(
            "this design makes no backups", where=str(handle.directory), key="database.backup"
        )
    return [backup_store(handle.design, handle.addresses, cluster) for cluster in CLUSTERS]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])

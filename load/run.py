"""Load a running stack for a while, and keep what was seen as a ``load`` run."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import psycopg
from pydantic import JsonValue

from evidence.record import RunWriter
from load.errors import LoadError
from load.lag import LagSampler, lag_table
from load.process import DRAIN_S, check_accounts, start_load
from load.settings import PROCESS_LOG
from reference_stack.handle import StackHandle

Progress = Callable[[str], None]

#: Beyond the ramp, for a machine that is busy with 200 logins.
SPAWN_GRACE_S = 60.0
_USERNAMES = """
    SELECT username FROM clinician WHERE role IN ('physician', 'nurse')
    ORDER BY right(username, 4), username
"""


def clinician_usernames(handle: StackHandle) -> list[str]:
    """Accounts of the physicians and nurses, in the order in which the hospital numbers them.

    Raises:
        LoadError: when the database does not answer.
    """
    try:
        with psycopg.connect(handle.database_dsn()) as connection:
            return [str(row[0]) for row in connection.execute(_USERNAMES)]
    except psycopg.Error as error:
        raise LoadError(f"the clinicians' accounts cannot be read: {error}") from error


def run_load(
    handle: StackHandle, *, users: int, duration_s: float, seed: int, root: Path, progress: Progress
) -> Path:
    """Let ``users`` clinicians work for ``duration_s`` seconds after the last one has arrived.

    Returns the folder of a ``load`` run. Its outcome counts requests (not attempts) that were
    intended after the last user had arrived; ``window_s`` is that time on the tables' clock.

    Raises:
        InputError: when there may not be so many users.
        LoadError: when the load could not be started or ended by itself.
        RecordError: when the run can't be written.
    """
    design = handle.design
    usernames = clinician_usernames(handle)
    check_accounts(users, usernames)
    run = RunWriter.of_design(
        root,
        kind="load",
        design=design,
        seed=seed,
        parameters={"users": users, "duration_s": duration_s},
    )
    ramp_s = design.workload.ramp_s
    with run, tempfile.TemporaryDirectory(prefix="prontuario-load-") as folder:
        load = start_load(
            handle.api_urls, design, handle.secret("clinicians"), usernames=usernames, users=users,
            duration_s=ramp_s + duration_s + SPAWN_GRACE_S, seed=seed, output=Path(folder),
            certificate_authority=handle.certificate_authority,
        )  # fmt: skip
        with load, LagSampler(handle) as lag:
            progress(f"{users} clinicians arrive over {ramp_s:g} s")
            load.wait_until_spawned(ramp_s + SPAWN_GRACE_S)
            began_s = time.monotonic()
            progress(f"loading for {duration_s:g} s")
            _wait(load_is_running=lambda: load.running, until_s=began_s + duration_s)
            ended_s = time.monotonic()
            progress(f"waiting up to {DRAIN_S} s for requests in flight")
            tables = load.stop()
        requests = pd.read_parquet(tables / "requests.parquet")
        run.write_table("requests", requests)
        run.write_table("replication_lag", lag_table(lag.samples()))
        run.write_table("ledger", pd.read_parquet(tables / "ledger.parquet"))
        shutil.copyfile(tables / PROCESS_LOG, run.file(PROCESS_LOG))
        run.finish(
            {"users": users, "duration_s": duration_s, **summary(requests, began_s, ended_s)}
        )
    return run.path


def summary(requests: pd.DataFrame, began_s: float, ended_s: float) -> dict[str, JsonValue]:
    """Figures of the requests intended in [began_s, ended_s).

    ``requests``: how many were intended; ``answered``: how many of them succeeded in the end;
    ``errors``: attempts without success; ``throughput_per_s``: answered requests a second.
    """
    during = requests[(requests["intended_s"] >= began_s) & (requests["intended_s"] < ended_s)]
    answered = during.loc[during["outcome"] == "ok", "request_id"].nunique()
    return {
        "window_s": [began_s, ended_s],
        "requests": int(during["request_id"].nunique()),
        "answered": int(answered),
        "errors": int((during["outcome"] != "ok").sum()),
        "throughput_per_s": float(answered / (ended_s - began_s)),
    }


def _wait(*, load_is_running: Callable[[], bool], until_s: float) -> None:
    while time.monotonic() < until_s:
        if not load_is_running():
            raise LoadError("the load ended by itself before its time")
        time.sleep(0.2)

"""How long clients can't write, failover by failover, on the running reference stack.

Notes are posted through the edge at a fixed rate whatever becomes of those before (an open loop, so
that no outage is hidden by waiting for it). An outage runs from the fault's landing to the first
acknowledgement after the last failure, once there has been none for ``SUSTAIN_S``; of a planned
switchover it is the longest time without an acknowledgement. Every acknowledged note is looked for
afterwards.

The stack runs without language models: they have no part in a write. What the machine adds is in
the figures; the stack's settings are those of the design ``local``.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import random
import ssl
import statistics
import sys
import threading
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import httpx
import pandas as pd
import psutil
from pydantic import JsonValue

from architecture import load_design, overrides_without
from architecture.design import Design
from chaos.ledger import read_back
from evidence.record import RunWriter
from load.attempt import outcome_of_status
from load.run import clinician_usernames
from reference_stack.bringup import running, wait_until_whole
from reference_stack.edge.health import holders
from reference_stack.fallback.switchover import switch_over
from reference_stack.handle import StackHandle
from reference_stack.hospital.clinicians import clinician_password

TRIALS = 20
NOTES_PER_S = 20.0
CLIENT_TIMEOUT_S = 10.0
RECOVERY_DEADLINE_S = 90.0
SUSTAIN_S = 5.0
OPEN_GAP_S = 1.0
SEED = 3


def say(message: str) -> None:
    """Progress, beside the results."""
    sys.stderr.write(f"{message}\n")
    sys.stderr.flush()


class NoteWriters:
    """Posts notes at a fixed rate in a thread of its own while its block runs."""

    def __init__(self, handle: StackHandle) -> None:
        self._handle = handle
        self._rows: list[dict[str, object]] = []
        self._done = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._post_all()))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def table(self) -> pd.DataFrame:
        """Attempts so far, one row each; times on CLOCK_MONOTONIC."""
        columns = ["sent_s", "finished_s", "outcome", "client_id"]
        return pd.DataFrame(list(self._rows), columns=columns)

    async def _post_all(self) -> None:
        handle = self._handle
        verify = ssl.create_default_context(cafile=str(handle.certificate_authority))
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=20)
        async with httpx.AsyncClient(
            base_url=handle.api_url, verify=verify, timeout=CLIENT_TIMEOUT_S, limits=limits
        ) as client:
            path, headers = await _log_in(client, handle)
            pending: set[asyncio.Task[None]] = set()
            due_s = time.monotonic()
            while not self._done.is_set():
                task = asyncio.create_task(self._post(client, path, headers))
                pending.add(task)
                task.add_done_callback(pending.discard)
                due_s += 1 / NOTES_PER_S
                await asyncio.sleep(max(0.0, due_s - time.monotonic()))
            await asyncio.gather(*pending)

    async def _post(self, client: httpx.AsyncClient, path: str, headers: dict[str, str]) -> None:
        key, sent_s = str(uuid.uuid4()), time.monotonic()
        try:
            answer = await client.post(
                path,
                headers={**headers, "Idempotency-Key": key},
                json={"text": "Evolução sem intercorrências.", "sequence": 1},
            )
            problem = answer.json().get("type", "") if answer.is_error else ""
            outcome: str = outcome_of_status(answer.status_code, problem)
        except httpx.ConnectError:
            outcome = "failed"
        except (httpx.HTTPError, ValueError):
            outcome = "unknown"
        self._rows.append(
            {
                "sent_s": sent_s, "finished_s": time.monotonic(),
                "outcome": outcome, "client_id": key,
            }
        )  # fmt: skip


async def _log_in(client: httpx.AsyncClient, handle: StackHandle) -> tuple[str, dict[str, str]]:
    username = clinician_usernames(handle)[0]
    password = clinician_password(handle.secret("clinicians"), username)
    answer = await _until_answered(
        lambda: client.post("/v1/login", json={"username": username, "password": password})
    )
    headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}
    patients = await _until_answered(lambda: client.get("/v1/patients?limit=1", headers=headers))
    return f"/v1/patients/{patients.json()['items'][0]['id']}/notes", headers


async def _until_answered(ask: Callable[[], Awaitable[httpx.Response]]) -> httpx.Response:
    """The answer, however often the balancers move the client meanwhile, as they do at first."""
    deadline = time.monotonic() + CLIENT_TIMEOUT_S
    while True:
        try:
            return (await ask()).raise_for_status()
        except httpx.HTTPError:
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.5)


Mend = Callable[[], None]


def power_loss(handle: StackHandle, site: str) -> Mend:
    """The site goes silent for ever."""
    handle.lose_power(site)

    def mend() -> None:
        handle.kill(site)
        handle.start(site)

    return mend


def standby_power_loss(handle: StackHandle, primary: str) -> Mend:
    """The synchronous standby goes silent for ever; commits wait for it until it is given up."""
    return power_loss(handle, next(site for site in handle.hospital_sites if site != primary))


def process_crash(handle: StackHandle, site: str) -> Mend:
    """PostgreSQL's first process is killed; Patroni lives on and starts it again or fails over."""
    folder = str(handle.directory / site / "postgresql")
    for process in psutil.process_iter(["name", "cmdline"]):
        line = process.info["cmdline"] or []
        if process.info["name"] == "postgres" and folder in line:
            process.kill()
            return lambda: None
    raise RuntimeError(f"{site}: no PostgreSQL runs in {folder}")


def partition(handle: StackHandle, site: str) -> Mend:
    """The primary's site is cut off from everything and runs on."""
    handle.isolate(site)

    def mend() -> None:
        handle.rejoin(site)
        # The failure detector fences what it can't reach; the power comes back with the network.
        if handle.status()[site].state != "running":
            handle.start(site)

    return mend


def planned_switchover(handle: StackHandle, _site: str) -> Mend:
    """The other node becomes the primary on purpose."""
    switch_over(handle, None, lambda _message: None)
    return lambda: None


def balancer_loss(handle: StackHandle, _site: str) -> Mend:
    """The balancer that clients talk to goes silent for ever; both nodes stay well."""
    holding = holders(handle.design, handle.addresses) or handle.design.sites_with("balancer")
    return power_loss(handle, holding[0])


FAULTS: dict[str, Callable[[StackHandle, str], Mend]] = {
    "power-loss": power_loss,
    "standby-power-loss": standby_power_loss,
    "process-crash": process_crash,
    "partition": partition,
    "switchover": planned_switchover,
    "balancer-loss": balancer_loss,
}


@dataclass(frozen=True)
class Trial:
    """One fault and what clients saw; ``outage_s`` is NaN when they never recovered in time.

    ``site`` was the primary when the fault fell.
    """

    fault: str
    site: str
    outage_s: float
    failed_attempts: int
    acknowledged: int
    lost: int


def run_trial(handle: StackHandle, fault: str, dice: random.Random) -> Trial:
    """One fault at a random moment, and the mend of it; the stack is whole before and after."""
    wait_until_whole(handle, lambda _message: None)
    with NoteWriters(handle) as writers:
        _wait_for_success(writers)
        time.sleep(dice.uniform(0, _longest_cycle_s(handle.design)))
        site = handle.primary()
        if site is None:
            raise RuntimeError("there is no primary")
        before_s = time.monotonic()
        mend = FAULTS[fault](handle, site)
        # A switchover is over when it returns: its outage lies within.
        landed_s = before_s if fault == "switchover" else time.monotonic()
        try:
            outage_s = _watch(writers, landed_s, planned=fault == "switchover")
        finally:
            mend()
    wait_until_whole(handle, lambda _message: None)
    table = writers.table()
    acknowledged = table.loc[table["outcome"] == "ok", "client_id"].tolist()
    lost = set(acknowledged) - read_back(handle.database_dsn(), acknowledged)
    bad = table[(table["outcome"] != "ok") & (table["finished_s"] >= landed_s)]
    return Trial(fault, site, outage_s, len(bad), len(acknowledged), len(lost))


def _longest_cycle_s(design: Design) -> float:
    """Whatever looks round in turns is met anywhere in its turn: checks, and Patroni's renewals."""
    return max(design.edge.api_check.interval_s, design.database.lease.loop_wait_s)


def _wait_for_success(writers: NoteWriters) -> None:
    deadline = time.monotonic() + RECOVERY_DEADLINE_S
    while not (writers.table()["outcome"] == "ok").tail(5).sum() >= 5:
        if time.monotonic() > deadline:
            raise RuntimeError("no note can be written to the whole stack")
        time.sleep(0.1)


def _watch(writers: NoteWriters, landed_s: float, *, planned: bool) -> float:
    """Seconds of outage, once writes are back for good; NaN when they never are in time."""
    deadline = landed_s + RECOVERY_DEADLINE_S
    while time.monotonic() < deadline:
        time.sleep(0.25)
        table = writers.table()
        table = table[table["finished_s"] >= landed_s]
        good = table["outcome"] == "ok"
        last_bad_s = table.loc[~good, "finished_s"].max()
        since = landed_s if math.isnan(last_bad_s) else last_bad_s
        back = sorted(table.loc[good & (table["sent_s"] >= landed_s), "finished_s"])
        back = [time_s for time_s in back if time_s > since]
        now_s = time.monotonic()
        # A gap that is still open when it is looked is none between two acknowledgements.
        sustained = back and now_s - back[0] >= SUSTAIN_S and now_s - back[-1] < OPEN_GAP_S
        if sustained and len(back) >= NOTES_PER_S:
            gap_s = _longest_gap(table, landed_s)
            return gap_s if planned else max(gap_s, back[0] - landed_s)
    return math.nan


def _longest_gap(table: pd.DataFrame, landed_s: float) -> float:
    """Longest time without a note acknowledged, from the landing on."""
    times = sorted(table.loc[table["outcome"] == "ok", "finished_s"])
    return max((b - a for a, b in zip([landed_s, *times], times, strict=False)), default=math.nan)


@contextmanager
def _stack(design: Design) -> Iterator[StackHandle]:
    folder = Path(".cache/bench-stack").absolute()
    with running(design, folder, instance=None, seed=SEED, progress=say) as handle:
        yield handle


def run(
    trials: int, faults: Sequence[str], name: str = "local", runs: Path = Path("runs")
) -> pd.DataFrame:
    """Run ``trials`` of each fault in turn, record them as a run, and print the summary."""
    design = load_design(name, overrides_without(name, "inference"))
    dice = random.Random(SEED)  # noqa: S311 - moments of faults, not secrets
    done: list[Trial] = []
    writer = RunWriter.of_design(
        runs, kind="benchmark", design=design, seed=SEED,
        parameters={"benchmark": "failover", "trials": trials, "faults": list(faults)},
    )  # fmt: skip
    with writer, _stack(design) as handle:
        if not handle.can_partition and "partition" in faults:
            say("partition is left out: this machine allows no network of its own (needs root)")
            faults = [fault for fault in faults if fault != "partition"]
        for number in range(trials):
            for fault in faults:
                trial = run_trial(handle, fault, dice)
                done.append(trial)
                say(f"{number + 1}/{trials} {fault} on {trial.site}: {trial.outage_s:.2f} s, "
                    f"{trial.lost} of {trial.acknowledged} lost")  # fmt: skip
        table = pd.DataFrame([vars(trial) for trial in done])
        writer.write_table("trials", table)
        writer.finish({"write_outage_s": summary(table)})
    print(json.dumps({"write_outage_s": summary(table)}, indent=2))
    return table


def summary(table: pd.DataFrame) -> dict[str, JsonValue]:
    """Figures of each fault: n, minimum, median, 95th percentile, maximum, lost notes."""
    found: dict[str, JsonValue] = {}
    for fault, rows in table.groupby("fault", sort=False):
        outages = sorted(rows["outage_s"])
        found[str(fault)] = {
            "n": len(outages),
            "minimum": round(outages[0], 2),
            "median": round(statistics.median(outages), 2),
            "p95": round(float(rows["outage_s"].quantile(0.95)), 2),
            "maximum": round(outages[-1], 2),
            "never_recovered": int(rows["outage_s"].isna().sum()),
            "acknowledged": int(rows["acknowledged"].sum()),
            "lost": int(rows["lost"].sum()),
        }
    return found


def main() -> None:
    """Entry point: ``python -m benchmarks.failover [--trials N] [--design NAME] [FAULT …]``."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.failover")
    parser.add_argument("--trials", type=int, default=TRIALS)
    parser.add_argument("faults", nargs="*", help=f"of: {', '.join(FAULTS)}")
    parser.add_argument("--design", default="local", help="local, or a variant of it")
    arguments = parser.parse_args()
    unknown = sorted(set(arguments.faults) - set(FAULTS))
    if unknown:
        parser.error(f"unknown: {', '.join(unknown)} (allowed: {', '.join(FAULTS)})")
    run(arguments.trials, arguments.faults or list(FAULTS), arguments.design)


if __name__ == "__main__":
    main()

"""One experiment from beginning to end: load, fault, recovery, ledger, run record."""

from __future__ import annotations

import json
import math
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pandas as pd

from chaos import toolkit
from chaos.errors import ExperimentError, StackNotWholeError
from chaos.faults import Fault, faults_table, read_faults
from chaos.guard import mended, terminable
from chaos.ledger import LedgerUnreadError, mark_found, read_back, with_snapshot
from chaos.measures import OPERATIONS
from chaos.observer import Event, Observer, events_table
from chaos.outcome import Evidence, client_events, outcome_document
from chaos.steady import STEADY_DEADLINE_S, wait_until_steady
from chaos.toolkit import Progress, experiment_names
from evidence.record import RunWriter
from load.errors import LoadError
from load.lag import LagSampler, lag_table
from load.process import DRAIN_S, LoadProcess, check_accounts, start_load
from load.run import SPAWN_GRACE_S, clinician_usernames
from load.settings import PROCESS_LOG, ChatProbe
from reference_stack.handle import StackHandle

__all__ = ["experiment_names", "run_experiment"]

#: Upper bound of method, rollbacks and settling together. The load ends by itself after it.
FAULT_DEADLINE_S: Final = 600.0


@dataclass(frozen=True)
class Plan:
    """What one experiment is asked to do."""

    experiment: toolkit.Document
    users: int
    seed: int
    steady_s: float
    settle_s: float
    usernames: list[str]
    chat_probe: ChatProbe | None


@dataclass(frozen=True)
class Course:
    """How it went: times on CLOCK_MONOTONIC, the Toolkit's journal, and what the load cost."""

    steady_from_s: float
    rolled_back_s: float
    until_s: float
    journal: toolkit.Journal
    load_cpu_share: float


def run_experiment(
    name: str, handle: StackHandle, *, users: int, seed: int, root: Path,
    prediction_run: str | None = None, steady_s: float = 20.0, settle_s: float = 10.0,
    progress: Progress,
) -> Path:  # fmt: skip
    """Run one experiment against a whole stack under load, and record it as a ``chaos`` run.

    The fault is undone and the load stopped on every way out. Must be called by the main thread,
    because the Toolkit handles signals; Ctrl-C and SIGTERM both end in `KeyboardInterrupt`.

    Args:
        name: One of :func:`experiment_names`.
        handle: The stack.
        users: Clinicians at work.
        seed: Of the load.
        root: Where runs are kept.
        prediction_run: Name of the run that predicted the outcome beforehand.
        steady_s: How long clients must have been free of errors before the fault.
        settle_s: How long the load goes on after the stack is whole again.
        progress: Told each step.

    Raises:
        InputError: for an unknown experiment or too many users.
        StackNotWholeError: when the stack is not fit for the fault.
        NotSteadyError: when clients see errors without any fault.
        LoadError: when the load could not be started or ended by itself.
        ExperimentError: when the fault could not be undone.
    """
    experiment = toolkit.load_experiment(name)
    if threading.current_thread() is not threading.main_thread():
        raise ExperimentError("an experiment must run in the main thread, which receives signals")
    problems = handle.whole()
    if problems:
        raise StackNotWholeError(problems)
    usernames = clinician_usernames(handle)
    check_accounts(users, usernames)
    probe = ChatProbe() if "chat" in handle.design.workload.demands else None
    plan = Plan(experiment, users, seed, steady_s, settle_s, usernames, probe)
    run = RunWriter.of_design(
        root,
        kind="chaos",
        design=handle.design,
        seed=seed,
        parameters={
            "experiment": name, "users": users, "steady_s": steady_s, "settle_s": settle_s,
            "chat_probe": probe.model_dump() if probe is not None else None,
        },
    )  # fmt: skip
    with (
        terminable(),
        run,
        tempfile.TemporaryDirectory(prefix="prontuario-chaos-") as folder,
        mended(handle),
        Observer(handle) as observer,
        LagSampler(handle) as lag,
    ):
        output = Path(folder)
        course = _carry_out(plan, handle, output, run.file("chaostoolkit.log"), progress)
        requests = pd.read_parquet(output / "requests.parquet")
        ledger, unread = _read_ledger(pd.read_parquet(output / "ledger.parquet"), handle, progress)
        faults = read_faults(_fault_log(output))
        landed_s = faults[-1].landed_s if faults else math.nan
        ledger, brought_back = with_snapshot(ledger, _snapshot(output), landed_s)
        evidence = Evidence(
            experiment=name,
            requests=requests,
            ledger=ledger,
            faults=faults,
            steady_from_s=course.steady_from_s,
            until_s=course.until_s,
            load_cpu_share=course.load_cpu_share,
            notes=[*toolkit.failures(course.journal), *unread],
            brought_back=brought_back,
            prediction=prediction_run,
        )
        _record(run, evidence, course, observer)
        run.write_table("replication_lag", lag_table(lag.samples()))
        shutil.copyfile(output / PROCESS_LOG, run.file(PROCESS_LOG))
        run.finish(outcome_document(evidence))
    return run.path


def _carry_out(
    plan: Plan, handle: StackHandle, output: Path, log: Path, progress: Progress
) -> Course:
    """Load, break, mend; leaves the load's tables and the fault log in ``output``."""
    ramp_s = handle.design.workload.ramp_s
    before_s = ramp_s + SPAWN_GRACE_S + plan.steady_s + STEADY_DEADLINE_S
    with start_load(
        handle.api_urls, handle.design, handle.secret("clinicians"), usernames=plan.usernames,
        users=plan.users, duration_s=before_s + FAULT_DEADLINE_S + plan.settle_s, seed=plan.seed,
        output=output, certificate_authority=handle.certificate_authority,
        chat_probe=plan.chat_probe,
    ) as load:  # fmt: skip
        progress(f"{plan.users} clinicians arrive over {ramp_s:g} s")
        load.wait_until_spawned(ramp_s + SPAWN_GRACE_S)
        progress(f"waiting for {plan.steady_s:g} s without an error")
        steady_from_s = wait_until_steady(load, plan.steady_s, OPERATIONS.values())
        used_s, since_s = load.cpu_s(), time.monotonic()
        journal = toolkit.play(
            plan.experiment, _configuration(handle, load, output), log=log, progress=progress
        )
        rolled_back_s = time.monotonic()
        _check_journal(journal)
        progress(f"settling for {plan.settle_s:g} s")
        time.sleep(plan.settle_s)
        if not load.running:
            raise LoadError("the load ended by itself during the experiment")
        until_s = time.monotonic()
        cpu_share = (load.cpu_s() - used_s) / (until_s - since_s)
        progress(f"stopping the load, up to {DRAIN_S} s for requests in flight")
        load.stop()
    return Course(steady_from_s, rolled_back_s, until_s, journal, cpu_share)


def _configuration(handle: StackHandle, load: LoadProcess, output: Path) -> dict[str, str]:
    return {
        "stack_directory": str(handle.directory),
        "request_log": str(load.request_log),
        "fault_log": str(_fault_log(output)),
        "snapshot": str(_snapshot(output)),
    }


def _fault_log(output: Path) -> Path:
    return output / "faults.json"


def _snapshot(output: Path) -> Path:
    return output / "found-at-recovery.json"


def _check_journal(journal: toolkit.Journal) -> None:
    if toolkit.interrupted(journal):
        raise KeyboardInterrupt
    gate = toolkit.gate_failure(journal)
    if gate is not None:
        raise StackNotWholeError([gate])


def _read_ledger(
    ledger: pd.DataFrame, handle: StackHandle, progress: Progress
) -> tuple[pd.DataFrame, list[str]]:
    """The ledger with ``found``, or as it is with the reason why nobody knows."""
    progress(f"reading {len(ledger)} notes back")
    try:
        found = read_back(handle.database_dsn(), ledger["client_id"].tolist())
    except LedgerUnreadError as error:
        return ledger, [str(error)]
    return mark_found(ledger, found), []


def _record(run: RunWriter, evidence: Evidence, course: Course, observer: Observer) -> None:
    events = [
        *observer.events(),
        *_chaos_events(evidence.faults, course.rolled_back_s),
        *client_events(evidence),
    ]
    run.write_table("requests", evidence.requests)
    run.write_table("ledger", evidence.ledger)
    run.write_table("faults", faults_table(evidence.faults))
    run.write_table("events", events_table(events))
    run.file("journal.json").write_text(json.dumps(course.journal, indent=1), encoding="utf-8")


def _chaos_events(faults: list[Fault], rolled_back_s: float) -> Iterator[Event]:
    for fault in faults:
        what = f"{fault.fault} on {fault.site}"
        yield Event(fault.injected_s, "chaos", "injected", what)
        if not math.isnan(fault.landed_s):
            yield Event(fault.landed_s, "chaos", "landed", what)
        if not math.isnan(fault.restored_s):
            yield Event(fault.restored_s, "chaos", "restored", fault.site)
    yield Event(rolled_back_s, "chaos", "rollbacks ended", "")

"""Bringing a stack up, step by step, and taking it down so that nothing is left."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import psycopg
from psycopg import sql

from architecture.design import Design
from evidence.record import json_document
from reference_stack.addresses import Reservation, runtime_folder
from reference_stack.api.audit_owner import entrust
from reference_stack.api.migrate import migrate
from reference_stack.edge.tls import make_certificates
from reference_stack.errors import StackError, StackNotRunningError
from reference_stack.handle import StackHandle
from reference_stack.hospital.notes import TEAM
from reference_stack.hospital.seed import seed_hospital
from reference_stack.monitoring.database import prepare_database as prepare_monitoring
from reference_stack.possible import as_far_as_possible
from reference_stack.preconditions import clear, require_fit_machine
from reference_stack.render import render
from reference_stack.rendering import (
    DATABASE_NAME,
    DATABASE_USER,
    Programs,
    database_url,
    link_scratch,
    write_endpoints,
)
from reference_stack.secrets import make_secrets, read_secret
from reference_stack.site.backend import best_backend
from reference_stack.site.network import best_network
from reference_stack.state import StackState, write_state

Progress = Callable[[str], None]

START_DEADLINE_S = 120.0
WHOLE_DEADLINE_S = 180.0
PATIENTS = 500


def up(
    design: Design, directory: Path, *, instance: int | None = 0, seed: int = 1,
    detached: bool = True, progress: Progress,
) -> StackHandle:  # fmt: skip
    """Start every site of ``design`` in ``directory`` and wait until the stack is whole.

    Args:
        design: What to run.
        directory: Where the stack's files go; must be empty, new, or a stack's that has ended.
        instance: Which loopback addresses to take; None for the first free ones.
        seed: Of the synthetic hospital.
        detached: Whether the stack outlives this process. If not, it dies with it, however it ends.
        progress: Told each step.

    Raises:
        PreconditionError: when the machine is not fit or a stack runs already; nothing was started.
        StackError: when a part did not come up; everything was taken down again.
    """
    programs, reservation = require_fit_machine(design, directory, instance, progress)
    with reservation:
        return _up(
            design, directory, programs, reservation, seed=seed, detached=detached,
            progress=progress,
        )  # fmt: skip


def _up(
    design: Design, directory: Path, programs: Programs, reservation: Reservation, *, seed: int,
    detached: bool, progress: Progress,
) -> StackHandle:  # fmt: skip
    design = as_far_as_possible(design, programs.paths)
    directory.mkdir(parents=True, exist_ok=True)
    clear(directory)
    state = StackState(
        design_document=json_document(design),
        stack_id=uuid.uuid4().hex,
        instance=reservation.number,
        sites=tuple(design.sites),
        network=best_network(),
        backend=best_backend(),
        control_socket=str(runtime_folder() / f"stack-{reservation.number}.sock"),
        model_name=design.inference.model,
    )
    make_secrets(directory)
    make_certificates(directory, design, state.addresses)
    render(design, state.addresses, directory, programs)
    link_scratch(state.addresses, directory)
    write_state(state, directory)
    supervisor = _start_supervisor(directory, reservation, detached=detached)
    try:
        return _bring_up(StackHandle(state, directory), supervisor, seed, progress)
    except BaseException:
        _end(supervisor)
        raise


@contextlib.contextmanager
def running(
    design: Design, directory: Path, *, instance: int | None, seed: int, progress: Progress
) -> Iterator[StackHandle]:
    """A stack that lives as long as the block, whatever ends it."""
    handle = up(design, directory, instance=instance, seed=seed, detached=False, progress=progress)
    try:
        yield handle
    finally:
        progress("taking the stack down")
        with contextlib.suppress(StackNotRunningError):
            handle.shutdown()


def down(directory: Path) -> bool:
    """End the stack in ``directory``; False when none ran there."""
    try:
        StackHandle.attach(directory).shutdown()
    except StackNotRunningError:
        return False
    return True


def _start_supervisor(
    directory: Path, reservation: Reservation, *, detached: bool
) -> subprocess.Popen[bytes]:
    """Start it with the reservation in its hands, so that nobody can take the instance between."""
    lock = reservation.lock.fileno()
    command = [
        sys.executable, "-m", "reference_stack.site.supervisor", str(directory),
        "--lock", str(lock),
    ]  # fmt: skip
    with (directory / "supervisor.log").open("ab") as log:
        return subprocess.Popen(
            [*command, "--detached"] if detached else command,
            stdin=subprocess.DEVNULL if detached else subprocess.PIPE,
            stdout=log,
            stderr=log,
            start_new_session=True,
            pass_fds=[lock],
        )


def _end(supervisor: subprocess.Popen[bytes]) -> None:
    """End the supervisor, and by it every site, even while further Ctrl-C arrive."""
    previous = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        supervisor.terminate()
        try:
            supervisor.wait(30)
        except subprocess.TimeoutExpired:
            supervisor.kill()
            supervisor.wait()
    finally:
        signal.signal(signal.SIGINT, previous)


def _bring_up(
    handle: StackHandle, supervisor: subprocess.Popen[bytes], seed: int, progress: Progress
) -> StackHandle:
    design = handle.design
    wait_for(lambda: _supervised(handle, supervisor), "the supervisor", START_DEADLINE_S)
    cloud = design.database.cloud_standby.site if design.database.cloud_standby else None
    first = [site for site in design.sites if site != cloud]
    progress(f"starting {', '.join(first)}")
    # The design's first database site becomes the primary: its rivals wait with their database
    # (not with their etcd, whose members must all have met once).
    rivals = design.database.sites[1:]
    for site in first:
        handle.start(site, without=["patroni"] if site in rivals else [])
    wait_for(lambda: handle.primary() is not None, "a primary database", START_DEADLINE_S)
    progress(f"{handle.primary()} holds the primary database")
    for site in rivals:
        handle.start_services(site, ["patroni"])
    wait_for(lambda: _write_path_open(handle), "the write path at the edge", START_DEADLINE_S)
    _prepare_database(handle, seed, progress)
    if cloud is not None:
        # Patroni of a standby cluster gives up when there is nothing yet to copy from.
        progress(f"starting {cloud}")
        handle.start(cloud)
    wait_until_whole(handle, progress)
    return handle


def wait_until_whole(
    handle: StackHandle, progress: Progress, deadline_s: float = WHOLE_DEADLINE_S
) -> None:
    """Wait until nothing keeps the stack from being whole.

    Raises:
        StackError: naming what was still missing at the deadline.
    """
    problems: list[str] = []

    def nothing_missing() -> bool:
        problems[:] = handle.whole()
        return not problems

    try:
        wait_for(nothing_missing, "the whole stack", deadline_s, every_s=0.5)
    except StackError as error:
        raise StackError(f"{error}: {'; '.join(problems)}") from None
    progress("the stack is whole: primary, synchronous standby, cloud standby, balancer, chat")


def wait_for(
    condition: Callable[[], bool], what: str, deadline_s: float, every_s: float = 0.2
) -> None:
    """Poll ``condition`` until it is true.

    Raises:
        StackError: when it is not within ``deadline_s``.
    """
    end = time.monotonic() + deadline_s
    while not condition():
        if time.monotonic() > end:
            raise StackError(f"waited {deadline_s:.0f} s for {what}")
        time.sleep(every_s)


def _supervised(handle: StackHandle, supervisor: subprocess.Popen[bytes]) -> bool:
    if supervisor.poll() is not None:
        log = (handle.directory / "supervisor.log").read_text(errors="replace").strip()
        raise StackError(f"the supervisor ended at once: {log[-500:]}")
    try:
        handle.status()
    except StackNotRunningError:
        return False
    return True


def _superuser_url(handle: StackHandle) -> str:
    endpoints = write_endpoints(handle.design, handle.addresses)
    secret = read_secret(handle.directory, "superuser")
    return database_url(endpoints, "postgres", secret, "postgres") + "?connect_timeout=2"


def _write_path_open(handle: StackHandle) -> bool:
    try:
        with psycopg.connect(_superuser_url(handle), autocommit=True) as connection:
            row = connection.execute("SELECT NOT pg_is_in_recovery()").fetchone()
    except psycopg.Error:
        return False
    return row is not None and bool(row[0])


def _prepare_database(handle: StackHandle, seed: int, progress: Progress) -> None:
    progress("creating the database, its schema and the synthetic hospital")
    password = read_secret(handle.directory, "application")
    role, database = sql.Identifier(DATABASE_USER), sql.Identifier(DATABASE_NAME)
    with psycopg.connect(_superuser_url(handle), autocommit=True) as connection:
        connection.execute(
            sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(role, sql.Literal(password))
        )
        connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(database, role))
    url = database_url(write_endpoints(handle.design, handle.addresses), DATABASE_USER, password)
    migrate(url)
    seed_hospital(
        url,
        secret=read_secret(handle.directory, "clinicians"),
        patients=PATIENTS,
        clinicians=handle.design.workload.users,
        seed=seed,
        support_staff=True,
        records=handle.design.workload.users >= TEAM,
        as_of=datetime.now(UTC),
    )
    with psycopg.connect(handle.database_dsn(), autocommit=True) as connection:
        entrust(connection, DATABASE_USER)
    if handle.design.sites_with("monitoring"):
        prepare_monitoring(handle.database_dsn(), read_secret(handle.directory, "monitoring"))

"""The Locust process: started with a folder of its own, watched, and never left running."""

from __future__ import annotations

import contextlib
import math
import os
import resource
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self
from uuid import uuid4

import httpx
import psutil

from architecture.design import Design
from architecture.errors import InputError
from load.errors import LoadError
from load.settings import (
    FOLDER_VARIABLE,
    PROCESS_LOG,
    REQUEST_LOG,
    SECRET_VARIABLE,
    SPAWNED_FILE,
    ChatProbe,
    KnownPatient,
    LoadSettings,
    write_settings,
)
from load.tables import write_tables
from reference_stack.hospital.clinicians import clinician_password

LOCUSTFILE: Final = Path(__file__).with_name("locustfile.py")
#: How long requests in flight may take to end once the load is told to stop.
DRAIN_S: Final = 15
#: Files a load holds open besides one connection a user.
OTHER_FILES: Final = 100
_PATIENTS: Final = 100
_WRITE_TABLES_S: Final = 30


class LoadProcess:
    """A running load. As a context manager it stops the load, whatever ends the block."""

    def __init__(self, process: subprocess.Popen[bytes], folder: Path) -> None:
        self._process = process
        self._folder = folder

    @property
    def pid(self) -> int:
        """Process id, for who wants to measure what the load itself costs."""
        return self._process.pid

    @property
    def request_log(self) -> Path:
        """The attempts so far: follow it with :class:`load.tables.RequestLog`."""
        return self._folder / REQUEST_LOG

    @property
    def running(self) -> bool:
        """Whether the load still runs."""
        return self._process.poll() is None

    def cpu_s(self) -> float:
        """Processor time the load has used so far: a load near one core measures itself."""
        try:
            times = psutil.Process(self.pid).cpu_times()
        except psutil.Error:
            return math.nan
        return float(times.user + times.system)

    def wait_until_spawned(self, deadline_s: float) -> None:
        """Wait until every user is there.

        Raises:
            LoadError: when the load ended before, or users were missing after ``deadline_s``.
        """
        end = time.monotonic() + deadline_s
        while not (self._folder / SPAWNED_FILE).exists():
            if not self.running:
                raise LoadError(f"the load ended before all users were there: {self._last_words()}")
            if time.monotonic() > end:
                raise LoadError(f"not all users were there after {deadline_s:g} s")
            time.sleep(0.1)

    def wait(self, deadline_s: float) -> None:
        """Wait until the load has ended by itself and written its tables.

        Raises:
            LoadError: when it has not after ``deadline_s``.
        """
        try:
            self._process.wait(deadline_s)
        except subprocess.TimeoutExpired:
            raise LoadError(f"the load had not ended after {deadline_s:g} s") from None

    def stop(self) -> Path:
        """End the load politely; returns the folder that holds ``requests`` and ``ledger``.

        Requests in flight have :data:`DRAIN_S` to end. Should the process have died, the tables are
        made from its log.
        """
        if self.running:
            self._process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(DRAIN_S + _WRITE_TABLES_S)
        self._kill()
        if not (self._folder / "ledger.parquet").exists():
            write_tables(self.request_log, self._folder)
        return self._folder

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:  # fmt: skip
        self._kill()

    def _kill(self) -> None:
        if self.running:
            self._process.kill()
        self._process.wait()

    def _last_words(self) -> str:
        with contextlib.suppress(OSError):
            return (self._folder / PROCESS_LOG).read_text(errors="replace").strip()[-800:]
        return "it wrote no log"


def start_load(
    stack_urls: Sequence[str], design: Design, secret: str, *, usernames: Sequence[str], users: int,
    duration_s: float, seed: int, output: Path, certificate_authority: Path | None = None,
    chat_probe: ChatProbe | None = None,
) -> LoadProcess:  # fmt: skip
    """Start a load in a process of its own.

    Args:
        stack_urls: Where clients talk to the system, in the order in which they try.
        design: Its workload says what the clinicians do.
        secret: The hospital's secret for clinicians' passwords.
        usernames: Accounts; each user has its own.
        users: How many clinicians; they arrive over the workload's ``ramp_s``.
        duration_s: After which the load ends by itself, the ramp included.
        seed: Of think times, choices and texts.
        output: An empty folder for the log and the tables.
        certificate_authority: Who vouches for https URLs (PEM).
        chat_probe: Asks the chat at even distances beside the clinicians; nobody when left out.

    Raises:
        InputError: when there are more users than accounts or open files allow.
        LoadError: when the system does not let the first clinician in.
    """
    check_accounts(users, usernames)
    check_open_files(users + (chat_probe is not None))
    settings = LoadSettings(
        urls=tuple(stack_urls),
        certificate_authority=certificate_authority,
        design=design,
        users=users,
        duration_s=duration_s,
        seed=seed,
        run_id=uuid4(),
        usernames=tuple(usernames[:users]),
        patients=_known_patients(stack_urls[0], certificate_authority, usernames[0], secret),
        chat_probe=chat_probe,
        parent=os.getpid(),
    )
    write_settings(settings, output)
    with (output / PROCESS_LOG).open("wb") as log:
        process = subprocess.Popen(
            _command(settings),
            env={**os.environ, FOLDER_VARIABLE: str(output), SECRET_VARIABLE: secret},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            # Ctrl-C is for the driver, which then stops the load in good order.
            start_new_session=True,
        )
    return LoadProcess(process, output)


def check_accounts(users: int, usernames: Sequence[str]) -> None:
    """Refuse more users than accounts: two users of one account would be one clinician.

    Raises:
        InputError: naming how many there may be.
    """
    if not 1 <= users <= len(usernames):
        raise InputError(
            f"got {users}; each user needs an account of its own",
            where="--users",
            allowed=f"1 to {len(usernames)}",
        )


def check_open_files(users: int) -> None:
    """Refuse more users than this process's children may hold connections for.

    Raises:
        InputError: naming the limit.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = users + OTHER_FILES
    if hard != resource.RLIM_INFINITY and needed > hard:
        raise InputError(
            f"{users} users need {needed} open files, the limit is {hard}: raise it (ulimit -n)",
            where="--users",
            allowed=f"1 to {hard - OTHER_FILES}",
        )


def _command(settings: LoadSettings) -> list[str]:
    ramp_s = settings.design.workload.ramp_s
    users = settings.users + (settings.chat_probe is not None)
    rate = users / ramp_s if ramp_s > 0 else users
    return [
        sys.executable, "-m", "locust", "-f", str(LOCUSTFILE), "--headless", "--only-summary",
        "--host", settings.urls[0], "--users", str(users), "--spawn-rate", f"{rate:.6f}",
        "--run-time", f"{math.ceil(settings.duration_s)}s", "--stop-timeout", str(DRAIN_S),
        "--loglevel", "WARNING",
    ]  # fmt: skip


def _known_patients(
    url: str, authority: Path | None, username: str, secret: str
) -> tuple[KnownPatient, ...]:
    cafile = str(authority) if authority is not None else None
    trusted = ssl.create_default_context(cafile=cafile)
    try:
        with httpx.Client(base_url=url, verify=trusted, timeout=10.0, trust_env=False) as client:
            credentials = {"username": username, "password": clinician_password(secret, username)}
            login = client.post("/v1/login", json=credentials).raise_for_status()
            headers = {"Authorization": f"Bearer {login.json()['access_token']}"}
            answer = client.get("/v1/patients", params={"limit": _PATIENTS}, headers=headers)
            items = answer.raise_for_status().json()["items"]
    except (httpx.HTTPError, ValueError, KeyError) as error:
        raise LoadError(f"{url}: {username} cannot log in and list patients: {error}") from error
    if not items:
        raise LoadError(f"{url}: the hospital has no patients")
    return tuple(
        KnownPatient(
            id=item["id"], name=item["name"], medical_record_number=item["medical_record_number"]
        )
        for item in items
    )

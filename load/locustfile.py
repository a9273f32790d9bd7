"""What Locust runs: ``locust -f load/locustfile.py``, with the load's folder in the environment.

:func:`load.process.start_load` prepares the folder and starts it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import gevent
from locust import events

from load.caller import Ward
from load.clinician import Clinician
from load.lifeline import end_with_parent, orphaned
from load.listener import Listener
from load.probe import Prober
from load.settings import FOLDER_VARIABLE, SECRET_VARIABLE, SPAWNED_FILE, ChatProbe, read_settings

PARENT_CHECK_S = 1.0

_folder = Path(os.environ[FOLDER_VARIABLE])
_ward = Ward(
    settings=read_settings(_folder),
    secret=os.environ[SECRET_VARIABLE],
    listener=Listener(_folder),
)


class HospitalClinician(Clinician):
    """The user class that Locust spawns."""

    ward = _ward


def probe_class(wanted: ChatProbe) -> type[Prober]:
    """The user class of the chat's probe: Locust spawns one."""

    class HospitalProber(Prober):
        ward = _ward
        probe = wanted
        fixed_count = 1

    return HospitalProber


if _ward.settings.chat_probe is not None:
    HospitalProber = probe_class(_ward.settings.chat_probe)


def prepare(environment: Any, **_: Any) -> None:
    """Failed requests are findings, not a failure of the load: the exit code is 0 all the same."""
    environment.process_exit_code = 0
    end_with_parent()
    gevent.spawn(_end_when_orphaned, environment)


def say_spawned(user_count: int, **_: Any) -> None:
    """Let the parent know that all users are there."""
    partial = _folder / f".{SPAWNED_FILE}"
    partial.write_text(str(user_count), encoding="ascii")
    partial.replace(_folder / SPAWNED_FILE)


def wake_the_thinking(**_: Any) -> None:
    """Users that think leave at once; those that wait for an answer have Locust's stop time-out."""
    _ward.stopping.set()


def write_tables(**_: Any) -> None:
    """The last thing Locust does, on any way out that it controls."""
    _ward.listener.close()


def _end_when_orphaned(environment: Any) -> None:
    while not orphaned(_ward.settings.parent):
        gevent.sleep(PARENT_CHECK_S)
    environment.runner.quit()


_hooks: Any = events
_hooks.init.add_listener(prepare)
_hooks.spawning_complete.add_listener(say_spawned)
_hooks.test_stopping.add_listener(wake_the_thinking)
_hooks.quit.add_listener(write_tables)

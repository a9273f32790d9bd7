"""What the Locust process is told: ``settings.json`` in its folder, and one secret apart."""

from __future__ import annotations

from pathlib import Path
from typing import Final
from uuid import UUID

from pydantic import Field

from architecture.design import Design
from architecture.values import Positive, Strict

FOLDER_VARIABLE: Final = "PRONTUARIO_LOAD_FOLDER"
#: The clinicians' secret travels in the environment: the folder may become part of a run's record.
SECRET_VARIABLE: Final = "PRONTUARIO_LOAD_SECRET"  # noqa: S105 - a name, no secret

SETTINGS_FILE: Final = "settings.json"
REQUEST_LOG: Final = "requests.jsonl"
SPAWNED_FILE: Final = "spawned"
PROCESS_LOG: Final = "locust.log"
#: ``journey`` of synthetic requests; a design's journeys have other names (no capitals).
PROBE_JOURNEY: Final = "PROBE"


class KnownPatient(Strict):
    """A patient that clinicians look up and write about."""

    id: UUID
    name: str
    medical_record_number: str


class ChatProbe(Strict):
    """A synthetic user that asks the chat one short question every ``every_s`` seconds."""

    every_s: Positive = 2.0
    question: str = "What first?"
    answer_tokens: int = Field(default=2, ge=1, le=16)


class LoadSettings(Strict):
    """One load: who asks what, where, and for how long."""

    urls: tuple[str, ...] = Field(min_length=1, description="ways in, in the order to try them")
    certificate_authority: Path | None = Field(
        default=None, description="PEM file of who vouches for https ways in"
    )
    design: Design
    users: int = Field(ge=1)
    duration_s: Positive = Field(description="run time in all, the ramp included")
    seed: int = Field(ge=0)
    run_id: UUID = Field(description="keeps the notes of this run apart from those of any other")
    usernames: tuple[str, ...] = Field(description="one account a user")
    patients: tuple[KnownPatient, ...] = Field(min_length=1)
    chat_probe: ChatProbe | None = None
    parent: int = Field(description="process id without which the load ends")


def write_settings(settings: LoadSettings, folder: Path) -> None:
    """Write ``settings.json``."""
    (folder / SETTINGS_FILE).write_text(settings.model_dump_json(indent=1), encoding="utf-8")


def read_settings(folder: Path) -> LoadSettings:
    """Read ``settings.json``; raises `OSError` and pydantic's `ValidationError`."""
    text = (folder / SETTINGS_FILE).read_text(encoding="utf-8")
    return LoadSettings.model_validate_json(text)

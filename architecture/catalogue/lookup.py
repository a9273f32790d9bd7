"""Looking things up in the catalogue files, which are read once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TypeVar

from architecture.catalogue.schema import (
    Efficiency,
    Hardware,
    HardwareFile,
    ItemSpeed,
    Model,
    ModelsFile,
    Performance,
    PerformanceFile,
    Sharing,
    Transcription,
)
from architecture.errors import InputError
from architecture.validation import validated
from architecture.yaml_files import read_yaml

FOLDER = Path(__file__).parent
HARDWARE_FILE = FOLDER / "hardware.yaml"
MODELS_FILE = FOLDER / "models.yaml"
PERFORMANCE_FILE = FOLDER / "performance.yaml"

EntryT = TypeVar("EntryT")


def hardware_names() -> tuple[str, ...]:
    """Names a design may use for hardware."""
    return tuple(_hardware())


def hardware(name: str) -> Hardware:
    """The machine of this name.

    Raises:
        InputError: when the catalogue has none; names the file and the names it has.
    """
    return _entry(_hardware(), name, HARDWARE_FILE, "hardware")


def model_names() -> tuple[str, ...]:
    """Names a design may use for models."""
    return tuple(_models())


def model(name: str) -> Model:
    """The model of this name.

    Raises:
        InputError: when the catalogue has none; names the file and the names it has.
    """
    return _entry(_models(), name, MODELS_FILE, "models")


def performance(model: str, hardware: str) -> Performance | None:
    """Speed of a language model on a machine; None when there is no figure for the pair.

    Raises:
        InputError: when the catalogue has no such model or machine.
    """
    _known(model, hardware)
    return _performance().get((model, hardware))


def transcription(model: str, hardware: str) -> Transcription | None:
    """Speed of a speech-to-text model on a machine; None when there is no figure for the pair.

    Raises:
        InputError: when the catalogue has no such model or machine.
    """
    _known(model, hardware)
    return _transcription().get((model, hardware))


def item_speed(model: str, hardware: str) -> ItemSpeed | None:
    """Speed of a model that works on items; None when there is no figure for the pair.

    Raises:
        InputError: when the catalogue has no such model or machine.
    """
    _known(model, hardware)
    return _items().get((model, hardware))


def efficiency() -> Efficiency:
    """The roofline's shares of a machine's peak."""
    return _performance_file().efficiency


def sharing() -> Sharing:
    """What models on one accelerator cost each other."""
    return _performance_file().sharing


def _known(model_name: str, hardware_name: str) -> None:
    model(model_name)
    hardware(hardware_name)


def _entry(entries: Mapping[str, EntryT], name: str, file: Path, key: str) -> EntryT:
    if name not in entries:
        allowed = ", ".join(entries)
        raise InputError(f"has no entry '{name}'", where=str(file), key=key, allowed=allowed)
    return entries[name]


@cache
def _hardware() -> dict[str, Hardware]:
    tree = read_yaml(HARDWARE_FILE)
    return validated(HardwareFile, tree, where=str(HARDWARE_FILE)).hardware


@cache
def _models() -> dict[str, Model]:
    tree = read_yaml(MODELS_FILE)
    return validated(ModelsFile, tree, where=str(MODELS_FILE)).models


@cache
def _performance_file() -> PerformanceFile:
    tree = read_yaml(PERFORMANCE_FILE)
    return validated(PerformanceFile, tree, where=str(PERFORMANCE_FILE))


@cache
def _performance() -> dict[tuple[str, str], Performance]:
    return _by_pair(_performance_file().language, "language")


@cache
def _transcription() -> dict[tuple[str, str], Transcription]:
    return _by_pair(_performance_file().speech, "speech")


@cache
def _items() -> dict[tuple[str, str], ItemSpeed]:
    return _by_pair(_performance_file().items, "items")


PairT = TypeVar("PairT", Performance, Transcription, ItemSpeed)


def _by_pair(entries: Sequence[PairT], key: str) -> dict[tuple[str, str], PairT]:
    found: dict[tuple[str, str], PairT] = {}
    for position, entry in enumerate(entries):
        _entry(_models(), entry.model, PERFORMANCE_FILE, f"{key}.{position}.model")
        _entry(_hardware(), entry.hardware, PERFORMANCE_FILE, f"{key}.{position}.hardware")
        pair = (entry.model, entry.hardware)
        if pair in found:
            raise InputError(
                f"{entry.model} on {entry.hardware} is given twice",
                where=str(PERFORMANCE_FILE), key=f"{key}.{position}",
            )  # fmt: skip
        found[pair] = entry
    return found

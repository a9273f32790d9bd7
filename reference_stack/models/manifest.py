"""The record beside a model's files that says what they must be."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from reference_stack.models.profiles import Sha256

MANIFEST = "manifest.json"


class FileRecord(BaseModel):
    """Size and SHA-256 of one file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    size_bytes: Annotated[int, Field(ge=0)]
    sha256: Sha256


class Manifest(BaseModel):
    """What a model folder holds and where it came from.

    `source_sha256` fingerprints the profile and the converter: another profile or a changed
    converter makes the folder stale.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    profile: str
    licence: str
    source: str
    source_sha256: Sha256
    files: dict[str, FileRecord]


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def record_files(folder: Path) -> dict[str, FileRecord]:
    """The record of every file in `folder`, each flushed to the disk first."""
    records = {}
    for path in sorted(path for path in folder.iterdir() if path.is_file()):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        records[path.name] = FileRecord(size_bytes=path.stat().st_size, sha256=file_sha256(path))
    return records


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the manifest; it is the last file written, so its presence means completeness."""
    (folder / MANIFEST).write_text(manifest.model_dump_json(indent=1) + "\n", encoding="utf-8")


def faults(folder: Path, source_sha256: str, *, full: bool) -> Iterator[str]:
    """What keeps `folder` from being the model with this fingerprint; nothing if it is.

    Compares names and sizes; with `full` also the SHA-256 of every file.
    """
    if not (folder / MANIFEST).exists():
        yield f"{MANIFEST} is missing"
        return
    manifest = _read(folder)
    if manifest is not None and manifest.source_sha256 != source_sha256:
        yield "it was made from another source or by another converter"
        return
    yield from _damage(folder, manifest, full=full)


def damage(folder: Path, *, full: bool) -> Iterator[str]:
    """Files of `folder` that aren't as its manifest says; nothing if it has no manifest.

    A folder the user brought has none, and is taken as it is. With `full` every file is hashed
    (B-12: integrity check), else only sizes are compared.
    """
    if (folder / MANIFEST).exists():
        yield from _damage(folder, _read(folder), full=full)


def _read(folder: Path) -> Manifest | None:
    try:
        return Manifest.model_validate_json((folder / MANIFEST).read_bytes())
    except (OSError, ValidationError):
        return None


def _damage(folder: Path, manifest: Manifest | None, *, full: bool) -> Iterator[str]:
    if manifest is None:
        yield f"{MANIFEST} can't be read"
        return
    for name, record in manifest.files.items():
        path = folder / name
        if not path.is_file():
            yield f"{name} is missing"
        elif path.stat().st_size != record.size_bytes:
            yield f"{name} has {path.stat().st_size} bytes, expected {record.size_bytes}"
        elif full and file_sha256(path) != record.sha256:
            yield f"{name} has another sha256 than recorded"

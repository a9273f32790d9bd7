"""The cache of model folders: made once, atomically, and mended when damaged."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from reference_stack.models.errors import BadModelFolderError, CacheUnusableError, DiskFullError
from reference_stack.models.making import fingerprint_of, make_folder
from reference_stack.models.manifest import damage, faults
from reference_stack.models.profiles import (
    PROFILES_VARIABLE,
    BroughtModel,
    Form,
    MadeProfile,
    ModelFolder,
    Profiles,
    load_profiles,
)

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
    """The folder of `profile`, fetched and converted on first use.

    A later call compares names and sizes with the folder's manifest; `verify` also compares
    every SHA-256. A folder that fails is rebuilt. Safe when several processes call at once: one
    works, the others wait. `profile` may be `folder:PATH`, which is only looked at.
    Raises the errors of `reference_stack.models.errors`.
    """
    chosen = (profiles or load_profiles()).get(profile)
    if isinstance(chosen, ModelFolder):
        return check_model_folder(chosen.path.expanduser(), chosen.form)
    home = cache / "models"
    folder = home / profile
    if isinstance(chosen, BroughtModel):
        return _brought(profile, chosen, folder)
    fingerprint = fingerprint_of(chosen)
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


def _brought(name: str, profile: BroughtModel, folder: Path) -> Path:
    if not folder.exists():
        raise BadModelFolderError(
            f"{name} comes in no package: put its {profile.form} folder ({profile.source}) at "
            f"{folder}, or name the folder you have in a file of profiles (kind: folder) that "
            f"${PROFILES_VARIABLE} points at"
        )
    return check_model_folder(folder, profile.form)


# What a folder must hold to be read as this form: each entry is a pattern.
_NEEDED: dict[Form, tuple[str, ...]] = {
    "mlx-lm": ("config.json", "tokenizer.json", "*.safetensors"),
    "mlx-whisper": ("config.json", "weights.*"),
    "files": ("*",),
}


def check_model_folder(path: Path, form: Form = "mlx-lm", *, full: bool = False) -> Path:
    """`path` again, if it looks like a folder of this form and is as its manifest, if any, says.

    `full` compares every SHA-256, else only sizes. Raises BadModelFolderError.
    """
    if not path.is_dir():
        raise BadModelFolderError(f"{path}: no such folder")
    if missing := [pattern for pattern in _NEEDED[form] if not any(path.glob(pattern))]:
        raise BadModelFolderError(f"{path}: not an {form} folder, it lacks {', '.join(missing)}")
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


def _build(name: str, profile: MadeProfile, folder: Path, progress: Progress) -> None:
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
        made = make_folder(name, profile, work, progress)
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

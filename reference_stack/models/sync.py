"""A node's own copy of its model: brought up to date, verified, switched to in one step (B-12).

A node keeps copies in a folder of its own, so that what damages one copy damages no other (no hard
links), and a node starts without the place releases come from::

    HOME/current -> 3f0c…-a1b2c3     what serves: a symbolic link, replaced in one step
    HOME/3f0c…-a1b2c3/               a whole copy; its name begins with the release's version
    HOME/.incoming-…/                a copy on its way; removed by whoever comes next
    HOME/trying.json                 how often an untried release was begun to be tried

**When bytes are hashed.** At every start all bytes of the copy are read once and compared with the
manifest's SHA-256, whether the copy is new or old. So a copy needs no flush to the disk: if power
is lost before the bytes got there, the next start finds out and copies again. Hashing costs about
0.3 s for 540 MB (a processor with SHA instructions), the copying half of that.

**When a release is taken.** Only after its copy is whole *and* it was loaded and has generated a
token, which is for the caller to do between `prepare` and `switch`. Otherwise `refuse`: the copy
that served before serves on. A release that ends the very process that tries it is refused after
`TRIES`.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from pydantic import ValidationError

from reference_stack.models.errors import BadModelFolderError, DiskFullError
from reference_stack.models.manifest import (
    MANIFEST,
    Manifest,
    damage,
    record_files,
    write_manifest,
)

CURRENT: Final = "current"
#: Processes that may end while they try a release before it is refused: one may be killed by
#: chance in that moment, three are no chance.
TRIES: Final = 3
_TRYING = "trying.json"
_INCOMING = ".incoming-"
_UNKNOWN_SOURCE = "0" * 64

Outcome = Literal["kept", "copied", "repaired", "refused"]
Say = Callable[[str], None]


@dataclass(frozen=True)
class ModelCopy:
    """A verified copy. ``version`` fingerprints the content of all of its files."""

    folder: Path
    version: str
    outcome: Outcome


def version_of(manifest: Manifest) -> str:
    """The first 16 hexadecimal digits of a hash over names, sizes and hashes of all files."""
    files = {name: record.model_dump() for name, record in sorted(manifest.files.items())}
    return hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()[:16]


def read_release(folder: Path) -> Manifest:
    """The manifest of a folder that models are released from.

    A folder the user brought has none: then its files as they are now are the release.

    Raises:
        BadModelFolderError: when there is no such folder, or its manifest can't be read.
    """
    try:
        return Manifest.model_validate_json((folder / MANIFEST).read_bytes())
    except FileNotFoundError:
        if not folder.is_dir():
            raise BadModelFolderError(f"{folder}: no such folder") from None
        return Manifest(
            profile=folder.name,
            licence="",
            source=str(folder),
            source_sha256=_UNKNOWN_SOURCE,
            files=record_files(folder),
        )
    except (OSError, ValidationError) as error:
        raise BadModelFolderError(f"{folder / MANIFEST}: can't be read: {error}") from error


def publish(release: Path, folder: Path) -> None:
    """Make ``folder`` what nodes copy from that look at ``release``, in one step."""
    _point(release, folder.absolute())


class NodeModels:
    """The copies of one node.

    Args:
        home: The node's own folder for them.
        release: The folder releases are published in.
        checksum: Whether bytes are compared (B-12), else only sizes are.
        say: Told what is done, one line each.
    """

    def __init__(self, home: Path, release: Path, *, checksum: bool, say: Say) -> None:
        self._home = home
        self._release = release
        self._checksum = checksum
        self._say = say

    def prepare(self) -> ModelCopy:
        """A verified copy of the release, or of what serves when the release can't be had.

        Raises:
            BadModelFolderError: when neither can be had, whole.
            DiskFullError: when a first copy does not fit.
        """
        self._home.mkdir(parents=True, exist_ok=True)
        with self._lock():
            for stale in self._home.glob(f"{_INCOMING}*"):
                shutil.rmtree(stale)
            serving = self._serving()
            try:
                return self._release_copy(serving)
            except (BadModelFolderError, DiskFullError) as error:
                if serving is None or self._faults(serving):
                    raise
                self._say(f"serving on with {serving.name}: {error}")
                return ModelCopy(serving, _version_in(serving), "refused")

    def begin_trying(self, copy: ModelCopy) -> None:
        """Note that a new copy is about to be tried, in case this process does not outlive it."""
        if copy.folder == self._serving():
            return
        count = self._tries(copy.version) + 1
        text = json.dumps({"version": copy.version, "count": count})
        (self._home / _TRYING).write_text(text, encoding="utf-8")

    def switch(self, copy: ModelCopy) -> None:
        """Serve from this copy from now on; every other one goes."""
        with self._lock():
            _point(self._home / CURRENT, Path(copy.folder.name))
            if self._tries(copy.version):
                (self._home / _TRYING).unlink()
            for folder in self._copies():
                if folder != copy.folder:
                    shutil.rmtree(folder, ignore_errors=True)

    def refuse(self, copy: ModelCopy, reason: str) -> ModelCopy | None:
        """Never serve from this copy; the verified one that served before, if there is any."""
        with self._lock():
            self._say(f"refused {copy.folder.name}: {reason}")
            serving = self._serving()
            if serving == copy.folder or serving is None or self._faults(serving):
                return None
            shutil.rmtree(copy.folder)
            text = json.dumps({"version": copy.version, "count": TRIES})
            (self._home / _TRYING).write_text(text, encoding="utf-8")
            return ModelCopy(serving, _version_in(serving), "refused")

    def _release_copy(self, serving: Path | None) -> ModelCopy:
        manifest = read_release(self._release)
        version = version_of(manifest)
        if self._tries(version) >= TRIES and serving is not None:
            raise BadModelFolderError(f"release {version} did not pass its trial")
        outcome: Outcome = "copied"
        for folder in self._copies():
            if _version_in(folder) != version:
                continue
            faults = self._faults(folder)
            if not faults:
                return ModelCopy(folder, version, "kept")
            self._say(f"{folder.name} is damaged, repairing it: {'; '.join(faults)}")
            outcome = "repaired"
        return ModelCopy(self._copy(manifest, version), version, outcome)

    def _copy(self, manifest: Manifest, version: str) -> Path:
        needed = sum(record.size_bytes for record in manifest.files.values())
        free = shutil.disk_usage(self._home).free
        if free < needed:
            raise DiskFullError(
                f"{self._home}: the model needs {needed:,} bytes, {free:,} are free"
            )
        incoming = Path(tempfile.mkdtemp(prefix=f"{_INCOMING}{version}-", dir=self._home))
        self._say(f"copying release {version} ({needed:,} bytes)")
        try:
            for name in manifest.files:
                shutil.copyfile(self._release / name, incoming / name)
            write_manifest(incoming, manifest)
            if faults := self._faults(incoming):
                raise BadModelFolderError(f"{self._release}: damaged: {'; '.join(faults)}")
            whole = self._home / incoming.name.removeprefix(_INCOMING)
            incoming.rename(whole)
        except OSError as error:
            shutil.rmtree(incoming, ignore_errors=True)
            if error.errno == errno.ENOSPC:
                raise DiskFullError(f"{self._home}: the disk filled up") from error
            raise BadModelFolderError(f"{self._release}: can't be copied: {error}") from error
        except BadModelFolderError:
            shutil.rmtree(incoming, ignore_errors=True)
            raise
        return whole

    def _faults(self, folder: Path) -> list[str]:
        if not (folder / MANIFEST).exists():
            return [f"{MANIFEST} is missing"]
        found = list(damage(folder, full=self._checksum))
        name = folder.name.removeprefix(_INCOMING)
        if not found and version_of(read_release(folder)) != name.partition("-")[0]:
            found = [f"{MANIFEST} is not that of {name}"]
        return found

    def _copies(self) -> list[Path]:
        return sorted(
            folder
            for folder in self._home.iterdir()
            if folder.is_dir() and not folder.is_symlink() and not folder.name.startswith(".")
        )

    def _serving(self) -> Path | None:
        link = self._home / CURRENT
        if not link.is_symlink():
            return None
        folder = self._home / link.readlink()
        return folder if folder.is_dir() else None

    def _tries(self, version: str) -> int:
        try:
            trying = json.loads((self._home / _TRYING).read_bytes())
            return int(trying["count"]) if trying["version"] == version else 0
        except (OSError, ValueError, KeyError, TypeError):
            return 0

    @contextlib.contextmanager
    def _lock(self) -> Iterator[None]:
        with (self._home / ".lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def _version_in(folder: Path) -> str:
    """The version in a copy's name."""
    return folder.name.partition("-")[0]


def _point(link: Path, target: Path) -> None:
    """Make ``link`` point at ``target``; at no moment does it point nowhere."""
    temporary = link.with_name(f".{link.name}-{os.getpid()}")
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(target)
    temporary.replace(link)

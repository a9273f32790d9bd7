"""Writing a file so that it is there after a power loss, whole or not at all."""

from __future__ import annotations

import uuid
from pathlib import Path

from reference_stack.durable import sync

#: Of the store's folder; a crash leaves what it was writing here, and the next start clears it.
PARTIAL = "partial"


class Disk:
    """The four steps of a durable write, in the one order that is safe.

    They are methods of their own so that a test can stop the machine between any two.
    """

    def __init__(self, root: Path) -> None:
        self._partial = root / PARTIAL

    def prepare(self, *folders: Path) -> None:
        """Make folders durably, and settle what a crash left.

        A file that a crash left renamed but not yet on the disk is made durable before anyone may
        count on it; what was half-written goes.
        """
        for folder in (self._partial, *folders):
            folder.mkdir(parents=True, exist_ok=True)
        for leftover in self._partial.iterdir():
            leftover.unlink()
        for folder in {self._partial.parent, *folders}:
            self.sync_folder(folder)

    def write(self, path: Path, content: bytes) -> None:
        """Make ``path`` hold ``content``; durable when this returns."""
        partial = self._partial / uuid.uuid4().hex
        try:
            self.write_partial(partial, content)
            self.sync_file(partial)
            self.rename(partial, path)
        except OSError:
            # What a full disk took of it must not keep the disk full.
            partial.unlink(missing_ok=True)
            raise
        self.sync_folder(path.parent)

    def write_partial(self, partial: Path, content: bytes) -> None:
        """Step 1: the content under another name, perhaps only in memory."""
        partial.touch(mode=0o600)
        partial.write_bytes(content)

    def sync_file(self, partial: Path) -> None:
        """Step 2: the content on the disk."""
        sync(partial)

    def rename(self, partial: Path, path: Path) -> None:
        """Step 3: the name, perhaps only in memory."""
        partial.replace(path)

    def sync_folder(self, folder: Path) -> None:
        """Step 4: the name on the disk."""
        sync(folder)

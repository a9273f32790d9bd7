"""Contents on a node's disk, each under its SHA-256, never changed."""

from __future__ import annotations

import errno
import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

from reference_stack.documents.disk import Disk
from reference_stack.documents.errors import CorruptedError, NotFoundError

FOLDER = "blobs"
CORRUPT = "corrupt"
#: Anything else could lead out of the folder.
_NAME = re.compile("[0-9a-f]{64}")


def sha256_of(content: bytes) -> str:
    """The name of a content."""
    return hashlib.sha256(content).hexdigest()


class BlobStore:
    """One node's contents. Every method blocks on the disk."""

    def __init__(self, root: Path, disk: Disk) -> None:
        self._disk = disk
        self._root = root / FOLDER
        self._corrupt = root / CORRUPT
        folders = [self._root / digit for digit in "0123456789abcdef"]
        disk.prepare(self._root, self._corrupt, *folders)

    def path(self, sha256: str) -> Path:
        """Where a content lies, or would."""
        return self._root / sha256[0] / sha256

    def has(self, sha256: str) -> bool:
        """Whether there is a file for it; :meth:`read` says whether it is sound."""
        return self.path(sha256).exists()

    def put(self, sha256: str, content: bytes) -> None:
        """Keep ``content`` durably; one that is there and sound is left as it is.

        Raises:
            CorruptedError: when the content is not what its name says; nothing is kept.
        """
        if sha256_of(content) != sha256:
            raise CorruptedError(f"the content is not {sha256}")
        try:
            self.read(sha256)
        except (NotFoundError, CorruptedError):
            self._disk.write(self.path(sha256), content)
        else:
            # A copy that another writer has just renamed may not be durable yet.
            self._disk.sync_folder(self.path(sha256).parent)

    def read(self, sha256: str) -> bytes:
        """A content, checked.

        Raises:
            NotFoundError: when it is not here, as what is no SHA-256 never is.
            CorruptedError: when it is not what its name says.
        """
        if _NAME.fullmatch(sha256) is None:
            raise NotFoundError("no name of a content")
        try:
            content = self.path(sha256).read_bytes()
        except FileNotFoundError:
            raise NotFoundError(f"no content {sha256} here") from None
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            raise CorruptedError(f"this node's disk can't read {sha256}: {error}") from error
        if sha256_of(content) != sha256:
            raise CorruptedError(f"the content {sha256} is damaged on this node's disk")
        return content

    def set_aside(self, sha256: str) -> None:
        """Move a damaged content away, for whoever looks into the disk's fault."""
        self.path(sha256).replace(self._corrupt / sha256)

    def names(self) -> Iterator[str]:
        """Every content that has a file here."""
        for folder in sorted(self._root.iterdir()):
            yield from sorted(p.name for p in folder.iterdir() if not p.name.startswith("."))

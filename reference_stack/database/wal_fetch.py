"""The archived WAL that follows a base backup, fetched at once for a restore.

barman-cloud-wal-restore does the same file by file while PostgreSQL recovers; each start of it
takes half a second of processor time, which makes a quarter of an hour for a day of WAL. Fetched
beforehand, a bucket that goes away is also never taken for the archive's end.
"""

from __future__ import annotations

import gzip
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from google.api_core.exceptions import GoogleAPIError
from google.cloud import storage
from requests import RequestException

from reference_stack.addresses import Endpoint
from reference_stack.bucket.client import BACKUPS, bucket_client
from reference_stack.database.backup import BackupError, BackupStore, reachable

_THREADS = 4
_TIMEOUT_S = 30.0
# A whole segment (timeline, then position) or a timeline's history. The last segment of a timeline
# that was left is archived as ".partial" too: replayed, it would be taken for whole.
_FILE = re.compile(r"(?P<timeline>[0-9A-F]{8})(?:(?P<position>[0-9A-F]{16})|\.history)(?:\.gz)?")


def fetch_wal(store: BackupStore, begin_wal: str, folder: Path) -> int:
    """Fetch every segment from ``begin_wal`` on, and the timelines' histories; how many files.

    They lie in ``folder`` as ``NAME.gz``.

    Raises:
        BackupError: when one could not be fetched.
    """
    if not reachable(store):
        raise BackupError(f"{store.cluster}: archived WAL could not be fetched: no bucket answers")
    client = bucket_client(Endpoint(store.host, store.port))
    folder.mkdir(parents=True)
    try:
        found = client.list_blobs(BACKUPS, prefix=f"{store.cluster}/wals/", timeout=_TIMEOUT_S)
        wanted = [blob for blob in found if _follows(blob.name, begin_wal)]
        with ThreadPoolExecutor(_THREADS) as threads:
            list(threads.map(lambda blob: _fetch(blob, folder), wanted))
    except (GoogleAPIError, RequestException) as error:
        raise BackupError(f"{store.cluster}: archived WAL could not be fetched: {error}") from error
    return len(wanted)


def restore_command(folder: Path) -> str:
    """PostgreSQL's ``restore_command`` for a folder that :func:`fetch_wal` filled."""
    file = f'"{folder}/%f.gz"'
    return f'test -f {file} && gzip -dc {file} > "%p"'


def _follows(name: str, begin_wal: str) -> bool:
    file = _FILE.fullmatch(name.rsplit("/", 1)[-1])
    if file is None:
        return False
    return file["position"] is None or file["position"] >= begin_wal[8:]


def _fetch(blob: storage.Blob, folder: Path) -> None:
    name = blob.name.rsplit("/", 1)[-1]
    content = blob.download_as_bytes(timeout=_TIMEOUT_S)
    if not name.endswith(".gz"):
        name, content = f"{name}.gz", gzip.compress(content)
    (folder / name).write_bytes(content)

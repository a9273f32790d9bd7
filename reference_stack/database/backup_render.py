"""A design's backups as files and parameters: who archives where, and by which command."""

from __future__ import annotations

import shlex
import sys
from typing import Any

from architecture.design import Design
from reference_stack.addresses import AddressPlan
from reference_stack.bucket.client import client_environment
from reference_stack.database.backup import BackupStore
from reference_stack.database.backup_schedule import BackupSettings
from reference_stack.database.patroni import CLOUD_SCOPE, HOSPITAL_SCOPE
from reference_stack.database.wal_archive import SEGMENT_BYTES, ArchiveSettings
from reference_stack.rendering import SiteContext

CLUSTERS = (HOSPITAL_SCOPE, CLOUD_SCOPE)
ARCHIVE_FILE = "archive.json"
STORE_FILE = "backup-store.json"
GAP_FILE = "backup-gap"
#: One WAL file of 16 MiB takes about a second; longer than this is a network that stalls.
SEGMENT_TIMEOUT_S = 20.0
BASE_BACKUP_TIMEOUT_S = 3600.0
#: A new primary has a failover to digest first.
SETTLE_S = 30.0
#: WAL kept for a bucket that is away: as much as is kept for a standby that is.
MOST_WAITING_BYTES = 2 * 1024**3


def backup_store(design: Design, addresses: AddressPlan, cluster: str) -> BackupStore:
    """Where the backups of a cluster (of ``CLUSTERS``) lie.

    Raises:
        ValueError: when the design has no backups.
    """
    if design.database.backup is None:
        raise ValueError(f"design {design.name}: database.backup is missing")
    bucket = addresses.endpoint(design.database.backup.site, "bucket")
    return BackupStore(
        cluster=cluster, host=bucket.host, port=bucket.port, environment=client_environment(bucket)
    )


def cluster_of(design: Design, site: str) -> str:
    """The cluster that a database site belongs to."""
    standby = design.database.cloud_standby
    return CLOUD_SCOPE if standby is not None and standby.site == site else HOSPITAL_SCOPE


def archive_parameters(context: SiteContext) -> dict[str, Any]:
    """PostgreSQL's parameters for archiving, and the files they lead to; empty without backups."""
    backup = context.design.database.backup
    if backup is None:
        return {}
    store = backup_store(
        context.design, context.addresses, cluster_of(context.design, context.site)
    )
    settings = ArchiveSettings(
        store=store,
        timeout_s=SEGMENT_TIMEOUT_S,
        most_waiting=MOST_WAITING_BYTES // SEGMENT_BYTES,
        gap=context.folder / GAP_FILE,
    )
    context.write(ARCHIVE_FILE, settings.model_dump_json(indent=2))
    context.write(STORE_FILE, store.model_dump_json(indent=2))
    words = [
        sys.executable, "-m", "reference_stack.database.wal_archive",
        "--settings", str(context.folder / ARCHIVE_FILE),
    ]  # fmt: skip
    return {
        "archive_mode": "on",
        "archive_command": f'{shlex.join(words).replace("%", "%%")} "%p"',
        "archive_timeout": f"{backup.archive_timeout_s}s",
    }


def backup_settings(context: SiteContext) -> BackupSettings | None:
    """What the site's schedule of base backups needs; None when the design has no backups."""
    design, backup = context.design, context.design.database.backup
    if backup is None:
        return None
    here = context.endpoint("database")
    return BackupSettings(
        store=backup_store(design, context.addresses, cluster_of(design, context.site)),
        store_file=context.folder / STORE_FILE,
        gap=context.folder / GAP_FILE,
        base_every_h=backup.base_every_h,
        keep_base_backups=backup.keep_base_backups,
        settle_s=SETTLE_S,
        timeout_s=BASE_BACKUP_TIMEOUT_S,
        patroni_url=context.endpoint("patroni").url,
        host=here.host,
        port=here.port,
        user="postgres",
        password=context.secret("superuser"),
    )

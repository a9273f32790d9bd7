"""What an operator must know beyond the documents' four alerts: quorum, standby, backup, disk."""

from __future__ import annotations

from architecture.design import Design
from reference_stack.database.patroni import HOSPITAL_SCOPE
from reference_stack.monitoring import names
from reference_stack.monitoring.pace import Pace, duration
from reference_stack.monitoring.rules.mended import bound_of
from reference_stack.monitoring.rules.model import Alerting, Group, one_of
from reference_stack.preconditions import NEEDED_DISK_BYTES

# An alert on something that grows comes while half of what is allowed is still left.
WARNING_SHARE = 0.5
# A queue this full is about to turn people away.
FULL_SHARE = 0.8
# So many archive time-outs without a segment in the bucket: not one that was merely slow.
MISSED_ARCHIVES = 3
# One base backup may fail and be made again before anybody need know.
MISSED_BASE_BACKUPS = 2
HOUR_S = 3600
DAY_S = 24 * HOUR_S
CERTIFICATE_WARNING_S = 7 * DAY_S
LASTING_S = 60.0
# A new stack has this long to make its first base backup.
FIRST_BACKUP_S = 600.0


def operations_group(design: Design, pace: Pace) -> Group:
    """Alerts on parts whose silent loss would break the next failover."""
    return Group(
        "operations",
        pace.evaluation_s,
        (
            *_consensus(design, pace),
            *_database(design, pace),
            *_backup(design),
            *_documents(design),
            *_fallback(design),
            *_serving(design, pace),
            *_monitoring(pace),
        ),
    )


def _consensus(design: Design, pace: Pace) -> list[Alerting]:
    consensus = design.database.consensus
    if consensus is None:
        return []
    voters = f'job="{names.ETCD}",{one_of("site", consensus.voters)}'
    rules = [
        Alerting(
            "EtcdNoLeader",
            f"etcd_server_has_leader{{{voters}}} == 0",
            pace.evaluation_s,
            "critical",
            "etcd on {{ $labels.site }} knows no leader: no lease can be renewed or taken",
        )
    ]
    if len(consensus.voters) > consensus.quorum:
        rules.append(
            Alerting(
                "EtcdNoSpareVoter",
                f"sum(up{{{voters}}}) <= {consensus.quorum}",
                pace.missed_twice_s,
                "warning",
                f"{{{{ $value }}}} of {len(consensus.voters)} voters are left: "
                "with one less the database loses its lease (D-01)",
            )
        )
    return rules


def _database(design: Design, pace: Pace) -> list[Alerting]:
    database = design.database
    if database.lease is None:
        return []
    hospital = f'scope="{HOSPITAL_SCOPE}"'
    patient_s = design.failover.promised_s if design.failover else LASTING_S
    rules = [
        Alerting(
            "NoPrimaryDatabase",
            f"(sum(patroni_primary{{{hospital}}}) or vector(0)) == 0 "
            "unless on() max(gcp_fallback_active) == 1",
            pace.missed_twice_s,
            "critical",
            "No hospital site holds the primary database: nothing can be written",
        ),
        Alerting(
            "TwoPrimaryDatabases",
            f"sum(patroni_primary{{{hospital}}}) > 1",
            pace.missed_twice_s,
            "critical",
            "{{ $value }} hospital sites say they hold the primary database",
        ),
        Alerting(
            "DatabaseDown",
            f'pg_up{{job="{names.POSTGRES}"}} == 0',
            patient_s,
            "warning",
            "PostgreSQL on {{ $labels.site }} takes no connections",
        ),
    ]
    if database.replication.startswith("synchronous"):
        rules.append(
            Alerting(
                "NoSynchronousStandby",
                f"(sum(patroni_sync_standby{{{hospital}}}) or vector(0)) == 0",
                patient_s,
                "warning",
                "No synchronous standby: the next loss of a node loses acknowledged writes, or "
                "stops them (D-02)",
            )
        )
    allowed = bound_of(design, "rpo_s", "both-power-loss")
    if database.cloud_standby is not None and allowed is not None:
        site = database.cloud_standby.site
        rules.append(
            Alerting(
                "CloudStandbyBehind",
                f'pg_replication_lag{{site="{site}"}} > {WARNING_SHARE * allowed:g}',
                pace.missed_twice_s,
                "warning",
                f"{{{{ $labels.site }}}} is {{{{ $value | humanizeDuration }}}} behind; losing "
                f"both nodes may lose {allowed:g} s (B-20)",
            )
        )
    return rules


def _backup(design: Design) -> list[Alerting]:
    backup = design.database.backup
    if backup is None:
        return []
    on_primary = f'and on (site) patroni_primary{{scope="{HOSPITAL_SCOPE}"}} == 1'
    most_s = MISSED_BASE_BACKUPS * backup.base_every_h * HOUR_S
    late_s = MISSED_ARCHIVES * backup.archive_timeout_s
    return [
        Alerting(
            "ArchiveBehind",
            f"pg_stat_archiver_last_archive_age > {late_s} {on_primary}",
            LASTING_S,
            "warning",
            "No WAL segment of {{ $labels.site }} reached the bucket for "
            "{{ $value | humanizeDuration }}",
        ),
        Alerting(
            "BaseBackupOld",
            # Over time, because a new primary has yet to learn what the old one made.
            "time() - max(max_over_time("
            f"postgresql_base_backup_end_timestamp_seconds[{duration(most_s)}])) > {most_s:g}",
            FIRST_BACKUP_S,
            "warning",
            "The newest base backup is {{ $value | humanizeDuration }} old, due every "
            f"{backup.base_every_h:g} h",
        ),
        Alerting(
            "ArchiveFails",
            f"increase(pg_stat_archiver_failed_count[5m]) > 0 {on_primary}",
            LASTING_S,
            "warning",
            "WAL segments of {{ $labels.site }} are refused by the bucket",
        ),
    ]


def _documents(design: Design) -> list[Alerting]:
    documents = design.documents
    if documents is None:
        return []
    patient_s = design.failover.promised_s if design.failover else LASTING_S
    rules = [
        Alerting(
            "DocumentsOnOneNode",
            f'documents_degraded{{job="{names.DOCUMENTS}"}} == 1',
            patient_s,
            "warning",
            "{{ $labels.site }} acknowledges documents that no other node holds",
        ),
        Alerting(
            "DocumentsDamaged",
            f'increase(documents_corrupted_total{{job="{names.DOCUMENTS}"}}[5m]) > 0',
            0,
            "warning",
            "{{ $labels.site }} found damaged documents on its disk",
        ),
    ]
    allowed = bound_of(design, "rpo_s", "both-power-loss")
    if documents.bucket is not None and allowed is not None:
        rules.append(
            Alerting(
                "DocumentsOutboxOld",
                f'documents_outbox_oldest_seconds{{job="{names.DOCUMENTS}"}} '
                f"> {WARNING_SHARE * allowed:g}",
                0,
                "warning",
                "A document of {{ $labels.site }} has waited {{ $value | humanizeDuration }} for "
                f"the bucket; losing both nodes may lose {allowed:g} s (B-20)",
            )
        )
    return rules


def _fallback(design: Design) -> list[Alerting]:
    if design.fallback is None:
        return []
    return [
        Alerting(
            "CloudAndHospitalLead",
            "fallback_rivals > 0",
            0,
            "critical",
            "{{ $value }} primary databases of the hospital run beside the leading cloud",
        ),
        Alerting(
            "NodeNotSalvaged",
            "fallback_unsalvaged_nodes > 0",
            LASTING_S,
            "warning",
            "{{ $value }} nodes may alone hold notes of the time before the emergency (D-05)",
        ),
    ]


def _serving(design: Design, pace: Pace) -> list[Alerting]:
    promised_s = design.failover.promised_s if design.failover else LASTING_S
    rules = [
        Alerting(
            "BalancerDown",
            f'up{{job="{names.HAPROXY}"}} == 0',
            pace.missed_twice_s,
            "critical",
            "The balancer on {{ $labels.site }} is down: the other one is alone (D-09)",
        ),
        Alerting(
            "NobodyServes",
            f'time() - max by (path) ({names.PROBE_LAST_SUCCESS}{{path=~"read|write"}}) '
            f"> {promised_s:g}",
            0,
            "critical",
            "No {{ $labels.path }} succeeded through the edge for {{ $value | humanizeDuration }}",
        ),
        Alerting(
            "CertificateEnds",
            f"{names.CERTIFICATE_END} - time() < {CERTIFICATE_WARNING_S}",
            LASTING_S,
            "warning",
            "The edge's certificate ends in {{ $value | humanizeDuration }}",
        ),
    ]
    if design.sites_with("inference"):
        limit = FULL_SHARE * design.inference.max_queue
        rules.append(
            Alerting(
                "ModelQueueFull",
                f"inference_queue_length > {limit:g}",
                LASTING_S,
                "warning",
                f"{{{{ $value }}}} chats wait on {{{{ $labels.site }}}}; beyond "
                f"{design.inference.max_queue} they are turned away",
            )
        )
    if design.cache is not None:
        rules.append(
            Alerting(
                "CacheDown",
                f'redis_up{{job="{names.REDIS}"}} == 0',
                LASTING_S,
                "warning",
                "Redis on {{ $labels.site }} does not answer; requests go on without it",
            )
        )
    return rules


def _monitoring(pace: Pace) -> list[Alerting]:
    return [
        Alerting(
            "ComponentDown",
            f'up{{job!="{names.MAC_STUDIO}"}} == 0',
            LASTING_S,
            "warning",
            "{{ $labels.job }} on {{ $labels.site }} does not answer",
        ),
        Alerting(
            "DiskNearlyFull",
            f"{names.DISK_FREE} < {NEEDED_DISK_BYTES}",
            LASTING_S,
            "critical",
            "{{ $value | humanize1024 }}B are left on the disk of {{ $labels.site }}",
        ),
        Alerting(
            "Watchdog",
            "vector(1)",
            pace.evaluation_s,
            "info",
            "Always fires: its absence at the receiver says that monitoring itself is gone",
        ),
    ]

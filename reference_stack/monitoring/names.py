"""Names that rules, targets and the failover page share: jobs, and metrics of our own."""

from __future__ import annotations

from typing import Final

MAC_STUDIO: Final = "mac-studio"
API: Final = "api"
INFERENCE: Final = "inference"
ETCD: Final = "etcd"
PATRONI: Final = "patroni"
HAPROXY: Final = "haproxy"
POSTGRES: Final = "postgres"
DATABASE_KEEPER: Final = "database-keeper"
REDIS: Final = "redis"
DOCUMENTS: Final = "documents"
FALLBACK: Final = "fallback"
FAILURE_DETECTOR: Final = "failure-detector"
PROBE: Final = "probe"
PROMETHEUS: Final = "prometheus"
ALERTMANAGER: Final = "alertmanager"

PROBE_ATTEMPTS: Final = "prontuario_probe_attempts"
PROBE_DURATION: Final = "prontuario_probe_duration_seconds"
PROBE_LAST_SUCCESS: Final = "prontuario_probe_last_success_timestamp_seconds"
SERVING_SITE: Final = "prontuario_serving_site"
DISK_FREE: Final = "prontuario_disk_free_bytes"
CERTIFICATE_END: Final = "prontuario_certificate_not_after_timestamp_seconds"

"""Exporters beside the programs that export nothing themselves: PostgreSQL and Redis.

What postgres_exporter does not measure by itself is asked by queries of our own. ``master: true``
asks once per server, not once per database.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from reference_stack.monitoring.database import ROLE
from reference_stack.monitoring.pace import PROBE_EVERY_S
from reference_stack.rendering import SiteContext, database_url
from reference_stack.site.description import ServiceSpec

# The probe writes every second, so a standby that has heard nothing for two is not in step,
# whatever it has replayed.
SILENCE_S = 2 * PROBE_EVERY_S

_LAG = """
SELECT CASE
    WHEN NOT pg_is_in_recovery() THEN 0
    WHEN pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn()
        AND EXISTS (SELECT FROM pg_stat_wal_receiver WHERE status = 'streaming'
            AND last_msg_receipt_time > now() - interval '{silence_s:g} seconds')
        THEN 0
    ELSE greatest(0, extract(epoch FROM
        now() - coalesce(pg_last_xact_replay_timestamp(), pg_postmaster_start_time())))
END AS lag
"""


def postgres_exporter_services(context: SiteContext) -> list[ServiceSpec]:
    """The exporter of a database site; none without a monitoring site or without the program."""
    program = context.programs.paths.get("postgres-exporter")
    if program is None or not context.design.sites_with("monitoring"):
        return []
    queries = context.write("postgres-queries.yml", yaml.safe_dump(queries_document()))
    url = database_url([context.endpoint("database")], ROLE, context.secret("monitoring"))
    argv: list[str | Path] = [
        program,
        f"--web.listen-address={context.endpoint('postgres-exporter')}",
        f"--extend.query-path={queries}",
        "--disable-settings-metrics",
        "--log.level=warn",
    ]
    environment = {"DATA_SOURCE_NAME": f"{url}?sslmode=disable&connect_timeout=2"}
    return [context.service("postgres-exporter", argv, environment)]


def redis_exporter_services(context: SiteContext) -> list[ServiceSpec]:
    """The exporter of a cache site; none without a monitoring site or without the program."""
    program, cache = context.programs.paths.get("redis-exporter"), context.design.cache
    if program is None or cache is None or context.site not in cache.sites:
        return []
    if not context.design.sites_with("monitoring"):
        return []
    argv: list[str | Path] = [
        program,
        f"-web.listen-address={context.endpoint('redis-exporter')}",
        f"-redis.addr=redis://{context.endpoint('cache')}",
        "-connection-timeout=2s",
    ]
    environment = {"REDIS_PASSWORD": context.secret("cache")}
    return [context.service("redis-exporter", argv, environment)]


def queries_document() -> dict[str, Any]:
    """Queries beside postgres_exporter's own, in its format.

    ``pg_replication_lag`` is B-18's metric, in seconds, on every server: 0 on a primary and on a
    standby that has replayed all it got and still hears its primary; else the age of the last
    transaction replayed, or of the server itself when it has replayed none since its start (it is
    behind by that much at least). What the primary knows of each standby is exported by its keeper
    (:mod:`reference_stack.database.keeper`).
    """
    return {
        "pg_replication": {
            "query": _LAG.format(silence_s=SILENCE_S),
            "master": True,
            "metrics": [_gauge("lag", "Seconds this server is behind its primary")],
        },
    }


def _gauge(name: str, description: str) -> dict[str, dict[str, str]]:
    return {name: {"usage": "GAUGE", "description": description}}

"""How long a client waits for a server that lost its power in the middle of a question.

Nobody ends the connection then, and TCP sends the question again for a quarter of an hour. Patroni
asks the other servers in every turn of its loop, has a time-out for connecting and one that the
server itself would have to keep, and none for this: it would promote nobody meanwhile. libpq takes
settings for all connections of a process from a service file.
"""

from __future__ import annotations

from typing import Final

from reference_stack.rendering import SiteContext

_SERVICE: Final = "dead-peers"
#: As in https://www.postgresql.org/docs/15/libpq-connect.html#LIBPQ-PARAMKEYWORDS. The first is in
#: milliseconds and ends what is sent and not acknowledged; the others, in seconds, end silence.
SETTINGS: Final = {
    "tcp_user_timeout": 3000, "keepalives_idle": 2, "keepalives_interval": 1, "keepalives_count": 3,
}  # fmt: skip


def libpq_environment(context: SiteContext) -> dict[str, str]:
    """The environment of a process that asks other sites' servers; writes the service file."""
    lines = [f"[{_SERVICE}]", *(f"{name}={value}" for name, value in SETTINGS.items()), ""]
    path = context.write("pg_service.conf", "\n".join(lines))
    return {"PGSERVICE": _SERVICE, "PGSERVICEFILE": str(path)}

"""How uvicorn serves the API."""

from __future__ import annotations

import uvicorn

from reference_stack.api.app import create_app
from reference_stack.api.settings import ApiSettings

GRACEFUL_STOP_S = 5
#: Longer than any balancer keeps an idle connection (it purges its pool after seconds): when the
#: server closes first, a request that is on its way meets a closed connection.
KEEP_ALIVE_S = 300
#: Of a WebSocket: ten seconds of dictated sound.
MESSAGE_LIMIT_BYTES = 320_000


def server_configuration(settings: ApiSettings) -> uvicorn.Config:
    """For ``uvicorn.Server``: the application at the address and port of its settings."""
    return uvicorn.Config(
        create_app(settings),
        host=settings.host,
        port=settings.port,
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        forwarded_allow_ips=list(settings.trusted_proxies),
        timeout_graceful_shutdown=GRACEFUL_STOP_S,
        timeout_keep_alive=KEEP_ALIVE_S,
        ws_max_size=MESSAGE_LIMIT_BYTES,
    )

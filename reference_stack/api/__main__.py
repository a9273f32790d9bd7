"""``python -m reference_stack.api --settings FILE.json``: serve until SIGTERM."""

import argparse
import logging
import sys
from pathlib import Path

import uvicorn

from reference_stack.api.app import create_app
from reference_stack.api.settings import SettingsError, load_settings

GRACEFUL_STOP_S = 5
#: Longer than any balancer keeps an idle connection (it purges its pool after seconds): when the
#: server closes first, a request that is on its way meets a closed connection.
KEEP_ALIVE_S = 300
#: Of a WebSocket: ten seconds of dictated sound.
MESSAGE_LIMIT_BYTES = 320_000


def main() -> int:
    """Serve; returns 2 when the settings are bad."""
    parser = argparse.ArgumentParser(prog="reference_stack.api", description=__doc__)
    parser.add_argument("--settings", type=Path, required=True, help="a JSON file: ApiSettings")
    arguments = parser.parse_args()
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s %(message)s",
    )
    # httpx would log a line for each chat.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    try:
        settings = load_settings(arguments.settings)
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    uvicorn.run(
        create_app(settings),
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        server_header=False,
        forwarded_allow_ips=list(settings.trusted_proxies),
        timeout_graceful_shutdown=GRACEFUL_STOP_S,
        timeout_keep_alive=KEEP_ALIVE_S,
        ws_max_size=MESSAGE_LIMIT_BYTES,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())

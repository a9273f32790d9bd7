"""``python -m reference_stack.documents --settings FILE.json``: serve until SIGTERM."""

from __future__ import annotations

import argparse
import logging
import signal
import sys
from pathlib import Path

import uvicorn

from reference_stack.documents.service import service_app
from reference_stack.documents.settings import SettingsError, load_settings

GRACEFUL_STOP_S = 5


def main() -> int:
    """Serve; returns 2 when the settings are bad."""
    parser = argparse.ArgumentParser(prog="reference_stack.documents", description=__doc__)
    parser.add_argument("--settings", type=Path, required=True, help="JSON: DocumentSettings")
    arguments = parser.parse_args()
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s"
    )
    # httpx would log a line for each probe of the other node.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    try:
        settings = load_settings(arguments.settings)
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    # uvicorn raises the signal again when it has ended the service; that is a success here.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    uvicorn.run(
        service_app(settings), host=settings.host, port=settings.port, log_config=None,
        access_log=False, server_header=False, timeout_graceful_shutdown=GRACEFUL_STOP_S,
    )  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())

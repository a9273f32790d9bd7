"""``python -m reference_stack.api --settings FILE.json``: serve until SIGTERM."""

import argparse
import logging
import sys
from pathlib import Path

import uvicorn

from reference_stack.api.server import server_configuration
from reference_stack.api.settings import SettingsError, load_settings


def main() -> int:
    """Serve; returns 2 when the settings are bad, 1 when the port is not to be had."""
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
    server = uvicorn.Server(server_configuration(settings))
    server.run()
    return 0 if server.started else 1


if __name__ == "__main__":
    sys.exit(main())

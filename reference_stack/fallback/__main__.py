"""``python -m reference_stack.fallback --settings FILE``: control until SIGTERM."""

from __future__ import annotations

import argparse
import logging
import os
import sys
import threading
from pathlib import Path

import uvicorn

from architecture.errors import InputError
from reference_stack.errors import StackError
from reference_stack.fallback.app import create_app
from reference_stack.fallback.controller import Controller
from reference_stack.fallback.settings import ControllerSettings, load_settings

log = logging.getLogger("fallback")


def main() -> int:
    """Serve; returns 2 when the settings are bad or another process leads."""
    parser = argparse.ArgumentParser(prog="reference_stack.fallback", description=__doc__)
    parser.add_argument("--settings", type=Path, required=True)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    try:
        settings = load_settings(ControllerSettings, arguments.settings)
        controller = Controller(settings)
    except (InputError, StackError) as error:
        log.error("%s", error)  # noqa: TRY400 - the message is for a person
        return 2
    thread = threading.Thread(target=_control, args=(controller,), daemon=True)
    thread.start()
    here = settings.endpoint(settings.site, "fallback")
    uvicorn.run(
        create_app(controller, settings.token), host=here.host, port=here.port, log_config=None,
        access_log=False, server_header=False, timeout_graceful_shutdown=2,
    )  # fmt: skip
    controller.stop()
    thread.join(10)
    return 0


def _control(controller: Controller) -> None:
    """Without its thread the controller is better dead, to be started again from its journal."""
    try:
        controller.run()
    except BaseException:
        log.exception("the controller failed")
        os._exit(70)


if __name__ == "__main__":
    sys.exit(main())

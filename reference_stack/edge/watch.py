"""Tells keepalived, through a file, whether the site's HAProxy answers.

keepalived could run a check script by itself, but only with rights that a site of the testbed does
not have (its user namespace forbids setgroups, without which keepalived runs no script at all and
takes that for a success). Run as ``python -m reference_stack.edge.watch --settings FILE``.
"""

from __future__ import annotations

import argparse
import logging
import time
from collections.abc import Callable
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Final

from architecture.values import Positive, Strict

#: What keepalived's ``track_file`` adds to the priority: nothing, or so little that it gives up.
GOOD: Final = "0"
BAD: Final = "-254"
_OK: Final = 200

log = logging.getLogger("watch")


class WatchSettings(Strict):
    """What is asked, how often, and where the answer goes."""

    host: str
    port: int
    path: str
    file: Path
    interval_s: Positive
    timeout_s: Positive
    fall: int


class Watch:
    """Good after one answer, bad after ``fall`` silences in a row; the file has the last word."""

    def __init__(self, settings: WatchSettings, answers: Callable[[], bool]) -> None:
        self._settings = settings
        self._answers = answers
        self._silences = 0
        self._word = ""

    def look(self) -> str:
        """Ask once, and write the word when it is another."""
        self._silences = 0 if self._answers() else self._silences + 1
        if self._silences == 0:
            self._say(GOOD)
        elif self._silences >= self._settings.fall or not self._word:
            self._say(BAD)
        return self._word

    def _say(self, word: str) -> None:
        if word != self._word:
            log.warning("the balancer %s", "answers" if word == GOOD else "does not answer")
            partial = self._settings.file.with_suffix(".partial")
            partial.write_text(f"{word}\n", encoding="ascii")
            partial.replace(self._settings.file)
            self._word = word


def balancer_answers(settings: WatchSettings) -> bool:
    """Whether a request is answered; a frozen process would still accept the connection."""
    connection = HTTPConnection(settings.host, settings.port, timeout=settings.timeout_s)
    try:
        connection.request("GET", settings.path)
        return connection.getresponse().status == _OK
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def main() -> None:
    """Entry point; ends with SIGTERM."""
    parser = argparse.ArgumentParser(prog="reference_stack.edge.watch")
    parser.add_argument("--settings", type=Path, required=True)
    text = parser.parse_args().settings.read_text(encoding="utf-8")
    settings = WatchSettings.model_validate_json(text)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    watch = Watch(settings, lambda: balancer_answers(settings))
    while True:
        watch.look()
        time.sleep(settings.interval_s)


if __name__ == "__main__":
    main()

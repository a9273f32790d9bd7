"""The gate before a hospital node's Patroni: a node that comes back never leads on its own.

``python -m reference_stack.fallback.gate --settings FILE -- COMMAND …`` becomes COMMAND once it
may. It asks the fallback controller; what it does on an answer, and on none, is :func:`ruling`.

By hand, when the controller is away: write ``start``, ``salvage EPOCH [XID]`` or ``set-aside
EPOCH`` into ``gate.order`` in the site's folder (`testbed stack failback --by-hand` does). An order
counts once, and only when written while the gate waits; what came of it is in ``gate.report.json``.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import httpx
import psycopg
from psycopg.conninfo import make_conninfo

from reference_stack import plain_http
from reference_stack.durable import sync
from reference_stack.errors import StackError
from reference_stack.fallback.salvage import salvage
from reference_stack.fallback.settings import GateSettings, load_settings
from reference_stack.fallback.standalone import (
    end_leftover,
    end_server,
    has_database,
    opened,
    running_server,
)
from reference_stack.fallback.state import Order

ASK_EVERY_S = 1.0
ASK_TIMEOUT_S = 1.5
ORDER_FILE = "gate.order"
REPORT_FILE = "gate.report.json"


@dataclass(frozen=True)
class Instruction:
    """What the controller (or a person) said."""

    order: Order
    epoch: int = 0
    since_xid: int | None = None


def ruling(
    instruction: Instruction | None, *, server_runs: bool, has_data: bool, peer_is_primary: bool
) -> Order:
    """What to do.

    Without an answer, Patroni starts where that can't make a second primary: its PostgreSQL still
    runs (only Patroni ended, the lease decides), another node is primary (to join it changes
    nothing), or there is no database yet (a first start, or a copy of another's). A node with data
    and no primary to join waits: the cloud may lead. That is the price of a controller that is
    away while both nodes restart, and a person can override it.
    """
    if instruction is not None:
        return instruction.order
    return "start" if server_runs or peer_is_primary or not has_data else "wait"


class Gate:
    """One node's gate."""

    def __init__(self, settings: GateSettings) -> None:
        self._settings = settings
        self._said = ""

    def hold(self) -> None:
        """Return when Patroni may start."""
        settings = self._settings
        end_leftover(settings.folder, settings.data_directory)
        # What was meant for an earlier wait must not open the gate in the next emergency.
        (settings.folder / ORDER_FILE).unlink(missing_ok=True)
        while True:
            by_hand = self._by_hand()
            instruction = by_hand or self._ask()
            has_data = has_database(settings.data_directory)
            order = ruling(
                instruction,
                server_runs=running_server(settings.data_directory) is not None,
                has_data=has_data,
                peer_is_primary=instruction is None and has_data and self._peer_is_primary(),
            )
            self._say(f"{order}{' by hand' if by_hand else '' if instruction else ' (no answer)'}")
            if order == "start":
                return
            if end_server(settings.data_directory):
                self._say("ended a PostgreSQL that ran although this node may not lead")
            if instruction is not None and order in {"salvage", "set-aside"}:
                self._bring_over(instruction, by_hand=by_hand is not None)
            time.sleep(ASK_EVERY_S)

    def _ask(self) -> Instruction | None:
        url = f"{self._settings.controller_url}/gate/{self._settings.site}"
        try:
            answer = plain_http.get(url, timeout=ASK_TIMEOUT_S)
            answer.raise_for_status()
            said = answer.json()
            return Instruction(said["order"], said["epoch"], said["since_xid"])
        except (httpx.HTTPError, ValueError, KeyError):
            return None

    def _by_hand(self) -> Instruction | None:
        path = self._settings.folder / ORDER_FILE
        try:
            order, *rest = path.read_text(encoding="utf-8").split()
            numbers = [int(word) for word in rest]
        except (OSError, ValueError):
            return None
        path.unlink()
        if order not in {"start", "salvage", "set-aside"}:
            self._say(f"{path.name}: '{order}' is no order")
            return None
        known: Any = order
        epoch, since_xid = (*numbers, *(None, None))[:2]
        return Instruction(known, epoch or 0, since_xid)

    def _peer_is_primary(self) -> bool:
        return any(_is_primary(url) for url in self._settings.peers.values())

    def _bring_over(self, instruction: Instruction, *, by_hand: bool) -> None:
        try:
            if instruction.order == "set-aside":
                report: dict[str, Any] = {"set_aside": self._set_aside(instruction.epoch)}
            else:
                report = {"tables": self._salvage(instruction)}
        except (StackError, psycopg.Error, OSError) as error:
            self._say(f"{instruction.order} failed, to be tried again: {error}")
            report = {"error": str(error).strip()}
        report = {"site": self._settings.site, "epoch": instruction.epoch, **report}
        if by_hand:
            path = self._settings.folder / REPORT_FILE
            partial = path.with_suffix(".partial")
            partial.write_text(json.dumps(report), encoding="utf-8")
            partial.replace(path)
            return
        url = f"{self._settings.controller_url}/gate/{self._settings.site}"
        words = {"Authorization": f"Bearer {self._settings.token}"}
        try:
            plain_http.post(
                url, json=report, headers=words, timeout=ASK_TIMEOUT_S
            ).raise_for_status()
        except httpx.HTTPError as error:
            self._say(f"the report did not arrive, the order will be repeated: {error}")

    def _salvage(self, instruction: Instruction) -> dict[str, Any]:
        settings = self._settings
        if not has_database(settings.data_directory):
            return {}
        log = settings.folder / "log" / "salvage.log"
        with (
            opened(settings.folder, settings.data_directory, settings.postgresql, log) as source_at,
            psycopg.connect(f"{source_at} dbname={settings.database}", autocommit=True) as source,
            psycopg.connect(self._target(), autocommit=True) as target,
        ):
            reports = salvage(
                source, target, epoch=instruction.epoch, site=settings.site,
                since_xid=instruction.since_xid,
            )  # fmt: skip
        self._say(f"salvaged: { ({name: r.model_dump() for name, r in reports.items()}) }")
        return {name: report.model_dump() for name, report in reports.items()}

    def _target(self) -> str:
        hosts, ports = zip(*self._settings.targets, strict=True)
        return make_conninfo(
            host=",".join(hosts), port=",".join(map(str, ports)), dbname=self._settings.database,
            user="postgres", password=self._settings.superuser_password,
            target_session_attrs="primary", connect_timeout=2,
        )  # fmt: skip

    def _set_aside(self, epoch: int) -> str:
        """Keep the data directory under a name of its own; Patroni will copy the primary's.

        Without one, an earlier attempt at this order has done it and its report was lost.
        """
        data = self._settings.data_directory
        number = len(list(data.parent.glob(f"{data.name}.kept-{epoch}.*")))
        if data.exists():
            number += 1
            data.rename(data.with_name(f"{data.name}.kept-{epoch}.{number}"))
        # The report must not outlive the name.
        sync(data.parent)
        return f"{data.name}.kept-{epoch}.{number}"

    def _say(self, words: str) -> None:
        if words != self._said:
            sys.stderr.write(f"{time.strftime('%H:%M:%S')} gate: {words}\n")
            sys.stderr.flush()
            self._said = words


def _is_primary(url: str) -> bool:
    try:
        return plain_http.get(f"{url}/primary", timeout=ASK_TIMEOUT_S).status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False


def _on_terminate(_number: int, _frame: object) -> NoReturn:
    sys.exit(143)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Wait for leave to start, then become the command."""
    parser = argparse.ArgumentParser(prog="reference_stack.fallback.gate")
    parser.add_argument("--settings", type=Path, required=True)
    parser.add_argument("command", nargs="+")
    parsed = parser.parse_args(arguments)
    # A server opened for salvage must not outlive the gate.
    signal.signal(signal.SIGTERM, _on_terminate)
    Gate(load_settings(GateSettings, parsed.settings)).hold()
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.execvp(parsed.command[0], parsed.command)  # noqa: S606


if __name__ == "__main__":
    main()

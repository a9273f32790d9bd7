"""The process that owns a stack's sites.

It starts a site's first process, passes commands on to it, and ends every site when it ends
itself: on ``shutdown``, on SIGTERM, or when its lifeline (standard input, held by the driver that
started it) is closed. It serves one JSON request a connection on a Unix socket, one at a time, on
one thread, so that the parent-death signal of the sites is tied to the life of the process.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import selectors
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from architecture.errors import InputError
from reference_stack.addresses import reserved_instance
from reference_stack.errors import PreconditionError, StackError
from reference_stack.site.cgroup import SiteGroup, cgroup_root
from reference_stack.site.network import SiteNetwork
from reference_stack.site.process import COMMAND_TIMEOUT_S, SiteProcess
from reference_stack.state import StackState, read_state


class Supervisor:
    """All sites of one stack and the socket they are ruled through."""

    def __init__(self, state: StackState, directory: Path) -> None:
        self._state = state
        self._network = SiteNetwork(state.addresses) if state.network == "namespaces" else None
        root = cgroup_root() if state.backend == "namespace" else None
        self._groups = (
            {name: SiteGroup(root, state.instance, name) for name in state.sites} if root else {}
        )
        self._sites = {
            name: SiteProcess(
                name,
                state.backend,
                directory / name / "site.json",
                directory / name / "log" / "site.log",
                group=self._groups.get(name),
                network=self._network,
            )
            for name in state.sites
        }
        self._done = False

    def serve(self, *, lifeline: bool) -> None:
        """Serve until ``shutdown``, SIGTERM or the end of the lifeline."""
        wake, woken = os.pipe()
        os.set_blocking(woken, False)
        signal.set_wakeup_fd(woken)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)
        path = Path(self._state.control_socket)
        path.unlink(missing_ok=True)
        selector = selectors.DefaultSelector()
        selector.register(wake, selectors.EVENT_READ, "signal")
        if lifeline:
            selector.register(sys.stdin.fileno(), selectors.EVENT_READ, "lifeline")
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
            listener.bind(str(path))
            path.chmod(0o600)
            listener.listen(64)
            selector.register(listener, selectors.EVENT_READ, "request")
            try:
                if self._network is not None:
                    self._network.open()
                while not self._done:
                    for key, _ in selector.select(timeout=1.0):
                        self._handle(key.data, listener)
            finally:
                for site in self._sites.values():
                    site.kill()
                for group in self._groups.values():
                    group.close()
                if self._network is not None:
                    self._network.close()

    def _handle(self, what: str, listener: socket.socket) -> None:
        if what == "lifeline" and not os.read(sys.stdin.fileno(), 1):
            self._done = True
        elif what == "request":
            connection, _ = listener.accept()
            with connection, contextlib.suppress(OSError):
                self._answer(connection)

    def _answer(self, connection: socket.socket) -> None:
        connection.settimeout(5)
        with connection.makefile("rwb") as stream:
            try:
                request = json.loads(stream.readline() or b"{}")
                # A handle may hold the state of an ended stack that had the same addresses.
                stranger = request.pop("stack_id", None) != self._state.stack_id
                answer: dict[str, Any] = (
                    {"ok": False, "other_stack": True}
                    if stranger
                    else {"ok": True, "result": self._obey(request)}
                )
            except (
                StackError, InputError, OSError, KeyError, ValueError, AttributeError, TypeError,
            ) as error:  # fmt: skip
                # A request that is none, or half of one, must not end the sites of all others.
                answer = {"ok": False, "error": str(error)}
            stream.write(json.dumps(answer).encode() + b"\n")

    def _obey(self, request: dict[str, Any]) -> Any:
        command = request["command"]
        if command == "status":
            return {name: site.status() for name, site in self._sites.items()}
        if command == "shutdown":
            self._done = True  # the way out kills every site; a stack's data do not outlive it
            return None
        if command in {"cut", "mend", "isolate", "rejoin", "network"}:
            return self._rule_network(command, request.get("places", ()))
        return self._rule_site(self._sites[request["site"]], request)

    @staticmethod
    def _rule_site(site: SiteProcess, request: dict[str, Any]) -> Any:
        orders: dict[str, Callable[[], object]] = {
            "start": lambda: site.start(request.get("without", ())),
            "stop": lambda: site.stop(float(request.get("grace_s", 10))),
            "kill": site.kill,
            "freeze": site.freeze,
            "thaw": site.thaw,
            "lose-power": site.lose_power,
        }
        order = orders.get(request["command"])
        return order() if order is not None else site.command(request, COMMAND_TIMEOUT_S)

    def _rule_network(self, command: str, places: Sequence[str]) -> Any:
        if self._network is None:
            if command == "network":
                return {"isolated": [], "cut": []}
            raise StackError(
                "this stack has no network of its own, so nothing can be cut: it needs root on "
                "Linux (see `testbed doctor`)"
            )
        orders: dict[str, Callable[..., None]] = {
            "cut": self._network.cut,
            "mend": self._network.mend,
            "isolate": self._network.isolate,
            "rejoin": self._network.rejoin,
        }
        if command == "network":
            return self._network.state()
        return orders[command](*places)

    def _on_signal(self, _number: int, _frame: object) -> None:
        self._done = True


def main() -> None:
    """Entry point: ``python -m reference_stack.site.supervisor DIRECTORY [--detached]``."""
    parser = argparse.ArgumentParser(prog="reference_stack.site.supervisor")
    parser.add_argument("directory", type=Path)
    parser.add_argument("--detached", action="store_true", help="live on without a driver")
    parser.add_argument("--lock", type=int, help="inherited file that reserves the instance")
    arguments = parser.parse_args()
    state = read_state(arguments.directory)
    held = (
        reserved_instance(state.instance) if arguments.lock is None else os.fdopen(arguments.lock)
    )
    try:
        with held:
            Supervisor(state, arguments.directory).serve(lifeline=not arguments.detached)
        # The socket goes last: who sees it gone knows that everything else is.
        Path(state.control_socket).unlink(missing_ok=True)
    except PreconditionError as error:
        sys.exit(f"supervisor: {error}")


if __name__ == "__main__":
    main()

"""Ruling HAProxy while it runs, through its runtime API (HAProxy management guide, 9.3).

Used by planned moves: servers are emptied before what stands behind them is moved. A word to the
balancers goes to all of them; one that is away has no clients either, and is only reported.

The runtime API asks for no password: its port is for the sites' own network, never for clients'.
"""

from __future__ import annotations

import csv
import io
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from architecture.design import Design
from reference_stack.addresses import AddressPlan, Endpoint
from reference_stack.edge.haproxy import Listener
from reference_stack.errors import StackError

TIMEOUT_S: Final = 1.0
_ANSWER_BYTES: Final = 65_536

#: State of a server ("UP", "DOWN", "DRAIN", "MAINT", …) by (listener, site).
States = dict[tuple[str, str], str]


class BalancerError(StackError):
    """A balancer refused a command; the message is its own words."""


class NoBalancerError(StackError):
    """No balancer at all could be told."""


@dataclass(frozen=True)
class Told:
    """Who was told: sites of the balancers that obeyed, and why the others could not be reached."""

    obeyed: tuple[str, ...]
    unreachable: Mapping[str, str]


class BalancerAdmin:
    """Rules all balancers of a stack alike.

    Every method raises:
        NoBalancerError: when not one balancer could be reached.
        BalancerError: when one that was reached refuses, for example an unknown server.
    """

    def __init__(self, balancers: Mapping[str, Endpoint], timeout_s: float = TIMEOUT_S) -> None:
        """``balancers``: the runtime API's TCP endpoint by site; ``timeout_s`` for each command."""
        self._balancers = balancers
        self._timeout_s = timeout_s

    def drain(self, listener: Listener, site: str) -> Told:
        """Send nothing new to the site's server; what it is working on goes on.

        Lasts until :meth:`ready`, whatever the health checks say.
        """
        return self._tell(f"set server {listener}/{site} state drain")

    def ready(self, listener: Listener, site: str) -> Told:
        """End :meth:`drain`; health checks decide again."""
        return self._tell(f"set server {listener}/{site} state ready")

    def force_up(self, listener: Listener, site: str) -> Told:
        """Believe the server to be healthy now; the next checks may say otherwise.

        For who knows that it serves again: the next check of a server that is down is up to
        ``downinter`` away.
        """
        return self._tell(f"set server {listener}/{site} health up")

    def force_down(self, listener: Listener, site: str) -> Told:
        """Believe the server to be dead now, which closes its connections where the design's check
        says so (``close_sessions_when_down``); ``rise`` good checks bring it back."""
        return self._tell(f"set server {listener}/{site} health down")

    def close_sessions(self, listener: Listener, site: str) -> Told:
        """Close every connection to the site's server now; health and :meth:`drain` stay."""
        return self._tell(f"shutdown sessions server {listener}/{site}")

    def sessions(self, listener: Listener, site: str) -> int:
        """Connections to the site's server now, over all balancers that answer.

        HTTP connections that merely wait for a next request don't count.
        """
        return sum(
            int(row["scur"] or 0)
            for table in self._tables().values()
            for row in table
            if (row["pxname"], row["svname"]) == (listener, site)
        )

    def state(self) -> dict[str, States]:
        """Every balancer's view of its servers, by the balancer's site; unreachable ones are
        left out."""
        return {
            balancer: {
                (row["pxname"], row["svname"]): row["status"]
                for row in table
                if row["svname"] not in {"FRONTEND", "BACKEND"}
            }
            for balancer, table in self._tables().items()
        }

    def _tables(self) -> dict[str, list[dict[str, str]]]:
        answers, unreachable = self._ask("show stat")
        if not answers:
            raise _nobody(unreachable)
        return {
            balancer: list(csv.DictReader(io.StringIO(text.removeprefix("# "))))
            for balancer, text in answers.items()
        }

    def _tell(self, command: str) -> Told:
        answers, unreachable = self._ask(command)
        refusals = {site: words for site, text in answers.items() if (words := text.strip())}
        if refusals:
            said = "; ".join(f"{site}: {words}" for site, words in refusals.items())
            raise BalancerError(f"the balancer refuses `{command}`: {said}")
        if not answers:
            raise _nobody(unreachable)
        return Told(tuple(answers), unreachable)

    def _ask(self, command: str) -> tuple[dict[str, str], dict[str, str]]:
        answers: dict[str, str] = {}
        unreachable: dict[str, str] = {}
        for site, endpoint in self._balancers.items():
            try:
                answers[site] = self._exchange(endpoint, command)
            except OSError as error:
                unreachable[site] = f"{endpoint}: {error}"
        return answers, unreachable

    def _exchange(self, endpoint: Endpoint, command: str) -> str:
        """One command, one answer: HAProxy closes the connection after it."""
        address = (endpoint.host, endpoint.port)
        with socket.create_connection(address, self._timeout_s) as connection:
            connection.sendall(f"{command}\n".encode("ascii"))
            pieces = []
            while piece := connection.recv(_ANSWER_BYTES):
                pieces.append(piece)
        if not pieces:
            raise ConnectionResetError("closed without an answer")
        return b"".join(pieces).decode()


def balancer_admin(
    design: Design, addresses: AddressPlan, timeout_s: float = TIMEOUT_S
) -> BalancerAdmin:
    """The admin of a stack's balancers."""
    return BalancerAdmin(
        {
            site: addresses.endpoint(site, "balancer-admin")
            for site in design.sites_with("balancer")
        },
        timeout_s,
    )


def _nobody(unreachable: Mapping[str, str]) -> NoBalancerError:
    return NoBalancerError(f"no balancer can be reached: {'; '.join(unreachable.values())}")

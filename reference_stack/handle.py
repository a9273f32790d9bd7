"""A running stack, as load generators, experiments and reports hold it."""

from __future__ import annotations

import json
import socket
import ssl
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import httpx
from pydantic import Field

from architecture.design import Design
from architecture.values import Strict
from reference_stack import binaries, wholeness
from reference_stack.addresses import Endpoint
from reference_stack.database.etcd import EtcdApi
from reference_stack.database.patroni import PatroniApi
from reference_stack.edge.clients import certificate_authority, client_urls
from reference_stack.errors import StackError, StackNotRunningError
from reference_stack.monitoring import health as monitoring_health
from reference_stack.rendering import DATABASE_NAME, database_url, write_endpoints
from reference_stack.secrets import read_secret
from reference_stack.state import StackState, read_state

CONTROL_TIMEOUT_S = 60.0


class ServiceStatus(Strict):
    """One service of a site."""

    running: bool
    restarts: int
    exit_code: int | None


class SiteStatus(Strict):
    """One site: whether it runs, and how many processes it has.

    ``dead``: killed by the testbed; ``stopped``: ended politely, or never started.
    """

    state: Literal["running", "frozen", "dead", "stopped"]
    processes: int
    services: dict[str, ServiceStatus] = Field(default_factory=dict)


class StackHandle:
    """Finds a running stack by its directory, and rules it through the supervisor's socket."""

    def __init__(self, state: StackState, directory: Path) -> None:
        self.state = state
        self.addresses = state.addresses
        self.design: Design = state.design
        self.directory = directory

    @classmethod
    def attach(cls, directory: Path) -> StackHandle:
        """Attach to the stack that runs in ``directory``.

        Raises:
            StackNotRunningError: when none runs there.
        """
        handle = cls(read_state(directory), directory)
        handle.status()
        return handle

    @property
    def api_urls(self) -> tuple[str, ...]:
        """Where clients talk to the system, in the order they try; no trailing slashes."""
        return client_urls(self.design, self.addresses)

    @property
    def api_url(self) -> str:
        """The first of :attr:`api_urls`: the edge."""
        return self.api_urls[0]

    @property
    def certificate_authority(self) -> Path:
        """The certificate (PEM) that clients trust when the edge speaks HTTPS."""
        return certificate_authority(self.directory)

    def http_client(self, base_url: str | None = None, timeout_s: float = 20.0) -> httpx.Client:
        """A client of the API (of :attr:`api_url` unless told otherwise) that trusts the stack."""
        context = ssl.create_default_context(cafile=str(self.certificate_authority))
        return httpx.Client(
            base_url=base_url or self.api_url, verify=context, timeout=timeout_s, trust_env=False
        )

    @property
    def balancer_stats_url(self) -> str:
        """Statistics page of the first balancer's HAProxy."""
        return self._edge("balancer-stats").url

    @property
    def hospital_sites(self) -> tuple[str, ...]:
        """Sites of the hospital's database cluster, in the design's order."""
        return self.design.database.sites

    def endpoint(self, site: str, service: str) -> Endpoint:
        """Where a service of a site listens (api, inference, database, patroni, etcd)."""
        return self.addresses.endpoint(site, service)

    def secret(self, name: str) -> str:
        """A secret of this stack, for example ``clinicians``."""
        return read_secret(self.directory, name)

    def database_dsn(self, site: str | None = None, *, connect_timeout_s: int = 2) -> str:
        """libpq URL of the superuser: of one site's server, or through the edge's write path."""
        endpoints = write_endpoints(self.design, self.addresses, site)
        url = database_url(endpoints, "postgres", self.secret("superuser"), DATABASE_NAME)
        return f"{url}?connect_timeout={connect_timeout_s}"

    def patroni(self, site: str, timeout_s: float = 1.0) -> PatroniApi:
        """A site's Patroni."""
        return PatroniApi(self.endpoint(site, "patroni"), timeout_s)

    def etcd(self) -> EtcdApi:
        """The hospital's etcd."""
        consensus = self.design.database.consensus
        voters = consensus.voters if consensus is not None else ()
        return EtcdApi({voter: self.endpoint(voter, "etcd").url for voter in voters})

    def status(self) -> dict[str, SiteStatus]:
        """State of every site."""
        answer = self._request({"command": "status"})
        return {name: SiteStatus.model_validate(site) for name, site in answer.items()}

    def primary(self) -> str | None:
        """Hospital site whose PostgreSQL is the primary; None when there is none."""
        for site in self.hospital_sites:
            if self.patroni(site).is_primary():
                return site
        return None

    def whole(self, patience_s: float = wholeness.PATIENCE_S) -> list[str]:
        """What keeps the stack from being whole, in words; empty when nothing does.

        Ask before each fault: without a synchronous standby Patroni rightly refuses to promote.

        Args:
            patience_s: How long parts that do not answer in time are asked again. With a site that
                does not run nobody is: the stack is not whole whatever they say.
        """
        return wholeness.problems(self, patience_s)

    def unwatched(self) -> list[str]:
        """What keeps monitoring from being whole, in words; it bears on no promise by itself."""
        return monitoring_health.problems(
            self.design,
            self.addresses,
            programs=[name for name in ("prometheus", "alertmanager") if binaries.find(name)],
            known_off=[name for name, site in self.status().items() if site.state != "running"],
        )

    def start(self, site: str, *, without: Sequence[str] = ()) -> None:
        """Start a site but for the services named; nothing happens when it runs."""
        self._request({"command": "start", "site": site, "without": list(without)})

    def start_services(self, site: str, services: Sequence[str]) -> None:
        """Start services of a running site that were left out or stopped."""
        self._request({"command": "start-services", "site": site, "services": list(services)})

    def stop_services(self, site: str, services: Sequence[str], *, grace_s: float = 10) -> None:
        """End services of a running site politely; they stay ended until they are started."""
        request = {"command": "stop-services", "site": site, "services": list(services)}
        self._request({**request, "grace_s": grace_s})

    def stop(self, site: str) -> None:
        """End a site politely."""
        self._request({"command": "stop", "site": site})

    def kill(self, site: str) -> None:
        """End every process of a site at once (SIGKILL), and wait until the last one is gone."""
        self._request({"command": "kill", "site": site})

    def freeze(self, site: str) -> None:
        """Let nothing of a site run any more; its sockets stay open and silent.

        Returns once the kernel reports every process as stopped.
        """
        self._request({"command": "freeze", "site": site})

    def thaw(self, site: str) -> None:
        """Let a frozen site run on."""
        self._request({"command": "thaw", "site": site})

    def lose_power(self, site: str) -> None:
        """Take a site's power: silent from one moment to the next, with no goodbye and no reset.

        With a network of its own (``can_partition``) its cable goes and then every process, and it
        is ``dead``. Without, it is ``frozen``: it must be killed before it starts again.
        """
        self._request({"command": "lose-power", "site": site})

    @property
    def can_partition(self) -> bool:
        """Whether sites have networks of their own, which can be cut."""
        return self.state.network == "namespaces"

    def isolate(self, site: str) -> None:
        """Cut a site off from everything; it runs on. Raises `StackError` without partitions."""
        self._request({"command": "isolate", "places": [site]})

    def rejoin(self, site: str) -> None:
        """Undo :meth:`isolate`."""
        self._request({"command": "rejoin", "places": [site]})

    def cut(self, one: str, other: str) -> None:
        """Drop every packet between two places (sites, ``clients``, ``shared-address``)."""
        self._request({"command": "cut", "places": [one, other]})

    def mend(self, one: str, other: str) -> None:
        """Undo :meth:`cut`."""
        self._request({"command": "mend", "places": [one, other]})

    def cut_wan(self) -> None:
        """Cut every cloud site off from the hospital; clients still reach both."""
        for pair in self._wan():
            self.cut(*pair)

    def mend_wan(self) -> None:
        """Undo :meth:`cut_wan`."""
        for pair in self._wan():
            self.mend(*pair)

    def broken_network(self) -> dict[str, list[str]]:
        """What is broken in the network: ``isolated`` sites and ``cut`` pairs."""
        answer: dict[str, list[str]] = self._request({"command": "network"})
        return answer

    def _wan(self) -> list[tuple[str, str]]:
        located = self.design.sites.items()
        cloud = [name for name, site in located if site.location == "cloud"]
        hospital = [name for name, site in located if site.location == "hospital"]
        if self.addresses.shared_address is not None:
            hospital.append("shared-address")
        return [(one, other) for one in cloud for other in hospital]

    def shutdown(self) -> None:
        """End every site and the supervisor; returns when nothing of the stack is left.

        Raises:
            StackError: when something is still there after a minute.
        """
        self._request({"command": "shutdown"})
        socket_path = Path(self.state.control_socket)
        end = time.monotonic() + CONTROL_TIMEOUT_S
        while socket_path.exists():
            if time.monotonic() > end:
                raise StackError(f"{self.directory}: the stack does not end")
            time.sleep(0.02)

    def _edge(self, service: str) -> Endpoint:
        return self.addresses.endpoint(self.design.sites_with("balancer")[0], service)

    def _request(self, request: dict[str, Any]) -> Any:
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
                connection.settimeout(CONTROL_TIMEOUT_S)
                connection.connect(self.state.control_socket)
                with connection.makefile("rwb") as stream:
                    words = {**request, "stack_id": self.state.stack_id}
                    stream.write(json.dumps(words).encode() + b"\n")
                    stream.flush()
                    answer = json.loads(stream.readline() or b"{}")
        except (FileNotFoundError, ConnectionError) as error:
            raise StackNotRunningError(f"{self.directory}: no stack runs here: {error}") from None
        except (OSError, ValueError) as error:
            raise StackError(f"{self.directory}: the supervisor does not answer: {error}") from None
        if answer.get("other_stack"):
            raise StackNotRunningError(
                f"{self.directory}: no stack runs here (another one has taken its addresses)"
            )
        if not answer.get("ok"):
            raise StackError(answer.get("error", "the supervisor ended before it answered"))
        return answer["result"]

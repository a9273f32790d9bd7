"""Where each service listens, in one of three kinds of network.

``namespaces`` (Linux, root): every site has a network namespace and an address of its own, so it
can be cut off. ``addresses`` (Linux): one loopback address a site, as Linux answers on all of
127.0.0.0/8. ``ports`` (macOS, where only 127.0.0.1 exists): one range of ports a site. An
*instance* number keeps several stacks on one machine apart.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import socket
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Literal, Self

import psutil

from architecture.errors import InputError
from reference_stack.errors import PreconditionError

INSTANCES = 100
PORTS = {
    "etcd": 2379,
    "etcd-peer": 2380,
    "patroni": 8008,
    "database": 5432,
    "api": 8000,
    "inference": 8100,
    "balancer-api": 8080,
    "balancer-database": 5000,
    "balancer-stats": 7000,
    "balancer-admin": 7001,
    "balancer-plain": 8081,
    "cache": 6379,
    "sentinel": 26379,
    "documents": 8200,
    "bucket": 4443,
    "fallback": 8300,
    "failure-detector": 8301,
    "prometheus": 9090,
    "alertmanager": 9093,
    "alertmanager-cluster": 9094,
    "alert-sink": 9095,
    "postgres-exporter": 9187,
    "redis-exporter": 9121,
    "stack-exporter": 9200,
    "database-keeper": 8302,
    "documents-rsync": 8201,
}
Network = Literal["namespaces", "addresses", "ports"]

_SUBNET = 77
_CLIENT_HOST = 1
_FIRST_HOST = 11
_SHARED_HOST = 100
_HUB_HOST = 254
_FIRST_PORT = 20_000
_PORTS_PER_SITE = 40
_PORTS_PER_INSTANCE = 400


@dataclass(frozen=True)
class Endpoint:
    """A TCP address."""

    host: str
    port: int

    @property
    def url(self) -> str:
        """The endpoint as an http URL without a trailing slash."""
        return f"http://{self.host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True)
class AddressPlan:
    """Endpoints of every service of every site of one stack instance."""

    instance: int
    sites: tuple[str, ...]
    kind: Network

    @property
    def one_address_per_site(self) -> bool:
        """Whether sites differ in their addresses, not in their ports."""
        return self.kind != "ports"

    def address(self, site: str) -> str:
        """The site's own address."""
        index = self.sites.index(site)
        if self.kind == "namespaces":
            return f"10.{_SUBNET}.{self.instance}.{_FIRST_HOST + index}"
        if self.kind == "addresses":
            return f"127.{_SUBNET}.{self.instance}.{index + 1}"
        return "127.0.0.1"

    @property
    def shared_address(self) -> str | None:
        """The address that moves between the balancers; only namespaces can have one."""
        if self.kind == "namespaces":
            return f"10.{_SUBNET}.{self.instance}.{_SHARED_HOST}"
        return None

    @property
    def client_address(self) -> str:
        """Where this machine's clients stand in the sites' network (namespaces only)."""
        return f"10.{_SUBNET}.{self.instance}.{_CLIENT_HOST}"

    @property
    def hub_address(self) -> str:
        """The hub that joins the sites (namespaces only)."""
        return f"10.{_SUBNET}.{self.instance}.{_HUB_HOST}"

    def place(self, name: str) -> str:
        """Address of a site, of ``clients``, or of the ``shared-address``.

        Raises:
            InputError: naming the places there are.
        """
        places = {site: self.address(site) for site in self.sites}
        places["clients"] = self.client_address
        if self.shared_address is not None:
            places["shared-address"] = self.shared_address
        if name not in places:
            raise InputError(
                f"there is no place '{name}'", where="network", allowed=", ".join(places)
            )
        return places[name]

    def endpoint(self, site: str, service: str) -> Endpoint:
        """Where ``service`` of ``site`` listens (services: the keys of ``PORTS``)."""
        index = self.sites.index(site)
        if self.one_address_per_site:
            return Endpoint(self.address(site), PORTS[service])
        offset = list(PORTS).index(service)
        port = _FIRST_PORT + self.instance * _PORTS_PER_INSTANCE + index * _PORTS_PER_SITE + offset
        return Endpoint("127.0.0.1", port)

    @property
    def network(self) -> str:
        """The addresses the sites talk from, as a CIDR for access rules."""
        if self.kind == "namespaces":
            return f"10.{_SUBNET}.{self.instance}.0/24"
        return "127.0.0.0/8"


def plan(sites: Sequence[str], instance: int, kind: Network | None = None) -> AddressPlan:
    """The plan for a kind of network, by default the platform's on loopback.

    Raises:
        InputError: when the instance is outside 0 … 99.
    """
    if not 0 <= instance < INSTANCES:
        raise InputError(
            f"got {instance}", where="--instance", allowed=f"0 to {INSTANCES - 1}, or 'auto'"
        )
    loopback: Network = "addresses" if sys.platform == "linux" else "ports"
    return AddressPlan(instance, tuple(sites), kind or loopback)


def busy(endpoints: Sequence[Endpoint]) -> list[str]:
    """Endpoints that something listens on already, each with who, as far as may be seen."""
    found = []
    for endpoint in endpoints:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((endpoint.host, endpoint.port))
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise PreconditionError(f"cannot use {endpoint}: {error}") from error
                found.append(f"{endpoint} ({_holder(endpoint)})")
    return found


def _holder(endpoint: Endpoint) -> str:
    with contextlib.suppress(psutil.Error, OSError):
        for connection in psutil.net_connections("tcp"):
            address = connection.laddr
            if not address or connection.status != psutil.CONN_LISTEN or connection.pid is None:
                continue
            if address.port == endpoint.port and address.ip in {endpoint.host, "0.0.0.0"}:
                return f"process {connection.pid}, {psutil.Process(connection.pid).name()}"
    return "by another process"


@dataclass(frozen=True)
class Reservation:
    """An instance number that no other stack of this machine can take.

    It holds as long as any process has ``lock`` open, so it can be handed on to a child.
    """

    number: int
    lock: IO[str]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:  # fmt: skip
        self.release()

    def release(self) -> None:
        """Give up this process's hold."""
        self.lock.close()


def reserve_instance(number: int) -> Reservation | None:
    """Reserve one instance number; None when another stack has it."""
    lock = _try_lock(number)
    return Reservation(number, lock) if lock is not None else None


@contextlib.contextmanager
def reserved_instance(wanted: int | None) -> Iterator[int]:
    """Hold an instance number against other stacks of this machine while the block runs.

    Args:
        wanted: A number, or None for the first free one.

    Raises:
        PreconditionError: when the number (or every number) is taken.
    """
    numbers = range(INSTANCES) if wanted is None else [wanted]
    for number in numbers:
        reservation = reserve_instance(number)
        if reservation is not None:
            with reservation:
                yield number
            return
    which = f"instance {wanted} is" if wanted is not None else "all instances are"
    raise PreconditionError(
        f"{which} in use by another stack on this machine: "
        "end it with `testbed stack down`, or choose another with --instance"
    )


def runtime_folder() -> Path:
    """Where locks and sockets lie: its owner's alone, and short, as a socket's path must be.

    ``TMPDIR`` is not asked: on macOS it alone takes half of the 104 bytes a path may have.
    """
    folder = Path("/tmp") / f"prontuario-{os.getuid()}"  # noqa: S108 - mode 0700
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def _try_lock(number: int) -> IO[str] | None:
    lock = (runtime_folder() / f"instance-{number}.lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        return None
    return lock

"""Real Redis servers and sentinels on free ports, with the stack's own configuration."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import redis

from architecture import Design, load_design
from reference_stack import binaries
from reference_stack.addresses import AddressPlan, Endpoint
from reference_stack.cache import health
from reference_stack.cache.render import cache_services, cache_settings
from reference_stack.cache.settings import CacheSettings
from reference_stack.rendering import Programs, SiteContext
from reference_stack.secrets import make_secrets, read_secret
from tests.ports import free_port

DEADLINE_S = 120.0
CACHE_SITES = ("mac-1", "mac-2")
SITES = ("mac-1", "mac-2", "edge")


@dataclass(frozen=True)
class FreePorts(AddressPlan):
    """Addresses on ports of this process's tests."""

    ports: tuple[tuple[str, str, int], ...] = ()

    def endpoint(self, site: str, service: str) -> Endpoint:
        for at, what, port in self.ports:
            if (at, what) == (site, service):
                return Endpoint("127.0.0.1", port)
        raise KeyError((site, service))


def free_ports(sites: Sequence[str]) -> FreePorts:
    wanted = [(site, service) for site in sites for service in ("cache", "sentinel")]
    ports = tuple((site, service, free_port()) for site, service in wanted)
    return FreePorts(0, tuple(sites), "ports", ports)


class RedisSites:
    """The cache's processes of three sites, each site to be killed, frozen and started again."""

    def __init__(self, directory: Path) -> None:
        self.design: Design = load_design("local")
        self.addresses = free_ports(tuple(self.design.sites))
        self.directory = directory
        make_secrets(directory)
        self.password = read_secret(directory, "cache")
        program = binaries.require("redis").path
        programs = Programs(paths={"redis": program}, postgresql=Path(), model=Path())
        self._contexts = {
            site: SiteContext(self.design, self.addresses, directory, programs, site)
            for site in SITES
        }
        self._specs = {site: cache_services(context) for site, context in self._contexts.items()}
        self._processes: dict[tuple[str, str], subprocess.Popen[bytes]] = {}

    def settings(self, site: str = "mac-1", **changes: object) -> CacheSettings:
        settings = cache_settings(self._contexts[site])
        assert settings is not None
        return settings.model_copy(update=changes)

    def start(self, site: str, services: Sequence[str] = ("redis", "sentinel")) -> None:
        """Start what of the site does not run, from the files as they are now."""
        for spec in self._specs[site]:
            if spec.name not in services:
                continue
            running = self._processes.get((site, spec.name))
            if running is not None and running.poll() is None:
                continue
            log = Path(spec.log)
            log.parent.mkdir(exist_ok=True)
            with log.open("ab") as output:
                self._processes[site, spec.name] = subprocess.Popen(
                    spec.argv, cwd=spec.working_directory, stdout=output, stderr=output
                )

    def signal(self, site: str, number: signal.Signals, services: Sequence[str] = ()) -> None:
        for (at, service), process in self._processes.items():
            if at == site and (not services or service in services) and process.poll() is None:
                process.send_signal(number)

    def kill(self, site: str) -> None:
        """End a site's processes as a power loss would."""
        self.signal(site, signal.SIGKILL)
        for (at, _), process in self._processes.items():
            if at == site:
                process.wait(DEADLINE_S)

    def client(self, site: str) -> redis.Redis:
        return health.connect(self.addresses.endpoint(site, "cache"), self.password, timeout_s=10)

    def role(self, site: str) -> str:
        endpoint = self.addresses.endpoint(site, "cache")
        return str(health.replication(endpoint, self.password).get("role", "away"))

    def master(self) -> str:
        """The site the sentinels name, once they agree."""
        for site in SITES:
            view = health.sentinel_view(self.addresses.endpoint(site, "sentinel"), self.password)
            if view is not None:
                (named,) = [
                    candidate
                    for candidate in CACHE_SITES
                    if self.addresses.endpoint(candidate, "cache").port == view["port"]
                ]
                return named
        raise AssertionError("no sentinel answers")

    def problems(self) -> list[str]:
        return health.problems(self.design, self.addresses, self.password)

    def wait_until_whole(self) -> None:
        wait_until(lambda: not self.problems(), lambda: str(self.problems()))

    def close(self) -> None:
        for process in self._processes.values():
            if process.poll() is None:
                process.kill()
            process.wait(DEADLINE_S)


@contextlib.contextmanager
def redis_sites(directory: Path) -> Iterator[RedisSites]:
    """A whole cache: two Redis, three sentinels."""
    sites = RedisSites(directory)
    try:
        for site in CACHE_SITES:
            sites.start(site, ["redis"])
        # A sentinel that meets a replica late asks for it again only ten seconds later.
        replica = sites.addresses.endpoint(CACHE_SITES[1], "cache")
        wait_until(
            lambda: health.replication(replica, sites.password).get("master_link_status") == "up",
            "no replication",
        )
        for site in SITES:
            sites.start(site)
        sites.wait_until_whole()
        yield sites
    finally:
        sites.close()


def wait_until(
    condition: Callable[[], bool], what: Callable[[], str] | str, deadline_s: float = DEADLINE_S
) -> float:
    """Poll until the condition holds; returns the seconds it took."""
    began = time.monotonic()
    while not condition():
        waited = time.monotonic() - began
        assert waited < deadline_s, what if isinstance(what, str) else what()
        time.sleep(0.02)
    return time.monotonic() - began

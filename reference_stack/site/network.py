"""A network of the stack's own: one namespace a site, joined by a hub that can cut any two apart.

The hub is a namespace with a bridge. Ports of the bridge are isolated from each other and the hub
answers for all of them (private VLAN, RFC 3069; Linux: ``isolated`` ports and ``proxy_arp_pvlan``),
so that every packet between two sites is routed by the hub. There one routing rule drops what goes
from one address to another, silently, as a cut cable does. Clients on this machine reach the sites
through one more port of the bridge.

Nothing of it outlives the supervisor: a namespace ends with its last process, a pair of virtual
Ethernet devices with either end.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import psutil

from architecture.errors import InputError
from reference_stack.addresses import AddressPlan, Network
from reference_stack.errors import StackError
from reference_stack.site.backend import best_backend

NETWORK_VARIABLE = "PRONTUARIO_NETWORK"
KINDS: tuple[Network, ...] = ("namespaces", "addresses", "ports")
#: Names that :meth:`SiteNetwork.cut` takes beside those of sites.
CLIENTS = "clients"
SHARED_ADDRESS = "shared-address"

_HUB_SETTINGS = {
    "net/ipv4/ip_forward": "1",
    "net/ipv4/conf/all/send_redirects": "0",
    "net/ipv4/conf/br0/send_redirects": "0",
    "net/ipv4/conf/br0/proxy_arp_pvlan": "1",
    # What is known of a neighbour goes stale soon, so that a site is seen as soon as it is back.
    "net/ipv4/neigh/br0/gc_stale_time": "1",
    "net/ipv4/neigh/br0/base_reachable_time_ms": "2000",
}
_TRIAL = """
ip link add br0 type bridge && ip link add v0 type veth peer name v1 &&
ip link set v0 master br0 && ip link set v0 type bridge_slave isolated on &&
ip rule add from 192.0.2.1 to 192.0.2.2 blackhole &&
echo 1 > /proc/sys/net/ipv4/conf/br0/proxy_arp_pvlan
"""
_NAMESPACE_DEADLINE_S = 10.0
_HUB_HARDWARE_ADDRESS = "02:00:0a:4d:00:01"  # locally administered; the hub is alone on its bridge


@functools.cache
def best_network() -> Network:
    """The kind of network this machine allows, found by trying; ``PRONTUARIO_NETWORK`` overrides.

    Raises:
        InputError: for a kind there is not.
    """
    wanted = os.environ.get(NETWORK_VARIABLE, "")
    for kind in KINDS:
        if wanted == kind:
            return kind
    if wanted:
        raise InputError(f"got '{wanted}'", where=NETWORK_VARIABLE, allowed=", ".join(KINDS))
    if sys.platform != "linux":
        return "ports"
    if os.geteuid() == 0 and shutil.which("ip") and best_backend() == "namespace":
        trial = subprocess.run(
            ["unshare", "--net", "sh", "-c", _TRIAL], capture_output=True, check=False, timeout=10
        )
        if trial.returncode == 0:
            return "namespaces"
    return "addresses"


def network_in_use(addresses: AddressPlan) -> str | None:
    """Who has an address of the plan's network on this machine already; None when nobody has."""
    if addresses.kind != "namespaces":
        return None
    prefix = addresses.client_address.rsplit(".", 1)[0] + "."
    for device, known in psutil.net_if_addrs().items():
        for address in known:
            if address.address.startswith(prefix):
                return f"{address.address} (on {device})"
    return None


class SiteNetwork:
    """The hub and its ports; made by the supervisor, which must be root."""

    def __init__(self, addresses: AddressPlan) -> None:
        self._addresses = addresses
        self._host_device = f"prontuario{addresses.instance}"
        self._serial = itertools.count(1)
        self._ports: dict[str, str] = {}
        self._cuts: set[frozenset[str]] = set()
        self._isolated: set[str] = set()
        self._hub: subprocess.Popen[bytes] | None = None

    def open(self) -> None:
        """Make the hub and the clients' port.

        Raises:
            StackError: when the kernel refuses, with its words.
        """
        # `cat` ends when its input does, and that ends with the supervisor.
        hub = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "--", "unshare", "--net", "cat"],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        self._hub = hub
        _wait_for_namespace(hub.pid)
        network = f"{self._addresses.hub_address}/24"
        self._in_hub("ip", "link", "set", "lo", "up")
        # An address of its own: else the bridge takes its lowest port's, and changes it under the
        # sites' feet whenever a site comes or goes.
        self._in_hub("ip", "link", "add", "br0", "address", _HUB_HARDWARE_ADDRESS, "type", "bridge",
                     "mcast_snooping", "0")  # fmt: skip
        self._in_hub("ip", "address", "add", network, "dev", "br0")
        self._in_hub("ip", "link", "set", "br0", "up")
        for name, value in _HUB_SETTINGS.items():
            self._in_hub("sh", "-c", f"echo {value} > /proc/sys/{name}")
        device = self._host_device
        with contextlib.suppress(StackError):
            _run("ip", "link", "delete", device)  # a namespace that is being taken apart holds it
        _run("ip", "link", "add", device, "type", "veth", "peer", "name", CLIENTS, "netns",
             str(hub.pid))  # fmt: skip
        self._plug_in(CLIENTS)
        _run("ip", "address", "add", f"{self._addresses.client_address}/24", "dev", device)
        _run("ip", "link", "set", device, "up")

    def close(self) -> None:
        """Take the hub down; the devices go with it."""
        if self._hub is not None:
            self._hub.kill()
            self._hub.wait()
            self._hub = None
        deadline = time.monotonic() + _NAMESPACE_DEADLINE_S
        while Path(f"/sys/class/net/{self._host_device}").exists():
            if time.monotonic() > deadline:
                raise StackError(f"the device {self._host_device} does not go away")
            time.sleep(0.02)

    def attach(self, site: str, pid: int) -> None:
        """Give the process's new namespace the site's address and a port at the hub."""
        _wait_for_namespace(pid)
        # A namespace outlives its last process for as long as its connections do. Plugged in, it
        # would answer for the site's address, and refuse what is meant for the new one.
        self.unplug(site)
        port = f"port{next(self._serial)}"
        self._in_hub("ip", "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns",
                     str(pid))  # fmt: skip
        self._ports[site] = port
        if site not in self._isolated:
            self._plug_in(port)
        inside = ("nsenter", f"--net=/proc/{pid}/ns/net", "ip")
        address = f"{self._addresses.address(site)}/24"
        _run(*inside, "link", "set", "lo", "up")
        _run(*inside, "address", "add", address, "dev", "eth0")
        _run(*inside, "link", "set", "eth0", "up")

    def unplug(self, site: str) -> None:
        """Take the site's cable away for good: nothing gets in or out, and nobody is told."""
        if (port := self._ports.pop(site, None)) is not None:
            with contextlib.suppress(StackError):  # the port of a site that has ended is gone
                self._in_hub("ip", "link", "delete", port)

    def isolate(self, site: str) -> None:
        """Cut the site off until :meth:`rejoin`, also when it is started again meanwhile."""
        self._isolated.add(site)
        if (port := self._ports.get(site)) is not None:
            with contextlib.suppress(StackError):
                self._in_hub("ip", "link", "set", port, "down")

    def rejoin(self, site: str) -> None:
        """Undo :meth:`isolate`; does nothing when the site is not cut off."""
        self._isolated.discard(site)
        if (port := self._ports.get(site)) is not None:
            with contextlib.suppress(StackError):
                self._plug_in(port)

    def cut(self, one: str, other: str) -> None:
        """Drop every packet between two places, both ways, silently.

        Places: sites, ``clients``, or ``shared-address``. Does nothing when they are cut already.
        """
        pair = frozenset((one, other))
        if pair in self._cuts:
            return
        for source, target in itertools.permutations((one, other)):
            self._in_hub("ip", "rule", "add", *self._between(source, target))
        self._cuts.add(pair)

    def mend(self, one: str, other: str) -> None:
        """Undo :meth:`cut`; does nothing when nothing was cut."""
        pair = frozenset((one, other))
        if pair not in self._cuts:
            return
        self._cuts.discard(pair)
        for source, target in itertools.permutations((one, other)):
            self._in_hub("ip", "rule", "delete", *self._between(source, target))

    def state(self) -> dict[str, list[str]]:
        """What is broken now: isolated sites, and pairs ``a|b`` that are cut."""
        return {
            "isolated": sorted(self._isolated),
            "cut": sorted("|".join(sorted(pair)) for pair in self._cuts),
        }

    def _plug_in(self, port: str) -> None:
        self._in_hub("ip", "link", "set", port, "master", "br0", "up")
        self._in_hub("ip", "link", "set", port, "type", "bridge_slave", "isolated", "on")

    def _between(self, source: str, target: str) -> Sequence[str]:
        addresses = self._addresses
        return ("from", addresses.place(source), "to", addresses.place(target), "blackhole")

    def _in_hub(self, *command: str) -> None:
        if self._hub is None:
            raise StackError("the stack has no network of its own")
        _run("nsenter", f"--net=/proc/{self._hub.pid}/ns/net", *command)


def _wait_for_namespace(pid: int) -> None:
    """Wait until the process has left this network namespace for its own."""
    ours = Path("/proc/self/ns/net").readlink()
    deadline = time.monotonic() + _NAMESPACE_DEADLINE_S
    while True:
        try:
            if Path(f"/proc/{pid}/ns/net").readlink() != ours:
                return
        except OSError as error:
            raise StackError(f"process {pid} ended before it had a network: {error}") from error
        if time.monotonic() > deadline:
            raise StackError(f"process {pid} got no network namespace")
        time.sleep(0.002)


def _run(*command: str) -> None:
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    if answer.returncode != 0:
        words = (answer.stderr or answer.stdout).strip()
        raise StackError(f"`{' '.join(command)}` failed: {words}")

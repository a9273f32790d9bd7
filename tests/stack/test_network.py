"""Sites with networks of their own: cut off, cut apart, and gone with whoever made them."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import psutil
import pytest

from architecture.errors import InputError
from reference_stack.addresses import AddressPlan, plan
from reference_stack.errors import StackError
from reference_stack.site.cgroup import SiteGroup, cgroup_root
from reference_stack.site.description import ServiceSpec, SiteSpec
from reference_stack.site.network import SiteNetwork, best_network
from reference_stack.site.process import SiteProcess
from tests.waiting import wait_for

pytestmark = [
    pytest.mark.servers,
    pytest.mark.skipif(best_network() != "namespaces", reason="no network of its own without root"),
]

SITES = ("mac-1", "mac-2", "gcp")
#: Tells whoever connects which other sites it can reach right now.
SPEAKER = """
import socket, sys
here, *others = sys.argv[1:]
door = socket.create_server((here, 7), backlog=4096)
with socket.create_server((here, 8)) as server:
    while True:
        connection, _ = server.accept()
        with connection:
            reached = []
            for other in others:
                try:
                    socket.create_connection((other, 7), 0.3).close()
                    reached.append(other)
                except OSError:
                    pass
            try:
                connection.sendall(" ".join(reached).encode() or b"-")
                connection.recv(1)
            except OSError:
                pass
"""


def addresses() -> AddressPlan:
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
    return plan(SITES, 90 + int(worker), "namespaces")


def site_file(folder: Path, site: str, where: AddressPlan) -> Path:
    others = [where.address(other) for other in SITES if other != site]
    spec = SiteSpec(
        site=site,
        services=(
            ServiceSpec(
                name="speaker",
                argv=(sys.executable, "-c", SPEAKER, where.address(site), *others),
                working_directory=str(folder),
                log=str(folder / f"{site}.log"),
                privileged=True,
            ),
        ),
    )
    path = folder / f"{site}.json"
    path.write_text(spec.model_dump_json())
    return path


class Hospital:
    """Three sites and their network."""

    def __init__(self, folder: Path) -> None:
        self.addresses = addresses()
        self.network = SiteNetwork(self.addresses)
        root = cgroup_root()
        self.groups = {
            site: SiteGroup(root, self.addresses.instance, site) for site in SITES if root
        }
        self.network.open()
        self.sites = {
            site: SiteProcess(
                site, "namespace", site_file(folder, site, self.addresses), folder / "site.log",
                group=self.groups.get(site), network=self.network,
            )
            for site in SITES
        }  # fmt: skip
        for site in self.sites.values():
            site.start()

    def reached_by(self, site: str) -> set[str] | None:
        """Sites that ``site`` reaches; None when nobody reaches itself from here."""
        try:
            with socket.create_connection((self.addresses.address(site), 8), 0.5) as connection:
                connection.settimeout(15)
                words = connection.recv(200).decode().split()
        except OSError:
            return None
        return {name for name in SITES if self.addresses.address(name) in words}

    def close(self) -> None:
        for site in self.sites.values():
            site.kill()
        for group in self.groups.values():
            group.close()
        self.network.close()


def _reaches(hospital: Hospital, site: str, others: set[str]) -> bool:
    return hospital.reached_by(site) == others


@pytest.fixture
def hospital(tmp_path: Path) -> Iterator[Hospital]:
    made = Hospital(tmp_path)
    try:
        for site in SITES:
            others = set(SITES) - {site}
            wait_for(partial(_reaches, made, site, others), f"{site} in full")
        yield made
    finally:
        made.close()


def test_two_sites_can_be_cut_apart_while_clients_reach_both(hospital: Hospital) -> None:
    hospital.network.cut("mac-1", "mac-2")
    assert hospital.reached_by("mac-1") == {"gcp"}
    assert hospital.reached_by("mac-2") == {"gcp"}
    assert hospital.network.state() == {"isolated": [], "cut": ["mac-1|mac-2"]}
    hospital.network.cut("mac-2", "mac-1")
    hospital.network.mend("mac-1", "mac-2")
    hospital.network.mend("mac-1", "mac-2")
    wait_for(lambda: hospital.reached_by("mac-1") == {"mac-2", "gcp"}, "the mended way")


def test_an_isolated_site_reaches_nobody_and_nobody_reaches_it_even_after_a_restart(
    hospital: Hospital,
) -> None:
    hospital.network.isolate("mac-1")
    assert hospital.reached_by("mac-1") is None
    assert hospital.reached_by("mac-2") == {"gcp"}
    hospital.sites["mac-1"].kill()
    hospital.sites["mac-1"].start()
    assert hospital.reached_by("mac-1") is None
    hospital.network.rejoin("mac-1")
    wait_for(lambda: hospital.reached_by("mac-1") == {"mac-2", "gcp"}, "mac-1 again")


def test_what_is_left_of_a_dead_site_does_not_answer_for_the_one_started_after_it(
    hospital: Hospital,
) -> None:
    """A namespace lingers while something holds it; here that is this test."""
    site = hospital.sites["mac-2"]
    first = site._process
    assert first is not None
    with Path(f"/proc/{first.pid}/ns/net").open("rb") as lingering:
        hospital.network.isolate("mac-2")
        site.kill()
        hospital.network.rejoin("mac-2")
        site.start()
        wait_for(lambda: hospital.reached_by("mac-2") == set(SITES) - {"mac-2"}, "its network")
        devices = subprocess.run(
            ["nsenter", f"--net=/proc/self/fd/{lingering.fileno()}", "ip", "-br", "link"],
            pass_fds=[lingering.fileno()], capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip
    assert "eth0" not in devices


def test_a_site_that_lost_its_power_says_no_goodbye(hospital: Hospital) -> None:
    """A client that holds a connection hears nothing: neither a close nor a reset."""
    connection = socket.create_connection((hospital.addresses.address("gcp"), 8), 10)
    with connection:
        connection.settimeout(15)
        assert connection.recv(200)
        hospital.sites["gcp"].lose_power()
        assert hospital.sites["gcp"].status()["state"] == "dead"
        connection.settimeout(1)
        with pytest.raises(TimeoutError):
            connection.recv(200)
    hospital.sites["gcp"].start()
    wait_for(lambda: hospital.reached_by("gcp") == {"mac-1", "mac-2"}, "gcp again")


@pytest.mark.skipif(cgroup_root() is None, reason="no control groups here")
def test_a_site_frozen_by_its_control_group_is_silent_until_it_is_thawed(
    hospital: Hospital,
) -> None:
    site = hospital.sites["mac-2"]
    site.freeze()
    assert (site.status()["state"], site.status()["processes"] > 1) == ("frozen", True)
    assert hospital.reached_by("mac-2") is None
    site.thaw()
    wait_for(lambda: hospital.reached_by("mac-2") == {"mac-1", "gcp"}, "mac-2 again")
    site.freeze()
    site.kill()
    assert site.status()["state"] == "dead"


def test_nothing_is_left_when_the_network_is_closed(tmp_path: Path) -> None:
    made = Hospital(tmp_path)
    device = f"prontuario{made.addresses.instance}"
    assert device in psutil.net_if_addrs()
    made.close()
    assert device not in psutil.net_if_addrs()
    root = cgroup_root()
    if root is not None:
        assert not (root / f"prontuario-{made.addresses.instance}").exists()


HOLDER = """
import sys, time
from reference_stack.addresses import plan
from reference_stack.site.network import SiteNetwork
network = SiteNetwork(plan(("mac-1",), int(sys.argv[1]), "namespaces"))
network.open()
print("open", flush=True)
time.sleep(3600)
"""


def test_nothing_is_left_when_whoever_made_it_is_killed() -> None:
    instance = addresses().instance
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(instance)], stdout=subprocess.PIPE)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"open\n"
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        wait_for(lambda: f"prontuario{instance}" not in psutil.net_if_addrs(), "the devices' end")
    finally:
        holder.kill()


def test_a_place_that_does_not_exist_is_refused_with_those_that_do(hospital: Hospital) -> None:
    with pytest.raises(InputError, match=r"mac-9.*mac-1, mac-2, gcp, clients, shared-address"):
        hospital.network.cut("mac-9", "gcp")


def test_a_site_process_that_ends_at_once_is_an_error(tmp_path: Path) -> None:
    network = SiteNetwork(addresses())
    network.open()
    try:
        with pytest.raises(StackError):
            network.attach("mac-1", 2**22 - 1)
    finally:
        network.close()

"""The edge's files are rendered from the design, and the real programs accept them."""

from __future__ import annotations

import ssl
import subprocess
from pathlib import Path

import pytest

from architecture import Design, design_names, load_design
from reference_stack import binaries
from reference_stack.addresses import AddressPlan, Network
from reference_stack.edge import haproxy, keepalived
from reference_stack.edge.clients import certificate_authority, client_urls
from reference_stack.edge.render import balancer_services, ingress_services
from reference_stack.edge.shared_address import shared_address
from reference_stack.edge.tls import make_certificates, server_certificate
from reference_stack.possible import as_far_as_possible
from reference_stack.rendering import Programs, SiteContext, database_url, write_endpoints

KINDS: tuple[Network, ...] = ("namespaces", "addresses", "ports")


@pytest.fixture
def design() -> Design:
    return load_design("local")


def plan_of(design: Design, kind: Network) -> AddressPlan:
    return AddressPlan(7, tuple(design.sites), kind)


def services(design: Design, kind: Network, directory: Path, site: str) -> list[str]:
    names = ("haproxy", "keepalived")
    paths = {name: Path("/bin") / name for name in names}
    programs = Programs(paths=paths, postgresql=Path("/bin"), model=Path("/model"))
    context = SiteContext(design, plan_of(design, kind), directory, programs, site)
    makers = (balancer_services, ingress_services)
    make = makers[0] if site in design.sites_with("balancer") else makers[1]
    return [service.name for service in make(context)]


@pytest.mark.servers
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("overrides", [(), ("edge.routing=roundrobin", "edge.tls=false")])
@pytest.mark.parametrize(
    "name", [name for name in design_names() if load_design(name).database.lease is not None]
)
def test_haproxy_accepts_every_configuration(
    name: str, overrides: tuple[str, ...], kind: Network, tmp_path: Path
) -> None:
    program = binaries.require("haproxy").path
    design = load_design(name, overrides)
    make_certificates(tmp_path, design, plan_of(design, kind))
    for site in (*design.sites_with("balancer"), "gcp"):
        services(design, kind, tmp_path, site)
        path = tmp_path / site / "haproxy.cfg"
        check = subprocess.run(
            [program, "-c", "-f", path], capture_output=True, text=True, check=False
        )
        assert (check.returncode, check.stderr) == (0, ""), (site, check.stderr)


def test_the_checks_are_the_designs(design: Design) -> None:
    def text(of: Design) -> str:
        return haproxy.configuration(of, plan_of(of, "addresses"), "edge", Path("/tls.pem"))

    assert "inter 5000ms fall 3 rise 1 fastinter 500ms downinter 1000ms" in text(design)
    assert "timeout check 2000ms" in text(design)
    plain = ("fast_interval_s=null", "down_interval_s=null", "rise=2")
    literal = [f"edge.{check}.{key}" for check in ("api_check", "database_check") for key in plain]
    assert "inter 5000ms fall 3 rise 2 on-marked-down" in text(load_design("local", literal))


def test_the_standby_and_the_cloud_serve_only_when_those_before_them_are_down(
    design: Design,
) -> None:
    text = haproxy.configuration(design, plan_of(design, "addresses"), "edge", Path("/tls.pem"))
    for section in ("listen api", "backend chat"):
        body = text.split(section)[1].split("\n\n")[0]
        servers = [line.split() for line in body.splitlines() if line.strip().startswith("server")]
        assert [(words[1], words[-1]) for words in servers] == [
            ("mac-1", "check"),
            ("mac-2", "backup"),
            ("gcp", "backup"),
        ]


def test_the_cloud_takes_database_connections_only_where_a_controller_may_promote_it(
    design: Design,
) -> None:
    def database(of: Design) -> str:
        text = haproxy.configuration(of, plan_of(of, "addresses"), "edge-2", Path("/tls.pem"))
        return text.split("listen database")[1].split("\n\n")[0]

    last = database(design).strip().splitlines()[-1].split()
    assert (last[1], last[-1]) == ("gcp", "backup")
    assert "gcp" not in database(load_design("local", ["fallback=null"]))


@pytest.mark.parametrize("site", ["edge", "edge-2"])
def test_balancers_share_an_address_only_where_addresses_can_move(
    design: Design, site: str, tmp_path: Path
) -> None:
    expected = ["haproxy", "balancer-watch", "keepalived"]
    assert services(design, "namespaces", tmp_path, site) == expected
    assert services(design, "addresses", tmp_path, site) == ["haproxy"]
    here = {"haproxy": Path("/bin/haproxy"), "espeak-ng": Path("/bin/espeak-ng")}
    plain = as_far_as_possible(design, here)
    assert shared_address(plain, plan_of(plain, "namespaces")) is None
    assert as_far_as_possible(design, {**here, "keepalived": Path("/bin/keepalived")}) == design


def test_clients_try_the_hospital_before_the_cloud(design: Design) -> None:
    namespaces, loopback = plan_of(design, "namespaces"), plan_of(design, "addresses")
    assert client_urls(design, namespaces) == (
        "https://10.77.7.100:8080", "https://10.77.7.15:8080"
    )  # fmt: skip
    assert client_urls(design, loopback) == (
        "https://127.77.7.3:8080", "https://127.77.7.4:8080", "https://127.77.7.5:8080"
    )  # fmt: skip
    single = load_design("single-balancer", ["edge.tls=false"])
    assert client_urls(single, plan_of(single, "namespaces")) == (
        "http://10.77.7.13:8080", "http://10.77.7.15:8080"
    )  # fmt: skip


def test_the_write_path_leads_through_the_shared_address_or_through_each_balancer(
    design: Design,
) -> None:
    def url(kind: Network, site: str | None = None) -> str:
        return database_url(write_endpoints(design, plan_of(design, kind), site), "u", "p", "d")

    assert url("namespaces") == "postgresql://u:p@10.77.7.100:5000/d"
    assert url("addresses") == "postgresql://u:p@127.77.7.3:5000,127.77.7.4:5000/d"
    assert url("addresses", "gcp") == "postgresql://u:p@127.77.7.5:5432/d"


def test_private_keys_are_their_owners_and_the_authority_is_everybodys(
    design: Design, tmp_path: Path
) -> None:
    make_certificates(tmp_path, design, plan_of(design, "namespaces"))
    for site in ("edge", "edge-2", "gcp"):
        path = server_certificate(tmp_path, site)
        assert "PRIVATE KEY" in path.read_text()
        assert path.stat().st_mode & 0o077 == 0
    assert "PRIVATE KEY" not in certificate_authority(tmp_path).read_text()
    ssl.create_default_context(cafile=str(certificate_authority(tmp_path)))


def test_a_backup_waits_for_the_rfcs_time(design: Design) -> None:
    # RFC 5798, 6.1: 3 · 1 s + (256 − 150) / 256 · 1 s.
    assert keepalived.takeover_bound_s(design, "edge-2") == pytest.approx(3.4140625)
    quick = load_design("local", ["edge.shared_address.advertisement_s=0.2"])
    assert keepalived.takeover_bound_s(quick, "edge-2") == pytest.approx(3.4140625 / 5)


def test_a_balancer_starts_where_few_open_files_are_allowed(design: Design, tmp_path: Path) -> None:
    program = binaries.require("haproxy").path
    make_certificates(tmp_path, design, plan_of(design, "addresses"))
    services(design, "addresses", tmp_path, "edge")
    command = f"ulimit -n 1000; exec {program} -f {tmp_path / 'edge' / 'haproxy.cfg'}"
    with subprocess.Popen(
        ["sh", "-c", command], stderr=subprocess.PIPE, text=True, bufsize=1
    ) as balancer:  # fmt: skip
        try:
            assert balancer.stderr is not None
            said = [next(balancer.stderr)]
            while "FD limit" not in said[-1]:
                said.append(next(balancer.stderr))
            assert "WARNING" in said[-1]
        finally:
            balancer.kill()

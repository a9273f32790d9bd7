"""The configuration files are rendered from the design, and the real programs accept them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from architecture import Design, load_design
from reference_stack import binaries
from reference_stack.addresses import AddressPlan, Network, plan, reserved_instance
from reference_stack.database import patroni
from reference_stack.preconditions import models_of
from reference_stack.render import render
from reference_stack.rendering import Programs, link_scratch, scratch_link
from reference_stack.secrets import NAMES, make_secrets, read_secret
from reference_stack.site.description import SiteSpec


@pytest.fixture
def design() -> Design:
    return load_design("local")


def addresses(design: Design) -> AddressPlan:
    return plan(tuple(design.sites), 7)


def rendered(design: Design, directory: Path, *, network: Network = "addresses") -> AddressPlan:
    programs = Programs(
        paths={name: Path("/bin") / name for name in binaries.REQUIRED},
        postgresql=Path("/bin"),
        model=Path("/model"),
        companions={name: Path("/models") / name for name in models_of(design)},
    )
    where = AddressPlan(7, tuple(design.sites), network)
    make_secrets(directory)
    render(design, where, directory, programs)
    return where


@pytest.mark.parametrize("site", ["mac-1", "mac-2", "gcp"])
def test_patroni_accepts_its_configuration(design: Design, site: str, tmp_path: Path) -> None:
    postgres = binaries.find("postgres")
    assert postgres is not None, binaries.MENDING
    make_secrets(tmp_path)
    document = patroni.configuration(
        design,
        site,
        addresses=addresses(design),
        secrets={name: read_secret(tmp_path, name) for name in NAMES},
        folder=tmp_path,
        binaries=postgres.path.resolve().parent,
    )
    path = tmp_path / "patroni.yml"
    path.write_text(yaml.safe_dump(document))
    check = subprocess.run(
        [sys.executable, "-m", "patroni", "--validate-config", "--ignore-listen-port", str(path)],
        capture_output=True,
        text=True,
        check=False,
    )
    # The validator also tries to reach etcd, which does not run here.
    complaints = [line for line in check.stderr.splitlines() if "is not reachable" not in line]
    assert complaints == []
    assert document["bootstrap"]["dcs"]["ttl"] == design.database.lease.ttl_s  # type: ignore[union-attr]
    assert ("standby_cluster" in document["bootstrap"]["dcs"]) == (site == "gcp")


def test_secrets_are_readable_by_their_owner_only(design: Design, tmp_path: Path) -> None:
    rendered(design, tmp_path)
    secrets = 0
    for path in tmp_path.rglob("*"):
        secret_inside = path.is_file() and any(
            read_secret(tmp_path, name) in path.read_text() for name in NAMES
        )
        if secret_inside:
            assert path.stat().st_mode & 0o077 == 0, path
            secrets += 1
    assert secrets > len(NAMES)


def test_two_stacks_have_different_secrets(design: Design, tmp_path: Path) -> None:
    rendered(design, tmp_path / "one")
    rendered(design, tmp_path / "two")
    for name in NAMES:
        assert read_secret(tmp_path / "one", name) != read_secret(tmp_path / "two", name)


def test_each_site_runs_the_services_the_design_places_there(
    design: Design, tmp_path: Path
) -> None:
    rendered(design, tmp_path)

    def services(site: str) -> set[str]:
        spec = SiteSpec.model_validate_json((tmp_path / site / "site.json").read_text())
        return {service.name for service in spec.services}

    assert services("mac-1") >= {"etcd", "patroni", "inference", "api"}
    assert services("mac-1").isdisjoint({"haproxy", "bucket"})
    assert services("edge") >= {"etcd", "etcd-leader-keeper", "haproxy"}
    assert services("edge-2") >= {"haproxy"}
    assert services("edge").isdisjoint({"patroni", "api", "bucket"})
    assert services("gcp") >= {"bucket", "etcd", "patroni", "inference", "api", "haproxy"}


def test_hospital_servers_on_one_address_still_find_the_password(
    design: Design, tmp_path: Path
) -> None:
    rendered(design, tmp_path, network="ports")
    spec = SiteSpec.model_validate_json((tmp_path / "gcp" / "site.json").read_text())
    (database,) = [service for service in spec.services if service.name == "patroni"]
    assert database.environment["PGPASSWORD"] == read_secret(tmp_path, "replication")


def test_temporary_files_of_a_base_backup_lie_in_the_stacks_directory(
    design: Design, tmp_path: Path
) -> None:
    with reserved_instance(None) as number:
        addresses = AddressPlan(number, tuple(design.sites), "addresses")
        link_scratch(addresses, tmp_path)
        link_scratch(addresses, tmp_path)
        for site in design.sites:
            link = scratch_link(addresses, site)
            assert link.resolve() == (tmp_path / site / "tmp").resolve()
            link.unlink()


def test_a_base_backup_has_room_for_its_sockets_paths(design: Design, tmp_path: Path) -> None:
    rendered(design, tmp_path)
    sockets = "/barman-cloud-backup-01234567/pymp-01234567/listener-01234567"
    for site in design.sites_with("database"):
        spec = SiteSpec.model_validate_json((tmp_path / site / "site.json").read_text())
        (keeper,) = (s for s in spec.services if s.name == "database-keeper")
        assert len(keeper.environment["TMPDIR"] + sockets) < 100

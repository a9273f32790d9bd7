"""One certificate authority a stack, made with its secrets, and a certificate for each way in.

The authority's own key is never written: a stack's certificates are all made at once, for as long
as the stack lives.
"""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Final

import trustme

from architecture.design import Design
from reference_stack.addresses import AddressPlan
from reference_stack.edge.shared_address import shared_address

#: iPhones accept no server certificate that is valid for longer (Apple, HT211025).
VALID_DAYS: Final = 398


def make_certificates(directory: Path, design: Design, addresses: AddressPlan) -> None:
    """Write the authority's certificate and one PEM (key, certificate) for each way in.

    Ways in are the balancers, with the address they share, and the emergency site.
    """
    folder = directory / "tls"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    authority = trustme.CA(organization_name="Prontuario testbed")
    certificate_authority(directory).write_bytes(authority.cert_pem.bytes())
    balancers = design.sites_with("balancer")
    shared = shared_address(design, addresses)
    now = datetime.datetime.now(datetime.UTC).replace(tzinfo=None)
    for site in ways_in(design):
        identities = [addresses.address(site)]
        if shared is not None and site in balancers:
            identities.append(shared)
        leaf = authority.issue_cert(
            *identities,
            not_before=now - datetime.timedelta(hours=1),
            not_after=now + datetime.timedelta(days=VALID_DAYS - 1),
        )
        path = server_certificate(directory, site)
        path.touch(mode=0o600)
        path.write_bytes(leaf.private_key_and_cert_chain_pem.bytes())


def certificate_authority(directory: Path) -> Path:
    """The certificate that clients of this stack trust (PEM)."""
    return directory / "tls" / "authority.pem"


def server_certificate(directory: Path, site: str) -> Path:
    """Key and certificate of a site's way in (PEM, its owner's alone)."""
    return directory / "tls" / f"{site}.pem"


def ways_in(design: Design) -> tuple[str, ...]:
    """Sites through which clients come: the balancers, and the emergency site's own ingress."""
    balancers = design.sites_with("balancer")
    emergency = ingress_site(design)
    return (*balancers, emergency) if emergency is not None else balancers


def ingress_site(design: Design) -> str | None:
    """The emergency site when it serves clients itself and no balancer stands there."""
    emergency = design.emergency
    if emergency is None or emergency.site not in design.sites_with("api"):
        return None
    return None if emergency.site in design.sites_with("balancer") else emergency.site

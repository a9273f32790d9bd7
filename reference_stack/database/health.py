"""What keeps the database's part from being whole, beside replication (see the stack's handle)."""

from __future__ import annotations

import httpx

from architecture.design import Design
from reference_stack import plain_http
from reference_stack.addresses import AddressPlan

TIMEOUT_S = 2.0


def problems(design: Design, addresses: AddressPlan) -> list[str]:
    """A sentence for each keeper (lag, backups, abandoned commits) that does not answer."""
    return [
        f"{site}: the database's keeper does not answer"
        for site in design.sites_with("database")
        if not _answers(f"{addresses.endpoint(site, 'database-keeper').url}/metrics")
    ]


def _answers(url: str) -> bool:
    try:
        return plain_http.get(url, timeout=TIMEOUT_S).status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False

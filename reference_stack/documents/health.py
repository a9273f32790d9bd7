"""What keeps the documents from being safe against the next loss."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx

from architecture.design import Design
from reference_stack import plain_http
from reference_stack.addresses import AddressPlan
from reference_stack.silence import silent

TIMEOUT_S = 2.0


def problems(design: Design, addresses: AddressPlan) -> list[str]:
    """A sentence for each service that does not answer and each node that is without the other."""
    documents = design.documents
    if documents is None:
        return []
    found = []
    for site in design.sites_with("documents"):
        if site not in documents.sites and site != documents.bucket:
            continue
        url = f"{addresses.endpoint(site, 'documents').url}/health"
        try:
            said = plain_http.get(url, timeout=TIMEOUT_S).json()
        except (httpx.HTTPError, ValueError) as error:
            found.append(silent(f"{site}: the document service", error, TIMEOUT_S))
            continue
        found += _complaints(site, said)
    return found


def _complaints(site: str, said: Mapping[str, Any]) -> list[str]:
    pair, rsync = said.get("pair"), said.get("rsync")
    found = []
    if pair in {"degraded", "catching-up"}:
        found.append(f"{site}: the documents are {pair}: one node's loss may take some")
    if rsync is not None:
        found.append(f"{site}: the documents are not copied to the other node: {rsync}")
    return found

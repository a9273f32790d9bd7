"""What keeps the documents from being safe against the next loss."""

from __future__ import annotations

import httpx

from architecture.design import Design
from reference_stack import plain_http
from reference_stack.addresses import AddressPlan

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
        try:
            answer = plain_http.get(
                f"{addresses.endpoint(site, 'documents').url}/health",
                timeout=TIMEOUT_S,
            )  # fmt: skip
            pair = answer.json().get("pair")
        except (httpx.HTTPError, ValueError) as error:
            found.append(f"{site}: the document service does not answer: {error}")
            continue
        if pair in {"degraded", "catching-up"}:
            found.append(f"{site}: the documents are {pair}: one node's loss may take some")
    return found

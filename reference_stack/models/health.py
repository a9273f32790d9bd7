"""What keeps the nodes' models from being whole and the same."""

from __future__ import annotations

import httpx

from architecture.design import Design
from reference_stack import plain_http
from reference_stack.addresses import AddressPlan, Endpoint

TIMEOUT_S = 2.0


def problems(design: Design, addresses: AddressPlan) -> list[str]:
    """What keeps the copies of the model from being whole and equal, in words.

    Nothing without ``inference.model_sync``: then there is one model, not a copy a node.
    """
    if design.inference.model_sync is None:
        return []
    versions = {
        site: serving_version(addresses.endpoint(site, "inference"))
        for site in design.sites_with("inference")
    }
    found = [
        f"{site}: no model serves yet" for site, version in versions.items() if version is None
    ]
    if len(set(versions.values()) - {None}) > 1:
        listed = ", ".join(f"{version} on {site}" for site, version in versions.items())
        found.append(f"the nodes serve different versions of the model: {listed}")
    return found


def serving_version(endpoint: Endpoint, timeout_s: float = TIMEOUT_S) -> str | None:
    """The version of the model that an inference server serves; None when it serves none."""
    try:
        answer = plain_http.get(f"{endpoint.url}/health", timeout=timeout_s)
        document = answer.raise_for_status().json()
    except (httpx.HTTPError, ValueError):
        return None
    version = document.get("model_version")
    return str(version) if version is not None else None

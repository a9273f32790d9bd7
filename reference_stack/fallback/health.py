"""What keeps the emergency site from being ready to take over."""

from __future__ import annotations

import httpx

from architecture.design import Design
from reference_stack import plain_http
from reference_stack.addresses import AddressPlan
from reference_stack.silence import silent

TIMEOUT_S = 2.0


def problems(design: Design, addresses: AddressPlan) -> list[str]:
    """In words; empty when the hospital leads and the controller has seen it alive."""
    if design.fallback is None or design.database.cloud_standby is None:
        return []
    site = design.fallback.site
    try:
        answer = plain_http.get(
            f"{addresses.endpoint(site, 'fallback').url}/status", timeout=TIMEOUT_S
        )
        answer.raise_for_status()
        status = answer.json()
    except (httpx.HTTPError, ValueError) as error:
        return [silent(f"{site}: the fallback controller", error, TIMEOUT_S)]
    found = []
    if status["phase"] != "hospital":
        found.append(f"{site}: the phase of the fallback is {status['phase']}: {status['missing']}")
    if not status["armed"]:
        found.append(f"{site}: the fallback controller has not seen a node alive yet")
    if status["unsalvaged"]:
        names = ", ".join(status["unsalvaged"])
        found.append(f"{site}: {names} may alone hold notes that were not brought over yet")
    return found

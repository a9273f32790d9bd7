"""What keeps monitoring from being whole."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import httpx

from architecture.design import Design
from reference_stack import plain_http
from reference_stack.addresses import AddressPlan, Endpoint

TIMEOUT_S = 2.0


def problems(
    design: Design,
    addresses: AddressPlan,
    *,
    programs: Collection[str] = ("prometheus", "alertmanager"),
    known_off: Collection[str] = (),
) -> list[str]:
    """In words: a part that is not ready, a target that is not up, rules that fail.

    Args:
        design: What should run.
        addresses: Where.
        programs: Which of Prometheus and Alertmanager this machine has; what it lacks is left out.
        known_off: Sites that are known not to run; their targets are not missed.
    """
    found: list[str] = []
    for site in design.sites_with("monitoring"):
        if site in known_off:
            continue
        if "alertmanager" in programs:
            found += _ready(site, "Alertmanager", addresses.endpoint(site, "alertmanager"))
        if "prometheus" in programs:
            prometheus = addresses.endpoint(site, "prometheus")
            not_ready = _ready(site, "Prometheus", prometheus)
            found += not_ready or [
                *_target_problems(prometheus, known_off), *_rule_problems(prometheus)
            ]  # fmt: skip
    return found


def _ready(site: str, what: str, endpoint: Endpoint) -> list[str]:
    try:
        answer = plain_http.get(f"{endpoint.url}/-/ready", timeout=TIMEOUT_S)
    except httpx.HTTPError:
        return [f"{site}: {what} does not answer"]
    return [] if answer.is_success else [f"{site}: {what} is not ready"]


def _target_problems(prometheus: Endpoint, known_off: Collection[str]) -> list[str]:
    data = ask(prometheus, "/api/v1/targets?state=active")
    if data is None:
        return ["Prometheus does not tell its targets"]
    return [
        f"{target['labels']['site']}: Prometheus sees {target['labels']['job']} as "
        f"{target['health']}" + (f" ({target['lastError']})" if target["lastError"] else "")
        for target in data["activeTargets"]
        if target["health"] != "up" and target["labels"]["site"] not in known_off
    ]


def _rule_problems(prometheus: Endpoint) -> list[str]:
    data = ask(prometheus, "/api/v1/rules")
    if data is None:
        return ["Prometheus does not tell its rules"]
    return [
        f"the rule {rule['name']} fails: {rule.get('lastError', '')}"
        for group in data["groups"]
        for rule in group["rules"]
        if rule["health"] == "err"
    ]


def ask(endpoint: Endpoint, path: str) -> Any:
    """``data`` of an answer of Prometheus's API, or None when there is none."""
    try:
        answer = plain_http.get(f"{endpoint.url}{path}", timeout=TIMEOUT_S)
        document = answer.json()
    except (httpx.HTTPError, ValueError):
        return None
    return document.get("data") if document.get("status") == "success" else None

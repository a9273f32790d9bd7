"""The alerts of a running stack: what fires now, and what arrived at the sink."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import httpx
from pydantic import TypeAdapter

from architecture.design import Design
from reference_stack import plain_http
from reference_stack.addresses import AddressPlan
from reference_stack.errors import StackError
from reference_stack.monitoring.health import TIMEOUT_S, ask
from reference_stack.monitoring.sink import ReceivedAlert

_RECEIVED = TypeAdapter(list[ReceivedAlert])


@dataclass(frozen=True)
class ActiveAlert:
    """An alert as Prometheus has it now; ``since`` is when its expression began to hold."""

    name: str
    state: Literal["pending", "firing"]
    since: datetime
    labels: dict[str, str]
    annotations: dict[str, str]

    @property
    def form(self) -> str:
        """``literal`` or ``mended`` for the documents' alerts, else nothing."""
        return self.labels.get("form", "")


def active_alerts(design: Design, addresses: AddressPlan) -> list[ActiveAlert]:
    """Alerts that fire or are about to.

    Raises:
        StackError: when there is no monitoring site, or its Prometheus does not answer.
    """
    site = _monitoring_site(design)
    data = ask(addresses.endpoint(site, "prometheus"), "/api/v1/alerts")
    if data is None:
        raise StackError(f"{site}: Prometheus does not answer")
    return [
        ActiveAlert(
            alert["labels"]["alertname"],
            alert["state"],
            datetime.fromisoformat(alert["activeAt"]),
            alert["labels"],
            alert["annotations"],
        )
        for alert in data["alerts"]
    ]


def received_alerts(design: Design, addresses: AddressPlan) -> list[ReceivedAlert]:
    """Alerts the sink has received, oldest first.

    Raises:
        StackError: when there is no monitoring site, or its sink does not answer.
    """
    site = _monitoring_site(design)
    url = f"{addresses.endpoint(site, 'alert-sink').url}/alerts"
    try:
        answer = plain_http.get(url, timeout=TIMEOUT_S)
        answer.raise_for_status()
    except httpx.HTTPError as error:
        raise StackError(f"{site}: the alert sink does not answer: {error}") from error
    return _RECEIVED.validate_json(json.dumps(answer.json()["alerts"]))


def _monitoring_site(design: Design) -> str:
    sites = design.sites_with("monitoring")
    if not sites:
        raise StackError(f"design {design.name}: no site runs the service 'monitoring'")
    return sites[0]

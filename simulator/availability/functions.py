"""What clinicians can do, which services each thing needs, and how often it is asked for."""

from __future__ import annotations

from dataclasses import dataclass

from architecture.design import Design
from architecture.topology import Service

# A function of the app: every one of its services must be there. `write` also needs what a write
# needs: a second copy where nothing may be held by one node only.
CORE: dict[str, tuple[Service, ...]] = {
    "login": ("api", "database"),
    "read": ("api", "database"),
    "write": ("api", "database"),
}
# Functions a design has when it runs the service.
OPTIONAL: dict[str, Service] = {
    "chat": "inference", "dictation": "speech-to-text", "voice": "text-to-speech",
    "face-login": "face-login", "documents": "documents", "image-analysis": "image-analysis",
    "analytics": "analytics", "search": "search", "reports": "reports",
}  # fmt: skip
WRITES = frozenset({"write", "documents"})
# The function that serves a request, and the one that does when the design lacks the first.
SERVED_BY: dict[str, tuple[str, ...]] = {
    "login": ("login",), "lookup": ("read",), "note": ("write",), "chat": ("chat",),
    "dictation": ("dictation",), "speech": ("voice",), "face-login": ("face-login",),
    "document-upload": ("documents", "write"), "document-read": ("documents", "read"),
    "image-analysis": ("image-analysis",), "search": ("search", "read"),
    "analytics": ("analytics", "read"), "report": ("reports", "read"), "alert": ("read",),
}  # fmt: skip
# What of it the emergency mode's functions (B-14) serve.
EMERGENCY_REQUESTS: dict[str, tuple[str, ...]] = {
    "basic-chat": ("chat",), "emergency-lookup": ("login", "lookup"), "critical-alerts": ("alert",),
}  # fmt: skip


@dataclass(frozen=True)
class Functions:
    """A design's functions and its users' demand for them.

    Attributes:
        needs: The services behind each function.
        demand: Share of all requests that each function serves; sums to 1.
        emergency_demand: Share of all requests that the emergency mode serves, to the users it
            has room for.
    """

    needs: dict[str, tuple[Service, ...]]
    demand: dict[str, float]
    emergency_demand: float


def functions_of(design: Design) -> Functions:
    """The functions of a design, from its services and its workload."""
    running = {service for site in design.sites.values() for service in site.services}
    needs = dict(CORE)
    for name, service in OPTIONAL.items():
        if service in running:
            needs[name] = ("api", service)
    chat = design.workload.demands.get("chat")
    if "chat" in needs and (chat is None or chat.needs_database):
        needs["chat"] = ("api", "database", "inference")
    mix = request_mix(design)
    demand: dict[str, float] = {}
    for request, share in mix.items():
        name = next((name for name in SERVED_BY.get(request, ()) if name in needs), "read")
        demand[name] = demand.get(name, 0.0) + share
    kept = design.emergency.functions if design.emergency is not None else ()
    served = {request for name in kept for request in EMERGENCY_REQUESTS.get(name, ())}
    return Functions(needs, demand, sum(share for name, share in mix.items() if name in served))


def request_mix(design: Design) -> dict[str, float]:
    """Share of each request in a round of the users' journeys; logging in once does not count."""
    counts: dict[str, float] = {}
    whole = sum(journey.weight for journey in design.workload.journeys.values())
    for journey in design.workload.journeys.values():
        for step in journey.steps:
            if not step.once:
                share = journey.weight / whole * step.probability
                counts[step.request] = counts.get(step.request, 0.0) + share
    total = sum(counts.values())
    if total == 0:  # journeys that only log in
        return {"login": 1.0}
    return {request: count / total for request, count in counts.items()}

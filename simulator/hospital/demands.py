"""Variates of the work each operation causes, and what an emergency changes of it."""

from __future__ import annotations

from architecture.design import Design
from architecture.services import Emergency
from architecture.workload import Demand, RequestName
from simulator.streams import Streams, Variate

# What B-14's functions are in requests. Notes belong to them because B-15 gives the emergency
# "read and write".
EMERGENCY_REQUESTS: dict[str, tuple[RequestName, ...]] = {
    "basic-chat": ("chat",),
    "emergency-lookup": ("lookup", "note"),
    "critical-alerts": ("alert",),
}


class DemandVariates:
    """The distributions of one operation's demand as streams of numbers."""

    def __init__(self, demand: Demand, operation: RequestName, streams: Streams) -> None:
        self.demand = demand
        self.cpu_s = streams.variate(f"cpu.{operation}", demand.cpu_s)
        self.database_s = streams.variate(f"database.{operation}", demand.database_s)
        optional = {
            "prompt": demand.prompt_tokens, "answer": demand.answer_tokens,
            "upload": demand.upload_bytes, "download": demand.download_bytes,
            "service": demand.service_cpu_s, "cloud": demand.cloud_cpu_s,
        }  # fmt: skip
        self._optional: dict[str, Variate] = {
            name: streams.variate(f"{name}.{operation}", distribution)
            for name, distribution in optional.items()
            if distribution is not None
        }
        self.companions: dict[str, Variate] = {
            name: streams.variate(f"companion.{name}.{operation}", distribution)
            for name, distribution in demand.companions.items()
        }

    def optional(self, name: str) -> Variate | None:
        """The variate of prompt, answer, upload, download, service or cloud, if there is one."""
        return self._optional.get(name)


def demand_variates(design: Design, streams: Streams) -> dict[RequestName, DemandVariates]:
    """By operation; each has streams of its own, whatever else the design demands."""
    return {
        operation: DemandVariates(demand, operation, streams)
        for operation, demand in design.workload.demands.items()
    }


def emergency_operations(design: Design, emergency: Emergency) -> frozenset[RequestName]:
    """Requests the emergency answers; the rest are declined (B-14, B-17)."""
    allowed: set[RequestName] = {"login", "face-login"}
    for function in emergency.functions:
        allowed |= set(EMERGENCY_REQUESTS.get(function, ()))
    speech = design.companions.get("speech-to-text")
    if speech is not None and emergency.site in speech.sites:
        allowed.add("dictation")
    return frozenset(allowed & (set(design.workload.demands) | {"login"}))

"""How much of each machine's memory and bandwidth is used (D-12, D-17)."""

from __future__ import annotations

from architecture import catalogue
from architecture.design import Design
from architecture.values import Range
from simulator.hospital.plant import Plant

SYSTEM_BYTES = Range(
    low=3e9, typical=6e9, high=10e9,
    source="operating system, container virtual machine and file caches it needs; estimate",
)  # fmt: skip
WORKER_BYTES = Range(
    low=80e6, typical=150e6, high=300e6,
    source="one API process of the reference stack; engineering estimate",
)  # fmt: skip
DATABASE_BYTES = Range(
    low=1e9, typical=8e9, high=50e9,
    source="records of 200 clinicians' patients that are read often, held in PostgreSQL's and the "
    "system's cache; engineering estimate",
)  # fmt: skip
CACHE_BYTES = Range(
    low=0.05e9, typical=0.2e9, high=1e9, source="sessions and look-ups in Redis; estimate"
)


def machine_use(design: Design, plant: Plant, duration_s: float) -> dict[str, dict[str, float]]:
    """By site: bytes of weights, attention caches at their most, database and everything else.

    ``memory_share`` is of the machine's memory; ``bandwidth_share`` is what the language model's
    decoding reads (weights once a step, each sequence's cache) of the bandwidth the maker states,
    averaged over ``duration_s``. Sites whose memory is not known have no shares.
    """
    return {
        site: figures
        for site in design.sites
        if (figures := _site_use(design, plant, site, duration_s))
    }


def _site_use(design: Design, plant: Plant, site: str, duration_s: float) -> dict[str, float]:
    services = design.sites[site].services
    weights = _weights(design, site)
    if not weights and not {"api", "database", "cache"} & set(services):
        return {}
    server = plant.models().get(site)
    language = catalogue.model(design.inference.model)
    kv = language.kv_bytes_per_token
    cached = server.most_cached * kv.typical if server is not None and kv is not None else 0.0
    found = {
        "weight_bytes": weights,
        "attention_cache_bytes": cached,
        "database_bytes": DATABASE_BYTES.typical if "database" in services else 0.0,
        "redis_bytes": CACHE_BYTES.typical if "cache" in services else 0.0,
        "api_bytes": design.api.workers * WORKER_BYTES.typical if "api" in services else 0.0,
        "system_bytes": SYSTEM_BYTES.typical,
    }
    machine = catalogue.hardware(design.sites[site].hardware)
    if machine.memory_bytes is not None:
        found["memory_share"] = sum(found.values()) / machine.memory_bytes
    bandwidth = machine.memory_bandwidth_bytes_s
    streamed = language.streamed_bytes or language.weight_bytes
    if server is not None and bandwidth is not None and streamed is not None:
        read = (server.decode_steps + server.prefill_steps) * streamed.typical
        read += server.context_steps * (kv.typical if kv is not None else 0.0)
        total_s = max(plant.env.now, duration_s)
        found["bandwidth_share"] = read / total_s / bandwidth.high
    return found


def _weights(design: Design, site: str) -> float:
    names = [c.model for c in design.companions.values() if site in c.sites]
    if "inference" in design.sites[site].services:
        names.append(design.inference.model)
    figures = [catalogue.model(name).weight_bytes for name in names]
    return sum(figure.typical for figure in figures if figure is not None)

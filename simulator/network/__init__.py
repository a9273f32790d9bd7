"""Any network of stations: built from a YAML file, replicated, and summed up."""

from simulator.network.load import offered_load
from simulator.network.recording import record_network
from simulator.network.replication import NetworkTask
from simulator.network.result import NetworkResult
from simulator.network.simulate import automatic_warmup_s, simulate_network

__all__ = [
    "NetworkResult",
    "NetworkTask",
    "automatic_warmup_s",
    "offered_load",
    "record_network",
    "simulate_network",
]

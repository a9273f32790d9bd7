"""Replications on all cores or on a cluster: deterministic, resumable, and precise when asked."""

from simulator.replications.code_version import code_version
from simulator.replications.engine import Request, compute
from simulator.replications.progress import Tell, progress_bar
from simulator.replications.replicate import Replications, replicate, replicate_all
from simulator.replications.store import Store, StoreError
from simulator.replications.task import (
    Metrics,
    ReplicationError,
    Task,
    UnknownMetricError,
    WorkerLostError,
    run_one,
)

__all__ = [
    "Metrics",
    "ReplicationError",
    "Replications",
    "Request",
    "Store",
    "StoreError",
    "Task",
    "Tell",
    "UnknownMetricError",
    "WorkerLostError",
    "code_version",
    "compute",
    "progress_bar",
    "replicate",
    "replicate_all",
    "run_one",
]

"""Exact answers of queueing theory: what the simulator is tested against, for users too.

All times are seconds, all rates per second. A load that has no steady state is a ``ValueError``.
"""

from simulator.theory.bulk import bulk_service
from simulator.theory.closed import ClosedAnswer, ClosedStation, closed_network
from simulator.theory.jackson import OpenAnswer, OpenStation, jackson, traffic
from simulator.theory.markov import erlang_a, erlang_b, erlang_c, mm1, mmc, mmck
from simulator.theory.priority import (
    non_preemptive,
    non_preemptive_servers,
    preemptive_resume,
)
from simulator.theory.queue import QueueAnswer
from simulator.theory.single_server import mg1, mg1_ps

__all__ = [
    "ClosedAnswer",
    "ClosedStation",
    "OpenAnswer",
    "OpenStation",
    "QueueAnswer",
    "bulk_service",
    "closed_network",
    "erlang_a",
    "erlang_b",
    "erlang_c",
    "jackson",
    "mg1",
    "mg1_ps",
    "mm1",
    "mmc",
    "mmck",
    "non_preemptive",
    "non_preemptive_servers",
    "preemptive_resume",
    "traffic",
]

"""The hospital's capacity model: clinicians, the design's stations, faults, and what comes out."""

from simulator.hospital.capacity import A_DAY, Scenario, run_replication, simulate
from simulator.hospital.faults import ScheduledFault, parse_fault
from simulator.hospital.requests import ConservationError
from simulator.hospital.result import CapacityResult, Replication, result_of

__all__ = [
    "A_DAY",
    "CapacityResult",
    "ConservationError",
    "Replication",
    "Scenario",
    "ScheduledFault",
    "parse_fault",
    "result_of",
    "run_replication",
    "simulate",
]

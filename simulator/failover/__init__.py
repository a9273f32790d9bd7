"""Failover: its terms, their worst case in closed form, and their distribution by simulation."""

from simulator.failover.bound import failover_bound_s
from simulator.failover.circumstances import Circumstances, draw_circumstances
from simulator.failover.course import recover
from simulator.failover.faults import FAULTS, FaultName, faults_of
from simulator.failover.term_bounds import term_bounds_s
from simulator.failover.terms import TermTimes, notes, resolve
from simulator.failover.trials import failover_samples

__all__ = [
    "FAULTS",
    "Circumstances",
    "FaultName",
    "TermTimes",
    "draw_circumstances",
    "failover_bound_s",
    "failover_samples",
    "faults_of",
    "notes",
    "recover",
    "resolve",
    "term_bounds_s",
]

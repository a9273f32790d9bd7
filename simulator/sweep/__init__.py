"""Sweeps over any keys of a design, and designs compared pair by pair."""

from simulator.sweep.availability import AvailabilityTarget, AvailabilityTask
from simulator.sweep.capacity import CapacityTarget, CapacityTask
from simulator.sweep.comparison import compare, compare_with_base
from simulator.sweep.failover import FailoverTarget, FailoverTask
from simulator.sweep.points import Point, grid, points, sobol, whole_numbers
from simulator.sweep.recording import record_sweep
from simulator.sweep.run import PointResult, SweepResult, Work, replicate_designs, sweep
from simulator.sweep.targets import FunctionTarget, Observation, Target
from simulator.sweep.vary import Levels, Span, parse_vary

__all__ = [
    "AvailabilityTarget",
    "AvailabilityTask",
    "CapacityTarget",
    "CapacityTask",
    "FailoverTarget",
    "FailoverTask",
    "FunctionTarget",
    "Levels",
    "Observation",
    "Point",
    "PointResult",
    "Span",
    "SweepResult",
    "Target",
    "Work",
    "compare",
    "compare_with_base",
    "grid",
    "parse_vary",
    "points",
    "record_sweep",
    "replicate_designs",
    "sobol",
    "sweep",
    "whole_numbers",
]

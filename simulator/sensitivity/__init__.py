"""Sensitivity: which uncertain input matters, and how much of the spread is chance."""

from simulator.sensitivity.indices import Indices, saltelli_shares, sobol_indices
from simulator.sensitivity.inputs import (
    FixedStreams,
    RecordingStreams,
    quantile,
    uncertain_inputs,
)
from simulator.sensitivity.recording import record_sensitivity
from simulator.sensitivity.run import MetricSensitivity, Plan, Sensitivity, sensitivity
from simulator.sensitivity.variance import TotalVariance, total_variance

__all__ = [
    "FixedStreams",
    "Indices",
    "MetricSensitivity",
    "Plan",
    "RecordingStreams",
    "Sensitivity",
    "TotalVariance",
    "quantile",
    "record_sensitivity",
    "saltelli_shares",
    "sensitivity",
    "sobol_indices",
    "total_variance",
    "uncertain_inputs",
]

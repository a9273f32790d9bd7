"""Floor 2: models of capacity and failover. Reads designs and catalogues; runs nothing real."""

from simulator.calibration import (
    CalibrationError,
    calibrated_step_times,
    fit_step_times,
    record_calibration,
)
from simulator.failover.bound import failover_bound_s
from simulator.failover.trials import failover_samples
from simulator.figures import Figures, figures_for
from simulator.hospital import CapacityResult, simulate
from simulator.prediction import Prediction, predict, record
from simulator.step_times import StepTimes, StepTimesRange, between, exactly

__all__ = [
    "CalibrationError",
    "CapacityResult",
    "Figures",
    "Prediction",
    "StepTimes",
    "StepTimesRange",
    "between",
    "calibrated_step_times",
    "exactly",
    "failover_bound_s",
    "failover_samples",
    "figures_for",
    "fit_step_times",
    "predict",
    "record",
    "record_calibration",
    "simulate",
]

"""Figures the simulator's tests share."""

from __future__ import annotations

from architecture import Design
from architecture.values import Constant, Range
from simulator import Figures, StepTimes, exactly


def known(value: float) -> Range:
    """A figure without uncertainty."""
    return Range(low=value, typical=value, high=value, source="set by the test")


STEPS = exactly(
    StepTimes(
        prefill_base_s=0.02,
        prefill_per_token_s=0.001,
        decode_base_s=0.03,
        decode_per_sequence_s=0.002,
    ),
    source="set by the test",
)


def certain_figures(design: Design) -> Figures:
    """Figures without any uncertainty, and so many cores that none is waited for."""
    return Figures(
        cores={site.hardware: 64 for site in design.sites.values()},
        step_times=STEPS,
        flush_s=known(0.002),
        flush_spread=Constant(kind="constant", value=1.0),
        demand_scale=known(1.0),
    )

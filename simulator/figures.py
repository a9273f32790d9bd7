"""What the simulator needs to know of the hardware, beside the design."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from architecture import catalogue
from architecture.design import Design
from architecture.errors import InputError
from architecture.values import Distribution, Lognormal, NonNegative, Positive, Range, Strict
from simulator.flush_times import FlushTimes
from simulator.step_times import ALL_FIELDS, StepTimesRange

THIS_MACHINE = "this-machine"

FLUSH = Range(
    low=0.0003,
    typical=0.002,
    high=0.010,
    source="one fsync of a write-ahead log on a solid-state disk; engineering estimate",
)


# Commits of the reference stack with its synchronous standby, one after another: the middle half
# between 3.4 and 7.4 ms on a shared machine.
FLUSH_SPREAD = Lognormal(kind="lognormal", mean=1.0, cv=0.7)


DEMAND_SCALE = Range(
    low=0.5,
    typical=1.0,
    high=2.0,
    source="the demands were taken on another machine and version; engineering estimate",
)


class SharedMachine(Strict):
    """What runs on this machine beside the sites when a design uses `this-machine`."""

    background_cores: NonNegative = Field(
        default=0.2, description="the idle stack with its monitoring: 18 % of a core was measured"
    )
    client_cpu_s: NonNegative = Field(
        default=0.002,
        description="load generator's processor time up to an answer's stamp; 4 ms a request were "
        "measured in all, TLS and records included, of which half is taken to come before it",
    )


class Figures(Strict):
    """Speeds of the design's hardware.

    ``cores`` is by hardware name; ``step_times`` are those of the design's language model on the
    hardware of its active site; ``flush_s`` is one flush of the database's log on average, a single
    commit takes ``flush_spread`` (mean 1) times as long; the processor times of the workload's
    demands are multiplied by ``demand_scale``.
    """

    cores: Mapping[str, Positive]
    step_times: StepTimesRange
    flush_s: Range = FLUSH
    flush_spread: Distribution = FLUSH_SPREAD
    demand_scale: Range = DEMAND_SCALE
    shared: SharedMachine = SharedMachine()
    elsewhere: Mapping[str, StepTimesRange] = Field(
        default_factory=dict, description="step times on the other hardware that runs the model"
    )


def figures_for(
    design: Design, *, step_times: StepTimesRange | None = None,
    flush_times: FlushTimes | None = None,
) -> Figures:  # fmt: skip
    """Figures from the hardware catalogue; measured ``step_times`` replace the catalogue's.

    ``flush_times`` are those of the disk that the design's databases write to; the estimate
    :data:`FLUSH` when left out.

    Raises:
        InputError: when the catalogue lacks a hardware, or the model's speed on it.
    """
    sites = design.sites_with("inference")
    machines = {design.sites[site].hardware for site in sites[1:]} - {
        design.sites[sites[0]].hardware
    }
    known = {
        hardware: step_times_on(design.inference.model, hardware) for hardware in sorted(machines)
    }
    return Figures(
        cores={
            site.hardware: catalogue.hardware(site.hardware).processors
            for site in design.sites.values()
        },
        step_times=step_times or known_step_times(design),
        flush_s=FLUSH if flush_times is None else flush_times.mean_s,
        flush_spread=FLUSH_SPREAD if flush_times is None else flush_times.spread,
        elsewhere={hardware: steps for hardware, steps in known.items() if steps is not None},
    )


def known_step_times(design: Design) -> StepTimesRange:
    """The catalogue's step times of the design's language model where it serves first.

    Raises:
        InputError: when the catalogue has none for this model on this hardware.
    """
    model = design.inference.model
    hardware = design.sites[design.sites_with("inference")[0]].hardware
    found = step_times_on(model, hardware)
    if found is None:
        raise InputError(
            f"nothing is known of the speed of '{model}' on '{hardware}'; "
            "calibrate, or add the pair to the performance catalogue",
            where=f"design {design.name}", key="inference.model",
        )  # fmt: skip
    return found


def step_times_on(model: str, hardware: str) -> StepTimesRange | None:
    """The catalogue's step times of a model on a machine; None when it has none.

    Raises:
        InputError: when the catalogue has no such model or machine.
    """
    found = catalogue.performance(model, hardware)
    if found is None:
        return None
    known = {field: getattr(found, field) for field in ALL_FIELDS}
    return StepTimesRange(
        **{field: figure for field, figure in known.items() if figure is not None}
    )

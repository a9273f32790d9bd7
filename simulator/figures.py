"""What the simulator needs to know of the hardware, beside the design."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from architecture import catalogue
from architecture.design import Design
from architecture.errors import InputError
from architecture.values import NonNegative, Positive, Range, Strict
from simulator.step_times import ALL_FIELDS, StepTimesRange

THIS_MACHINE = "this-machine"

FLUSH = Range(
    low=0.0003,
    typical=0.002,
    high=0.010,
    source="one fsync of a write-ahead log on a solid-state disk; engineering estimate",
)


DEMAND_SCALE = Range(
    low=0.5,
    typical=1.0,
    high=2.0,
    source="the demands were taken on another machine and version; engineering estimate",
)


class SharedMachine(Strict):
    """What runs on this machine beside the sites when a design uses `this-machine`."""

    background_cores: NonNegative = Field(
        default=0.1, description="the idle stack: 10 % of a core was measured for 54 processes"
    )
    client_cpu_s: NonNegative = Field(
        default=0.001, description="load generator's processor time a request; an estimate"
    )


class Figures(Strict):
    """Speeds of the design's hardware.

    ``cores`` is by hardware name; ``step_times`` are those of the design's language model on the
    hardware of its active site; ``flush_s`` is one flush of the database's log; the processor times
    of the workload's demands are multiplied by ``demand_scale``.
    """

    cores: Mapping[str, Positive]
    step_times: StepTimesRange
    flush_s: Range = FLUSH
    demand_scale: Range = DEMAND_SCALE
    shared: SharedMachine = SharedMachine()
    elsewhere: Mapping[str, StepTimesRange] = Field(
        default_factory=dict, description="step times on the other hardware that runs the model"
    )


def figures_for(design: Design, *, step_times: StepTimesRange | None = None) -> Figures:
    """Figures from the hardware catalogue; measured ``step_times`` replace the catalogue's.

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

"""The roofline: step times of a language model on a machine nobody has measured it on."""

from __future__ import annotations

from architecture import catalogue
from architecture.catalogue import Efficiency, Hardware, Model
from architecture.errors import InputError
from architecture.values import Range
from simulator.step_times import StepTimesRange

# A multiplication and an addition for each parameter and token.
OPERATIONS_A_PARAMETER = 2.0


def roofline(model: Model, hardware: Hardware, efficiency: Efficiency) -> StepTimesRange:
    """Step times from sizes and peaks (Williams, Waterman & Patterson, Roofline, 2009).

    - decoding one step reads the weights, and each sequence's attention cache:
      ``overhead + (streamed bytes + context · cache bytes a token) / (share · bandwidth)``;
      each sequence costs the operations of one token, unless they hide behind the reading (so the
      low end is nothing);
    - reading a prompt computes: ``overhead + n · 2 · parameters / (share · operations a second)``.

    With Llama 3.1 8B on an M4 (4.92 GB, 120 GB/s) the typical shares give 0.5 ms + 4.92 / (0.62 ·
    120) = 66.6 ms a step; 47.8 were measured. The ends of each range come from the ends of size,
    peak and share, and are wide for that reason.

    Raises:
        InputError: naming what the catalogue lacks of model or machine.
    """
    parameters = model.compute_parameters or model.parameters
    streamed = model.streamed_bytes or model.weight_bytes
    bandwidth, flops = hardware.memory_bandwidth_bytes_s, hardware.peak_flops
    if parameters is None or streamed is None or bandwidth is None or flops is None:
        raise InputError(
            f"the roofline of {model.title} on {hardware.title} needs the model's parameters and "
            "weight_bytes and the machine's memory_bandwidth_bytes_s and peak_flops",
            where="the catalogue",
        )
    # The shares are of what the maker states, which is the range's upper end.
    stated = bandwidth.high
    share = efficiency.bandwidth_share
    reading = _quotient(streamed, _times(share, stated))
    computing = _quotient(_times(parameters, OPERATIONS_A_PARAMETER), efficiency.compute_share)
    per_token = _quotient(computing, flops)
    cache = model.kv_bytes_per_token
    per_context = None if cache is None else _quotient(cache, _times(share, stated))
    source = f"roofline: {model.title} on {hardware.title}, shares of the performance catalogue"
    overhead = efficiency.step_overhead_s
    found = StepTimesRange(
        prefill_base_s=_named(efficiency.prefill_overhead_s, source),
        prefill_per_token_s=_named(per_token, source),
        decode_base_s=Range(
            low=overhead.low + reading.low,
            typical=overhead.typical + reading.typical,
            high=overhead.high + reading.high,
            source=source,
        ),
        decode_per_sequence_s=Range(
            low=0.0, typical=per_token.typical, high=per_token.high, source=source
        ),
    )
    if per_context is None:
        return found
    return found.model_copy(update={"decode_per_context_token_s": _named(per_context, source)})


def extrapolated(model: str, hardware: str) -> StepTimesRange:
    """The roofline of two catalogue entries with the catalogue's shares.

    Raises:
        InputError: when an entry is missing or lacks a figure.
    """
    return roofline(catalogue.model(model), catalogue.hardware(hardware), catalogue.efficiency())


def _named(figure: Range, source: str) -> Range:
    return Range(low=figure.low, typical=figure.typical, high=figure.high, source=source)


def _times(figure: Range, factor: float) -> Range:
    return Range(
        low=figure.low * factor, typical=figure.typical * factor, high=figure.high * factor,
        source=figure.source,
    )  # fmt: skip


def _quotient(above: Range, below: Range) -> Range:
    return Range(
        low=above.low / below.high, typical=above.typical / below.typical,
        high=above.high / below.low, source=above.source,
    )  # fmt: skip

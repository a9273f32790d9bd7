"""The roofline against what was published or measured."""

from __future__ import annotations

import itertools

import pytest

from architecture import catalogue
from architecture.errors import InputError
from architecture.values import Range
from simulator.hospital.companions import companion_range
from simulator.hospital.roofline import extrapolated, roofline

PUBLISHED = [
    (model, hardware)
    for model, hardware in itertools.product(
        ("medgemma-4b-4bit", "llama-3.2-1b-4bit"),
        ("mac-studio-m3-ultra", "mac-mini-m4", "mac-mini-m4-pro"),
    )
    if catalogue.performance(model, hardware) is not None
]


@pytest.mark.parametrize(("model", "hardware"), PUBLISHED)
def test_a_catalogue_row_lies_within_the_rooflines_range(model: str, hardware: str) -> None:
    row, roof = catalogue.performance(model, hardware), extrapolated(model, hardware)
    assert row is not None
    low = roof.decode_base_s.low + roof.decode_per_sequence_s.low
    high = roof.decode_base_s.high + roof.decode_per_sequence_s.high
    assert low <= row.decode_step_s(1) <= high
    reading = roof.prefill_per_token_s
    assert reading.low <= row.prefill_per_token_s.typical <= reading.high


@pytest.mark.parametrize(("model", "hardware"), PUBLISHED)
def test_its_typical_values_are_within_a_factor_of_two(model: str, hardware: str) -> None:
    row, roof = catalogue.performance(model, hardware), extrapolated(model, hardware).typical
    assert row is not None
    assert 0.5 < roof.decode_s(1, 300) / row.decode_step_s(1) < 2
    assert 0.5 < roof.prefill_s(600) / row.prefill_s(600) < 2


@pytest.mark.parametrize(
    ("weight_bytes", "parameters", "tokens_per_s"), [(2.02e9, 3.2e9, 41.0), (4.92e9, 8.0e9, 20.9)]
)
def test_the_measured_decode_rates_of_a_mac_mini_lie_in_its_range(
    weight_bytes: float, parameters: float, tokens_per_s: float
) -> None:
    """Llama 3.2 3B and 3.1 8B on a Mac mini M4 (J. Geerling, November 2024)."""

    def exactly(value: float) -> Range:
        return Range(low=value, typical=value, high=value, source="the measurement's own model")

    llama = catalogue.Model(
        title="Llama", kind="language", parameters=exactly(parameters),
        weight_bytes=exactly(weight_bytes),
    )  # fmt: skip
    roof = roofline(llama, catalogue.hardware("mac-mini-m4"), catalogue.efficiency())
    low = roof.decode_base_s.low + roof.decode_per_sequence_s.low
    high = roof.decode_base_s.high + roof.decode_per_sequence_s.high
    assert low <= 1 / tokens_per_s <= high


def test_more_bandwidth_and_more_cores_are_never_slower() -> None:
    order = ("mac-mini-m4", "mac-mini-m4-pro", "mac-studio-m4-max", "mac-studio-m3-ultra")
    roofs = [extrapolated("medgemma-4b-4bit", hardware).typical for hardware in order]
    for slower, faster in itertools.pairwise(roofs):
        assert faster.decode_s(8, 4000) < slower.decode_s(8, 4000)
        assert faster.prefill_s(600) < slower.prefill_s(600)


def test_a_machine_without_figures_is_refused_by_name() -> None:
    with pytest.raises(InputError, match="peak_flops"):
        extrapolated("medgemma-4b-4bit", "edge-appliance")


def test_a_companion_is_scaled_from_a_machine_it_is_known_on() -> None:
    known = companion_range("whisper-large-v3", "mac-studio-m3-ultra").window_s
    scaled = companion_range("whisper-large-v3", "mac-studio-m4-max").window_s
    assert known is not None
    assert scaled is not None
    assert scaled.typical > known.typical
    assert "by peak operations" in scaled.source


def test_a_companion_nobody_has_timed_is_refused_by_name() -> None:
    with pytest.raises(InputError, match=r"facenet.*edge-appliance"):
        companion_range("facenet", "edge-appliance")

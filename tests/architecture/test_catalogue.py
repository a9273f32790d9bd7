"""The catalogue's figures agree with the documents, with each other and with what was measured."""

from __future__ import annotations

import os
from collections.abc import Callable
from itertools import product

import numpy as np
import pytest

from architecture import InputError
from architecture.catalogue import (
    Performance,
    Transcription,
    hardware,
    hardware_names,
    model,
    model_names,
    performance,
    transcription,
)
from architecture.values import Level

GIB = 2**30
LEVELS: tuple[Level, ...] = ("low", "typical", "high")

PAIRS = list(product(model_names(), hardware_names()))
LANGUAGE: list[Performance] = [p for p in (performance(*pair) for pair in PAIRS) if p is not None]
SPEECH: list[Transcription] = [t for t in (transcription(*pair) for pair in PAIRS) if t is not None]


def speed(model_name: str, hardware_name: str) -> Performance:
    found = performance(model_name, hardware_name)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("name", "cpu_cores", "gpu_cores", "memory_gib"),
    [("mac-mini-m4", 10, 10, 24), ("mac-studio-m3-ultra", 32, 80, 512)],
)
def test_the_machines_are_those_of_the_documents(
    name: str, cpu_cores: int, gpu_cores: int, memory_gib: int
) -> None:
    machine = hardware(name)
    assert (machine.cpu_cores, machine.gpu_cores) == (cpu_cores, gpu_cores)
    assert machine.memory_bytes == memory_gib * GIB


def test_an_m4_pro_has_a_memory_it_was_sold_with_and_says_so() -> None:
    machine = hardware("mac-mini-m4-pro")
    assert machine.memory_bytes in {24 * GIB, 48 * GIB, 64 * GIB}
    assert "D-18" in machine.notes


def test_whisper_small_has_244_million_parameters_not_bytes() -> None:
    small = model("whisper-small")
    assert small.parameters is not None
    assert small.weight_bytes is not None
    assert small.parameters.typical == 244e6
    assert small.weight_bytes.typical == 2 * 244e6


def test_this_machine_has_the_processors_it_has() -> None:
    assert hardware("this-machine").cpu_cores is None
    assert hardware("this-machine").processors == os.cpu_count()
    assert hardware("mac-mini-m4").processors == 10


def test_the_emergency_hardware_is_offered_outside_brazil_only() -> None:
    assert hardware("gcp-emergency").regions == ("us-central2",)


@pytest.mark.parametrize(("batch", "tokens_per_s"), [(1, 6.6), (4, 21.0), (8, 34.0), (16, 45.0)])
def test_the_measured_decode_rates_of_this_machine_are_met(batch: int, tokens_per_s: float) -> None:
    figures = speed("smollm2-135m", "this-machine")
    assert batch / figures.decode_step_s(batch) == pytest.approx(tokens_per_s, rel=0.04)
    assert figures.decode_step_s(batch, "low") <= batch / tokens_per_s
    assert figures.decode_step_s(batch, "high") >= 2 * batch / tokens_per_s * 0.98


def test_the_decode_figures_are_the_least_squares_fit_of_the_measurement() -> None:
    batch = np.array([1, 4, 8, 16])
    slope, intercept = np.polyfit(batch, batch / np.array([6.6, 21, 34, 45]), 1)
    figures = speed("smollm2-135m", "this-machine")
    assert figures.decode_base_s.typical == pytest.approx(intercept, rel=0.01)
    assert figures.decode_per_sequence_s.typical == pytest.approx(slope, rel=0.01)


@pytest.mark.parametrize(("tokens", "first_token_s"), [(512, 0.262), (2048, 0.966)])
def test_the_published_first_token_of_an_m3_ultra_lies_in_its_range(
    tokens: int, first_token_s: float
) -> None:
    figures = speed("medgemma-4b-4bit", "mac-studio-m3-ultra")
    assert figures.prefill_s(tokens, "low") < first_token_s < figures.prefill_s(tokens, "high")


@pytest.mark.parametrize("tokens_per_s", [141.2, 152.5])
def test_the_published_decode_rate_of_an_m3_ultra_lies_in_its_range(tokens_per_s: float) -> None:
    figures = speed("medgemma-4b-4bit", "mac-studio-m3-ultra")
    assert figures.decode_step_s(1, "low") < 1 / tokens_per_s < figures.decode_step_s(1, "high")
    assert figures.decode_step_s(1) == pytest.approx(1 / tokens_per_s, rel=0.06)


@pytest.mark.parametrize("figures", LANGUAGE, ids=lambda p: f"{p.model} on {p.hardware}")
def test_a_bigger_batch_takes_longer_a_step_and_gives_more_tokens(figures: Performance) -> None:
    for level in LEVELS:
        steps = [figures.decode_step_s(batch, level) for batch in range(1, 65)]
        rates = [batch / step for batch, step in zip(range(1, 65), steps, strict=True)]
        assert steps == sorted(steps)
        assert rates == sorted(rates)


@pytest.mark.parametrize("figures", LANGUAGE, ids=lambda p: f"{p.model} on {p.hardware}")
def test_decoding_is_not_faster_than_reading_the_weights(figures: Performance) -> None:
    weights = model(figures.model).weight_bytes
    bandwidth = hardware(figures.hardware).memory_bandwidth_bytes_s
    assert weights is not None
    if bandwidth is not None:
        assert figures.decode_step_s(1, "low") > weights.low / bandwidth.high


@pytest.mark.parametrize("model_name", ["medgemma-4b-4bit", "llama-3.2-1b-4bit"])
def test_a_mac_studio_is_faster_than_a_mac_mini(model_name: str) -> None:
    studio, mini = speed(model_name, "mac-studio-m3-ultra"), speed(model_name, "mac-mini-m4")
    for level in LEVELS:
        assert studio.prefill_s(600, level) < mini.prefill_s(600, level)
        assert studio.decode_step_s(8, level) < mini.decode_step_s(8, level)


@pytest.mark.parametrize("figures", SPEECH, ids=lambda t: f"{t.model} on {t.hardware}")
def test_a_clip_costs_whole_windows_of_thirty_seconds(figures: Transcription) -> None:
    assert figures.transcribe_s(3) == figures.transcribe_s(30) == figures.window_s.typical
    assert figures.transcribe_s(31) == 2 * figures.window_s.typical


def test_a_pair_without_a_figure_has_no_performance() -> None:
    assert performance("medgemma-4b-4bit", "this-machine") is None
    assert performance("whisper-small", "mac-mini-m4") is None
    assert transcription("llama-3.2-1b-4bit", "mac-mini-m4") is None


@pytest.mark.parametrize(
    ("file", "ask"),
    [
        ("hardware.yaml", lambda: hardware("abacus")),
        ("models.yaml", lambda: model("eliza")),
        ("models.yaml", lambda: performance("eliza", "mac-mini-m4")),
        ("hardware.yaml", lambda: performance("facenet", "abacus")),
        ("hardware.yaml", lambda: transcription("whisper-small", "abacus")),
    ],
)
def test_an_unknown_name_is_refused_with_file_key_and_the_names_there_are(
    file: str, ask: Callable[[], object]
) -> None:
    with pytest.raises(InputError) as caught:
        ask()
    error = caught.value
    assert error.where.endswith(file)
    assert error.key in {"hardware", "models"}
    assert set(error.allowed.split(", ")) in ({*hardware_names()}, {*model_names()})

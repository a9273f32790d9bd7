"""Where speech is cut."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reference_stack.speech.audio import RATE
from reference_stack.speech.windows import WINDOW_S, silent, trailing_silence_s, windows


def noise(seconds: float, level: float = 0.1, seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    return (random.normal(size=round(seconds * RATE)) * level).astype(np.float32)


@settings(max_examples=20)
@given(seconds=st.floats(0, 130), seed=st.integers(0, 5))
def test_windows_are_the_whole_clip_in_order_and_fit_whisper(seconds: float, seed: int) -> None:
    clip = noise(seconds, seed=seed)
    parts = windows(clip)
    joined = np.concatenate([part.samples for part in parts]) if parts else clip[:0]
    assert np.array_equal(joined, clip)
    assert all(0 < part.duration_s <= WINDOW_S for part in parts)
    assert all(part.duration_s >= 20 for part in parts[:-1])
    starts = [part.start_s for part in parts]
    assert starts == pytest.approx(np.cumsum([0, *[p.duration_s for p in parts]])[:-1].tolist())


@pytest.mark.parametrize("pause_at_s", [21.0, 24.5, 28.0])
def test_a_long_clip_is_cut_in_its_pause(pause_at_s: float) -> None:
    clip = noise(50)
    first, length = round(pause_at_s * RATE), round(0.4 * RATE)
    clip[first : first + length] *= 0.01
    cut_s = windows(clip)[0].duration_s
    assert pause_at_s <= cut_s <= pause_at_s + 0.4


@pytest.mark.parametrize("pause_s", [0.0, 0.3, 1.0])
def test_silence_at_the_end_is_measured_to_a_frame(pause_s: float) -> None:
    clip = np.concatenate([noise(2), noise(pause_s, level=0.001)])
    assert trailing_silence_s(clip) == pytest.approx(pause_s, abs=0.021)


def test_a_clip_without_speech_is_silent_to_its_end() -> None:
    clip = noise(1, level=0.0002)
    assert silent(clip)
    assert trailing_silence_s(clip) == pytest.approx(1.0)
    assert not silent(noise(1))
    assert silent(noise(0))

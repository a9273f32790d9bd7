"""Sound files and samples."""

import io
import tracemalloc

import numpy as np
import pytest
import soundfile

from reference_stack.speech.audio import (
    RATE,
    UnusableAudioError,
    from_pcm16,
    read_audio,
    resampled,
    write_audio,
)


def tone(seconds: float, rate: int = RATE, hertz: float = 440.0) -> np.ndarray:
    times = np.arange(round(seconds * rate)) / rate
    return (0.5 * np.sin(2 * np.pi * hertz * times)).astype(np.float32)


def loudest_hertz(samples: np.ndarray, rate: int = RATE) -> float:
    spectrum = np.abs(np.fft.rfft(samples))
    return float(np.fft.rfftfreq(len(samples), 1 / rate)[int(np.argmax(spectrum))])


@pytest.mark.parametrize("form", ["wav", "flac", "mp3", "opus"])
@pytest.mark.parametrize("rate", [16_000, 22_050])
def test_a_tone_survives_every_format_at_whisper_s_rate(form: str, rate: int) -> None:
    samples = read_audio(write_audio(tone(1.0, rate), rate, form), max_s=10)
    assert len(samples) == pytest.approx(RATE, rel=0.1)
    assert loudest_hertz(samples) == pytest.approx(440, abs=3)


def test_pcm_is_sixteen_bit_at_24_khz() -> None:
    samples = from_pcm16(write_audio(tone(0.5), RATE, "pcm"))
    assert len(samples) == 12_000
    assert loudest_hertz(samples, 24_000) == pytest.approx(440, abs=3)


def encoded(samples: np.ndarray, rate: int, subtype: str = "PCM_16") -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format="WAV", subtype=subtype)
    return file.getvalue()


def test_channels_are_averaged() -> None:
    left = tone(5)  # longer than a block
    stereo = encoded(np.stack([left, -left], axis=1), RATE)
    assert np.abs(read_audio(stereo, 10)).max() == pytest.approx(0, abs=1e-4)


@pytest.mark.parametrize(
    ("channels", "rate"), [(9, RATE), (1000, RATE), (1, 192_001), (1, 2_000_000_011)]
)
def test_what_is_no_recording_of_a_voice_is_refused_before_it_takes_memory(
    channels: int, rate: int
) -> None:
    with pytest.raises(UnusableAudioError, match="192000 and 8"):
        read_audio(encoded(np.zeros((100, channels)), rate), max_s=2)


def test_what_is_no_number_is_silence_and_what_is_too_loud_is_cut_off() -> None:
    samples = np.array([np.nan, np.inf, -np.inf, 1e30, 0.5], np.float32)
    assert read_audio(encoded(samples, RATE, "FLOAT"), 1).tolist() == [0, 1, -1, 1, 0.5]


def test_too_long_a_sound_is_refused_before_it_is_decoded() -> None:
    with pytest.raises(UnusableAudioError, match="lasts 5 s, allowed are 2 s"):
        read_audio(write_audio(tone(5), RATE, "wav"), max_s=2)


@pytest.mark.parametrize("content", [b"", b"hello", b"RIFF\0\0\0\0WAVE", bytes(1000)])
def test_what_is_no_sound_is_refused_without_a_word_of_this_process_s_memory(
    content: bytes,
) -> None:
    with pytest.raises(UnusableAudioError, match="not a sound file") as refusal:
        read_audio(content, max_s=2)
    assert " 0x" not in str(refusal.value)


def test_resampling_keeps_the_duration() -> None:
    assert len(resampled(tone(1, 48_000), 48_000, RATE)) == RATE


def test_a_small_file_of_long_silence_takes_the_memory_of_one_channel() -> None:
    seconds, rate = 60, 192_000
    file = io.BytesIO()
    soundfile.write(file, np.zeros((seconds * rate, 2), np.int16), rate, format="FLAC")
    one_channel = seconds * rate * 4
    assert len(file.getvalue()) < one_channel / 100
    tracemalloc.start()
    try:
        assert len(read_audio(file.getvalue(), max_s=seconds)) == seconds * RATE
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 1.5 * one_channel

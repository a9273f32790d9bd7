"""Sound files and samples."""

import numpy as np
import pytest

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
def test_a_tone_survives_every_format_at_whisper_s_rate(form, rate):
    samples = read_audio(write_audio(tone(1.0, rate), rate, form), max_s=10)
    assert len(samples) == pytest.approx(RATE, rel=0.1)
    assert loudest_hertz(samples) == pytest.approx(440, abs=3)


def test_pcm_is_sixteen_bit_at_24_khz():
    samples = from_pcm16(write_audio(tone(0.5), RATE, "pcm"))
    assert len(samples) == 12_000
    assert loudest_hertz(samples, 24_000) == pytest.approx(440, abs=3)


def test_channels_are_averaged():
    import io  # noqa: PLC0415

    import soundfile  # noqa: PLC0415

    file = io.BytesIO()
    left = tone(0.2)
    soundfile.write(file, np.stack([left, -left], axis=1), RATE, format="WAV")
    assert np.abs(read_audio(file.getvalue(), 1)).max() == pytest.approx(0, abs=1e-4)


def test_too_long_a_sound_is_refused_before_it_is_decoded():
    with pytest.raises(UnusableAudioError, match="lasts 5 s, allowed are 2 s"):
        read_audio(write_audio(tone(5), RATE, "wav"), max_s=2)


@pytest.mark.parametrize("content", [b"", b"hello", b"RIFF\0\0\0\0WAVE", bytes(1000)])
def test_what_is_no_sound_is_refused(content):
    with pytest.raises(UnusableAudioError):
        read_audio(content, max_s=2)


def test_resampling_keeps_the_duration():
    assert len(resampled(tone(1, 48_000), 48_000, RATE)) == RATE

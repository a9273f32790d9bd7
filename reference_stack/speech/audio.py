"""Sound as bytes of a file, and as samples."""

from __future__ import annotations

import io
import math
from typing import Final, Literal

import numpy as np
import soundfile
from numpy.typing import NDArray

#: Samples a second that Whisper hears.
RATE: Final = 16_000

#: Between -1 and 1, mono.
Samples = NDArray[np.float32]
SoundFormat = Literal["wav", "flac", "mp3", "opus", "pcm"]

MEDIA_TYPES: Final[dict[SoundFormat, str]] = {
    "wav": "audio/wav",
    "flac": "audio/flac",
    "mp3": "audio/mpeg",
    "opus": "audio/ogg",
    "pcm": "audio/pcm",
}
# More of either is no recording of a voice, and would cost memory without end.
_MAX_RATE = 192_000
_MAX_CHANNELS = 8
_BLOCK_FRAMES = 65_536
# Opus knows no other rate that holds what a voice here has.
_OPUS_RATE = 24_000


class UnusableAudioError(ValueError):
    """The bytes are no sound that can be read, or too long; the message is for the client."""


def read_audio(content: bytes, max_s: float) -> Samples:
    """A sound file (WAV, FLAC, MP3, OGG and others) as samples at `RATE`, channels averaged.

    What is beyond full scale is cut off, what is no number is silence. Needs memory for one channel
    at the file's rate, whatever the file promises. Raises UnusableAudioError; a file that is too
    long is refused before it is decoded.
    """
    try:
        with soundfile.SoundFile(io.BytesIO(content)) as file:
            rate = file.samplerate
            if rate > _MAX_RATE or file.channels > _MAX_CHANNELS:
                raise UnusableAudioError(
                    f"the sound has {rate} samples a second and {file.channels} channels, allowed "
                    f"are {_MAX_RATE} and {_MAX_CHANNELS}"
                )
            duration_s = file.frames / rate
            if duration_s > max_s:
                raise UnusableAudioError(
                    f"the sound lasts {duration_s:.0f} s, allowed are {max_s:.0f} s"
                )
            samples = _mono(file, math.ceil(max_s * rate))
    except soundfile.SoundFileError as error:
        # Not all of its words, which name addresses of this process.
        reason = getattr(error, "error_string", type(error).__name__)
        raise UnusableAudioError(f"not a sound file that can be read: {reason}") from error
    return resampled(samples, rate, RATE)


def _mono(file: soundfile.SoundFile, limit: int) -> Samples:
    """At most `limit` frames, channels averaged: the header's number of frames may be a lie."""
    samples = np.empty(limit, np.float32)  # pages that are never written take no memory
    count = 0
    # Averaged block by block: a small file of silence can have many channels.
    for block in file.blocks(_BLOCK_FRAMES, frames=limit, dtype="float32", always_2d=True):
        whole = np.nan_to_num(block.mean(axis=1), copy=False)
        np.clip(whole, -1, 1, out=samples[count : count + len(block)])
        count += len(block)
    return samples[:count]


def resampled(samples: Samples, rate: int, to: int) -> Samples:
    """The same sound at another rate (polyphase filter)."""
    if rate == to or not len(samples):
        return np.ascontiguousarray(samples, dtype=np.float32)
    from scipy.signal import resample_poly  # noqa: PLC0415 - 50 MB that 16 kHz sound never needs

    common = math.gcd(rate, to)
    return np.ascontiguousarray(
        resample_poly(samples, to // common, rate // common), dtype=np.float32
    )


def write_audio(samples: Samples, rate: int, form: SoundFormat) -> bytes:
    """The samples as a file of this format; `pcm` is 16-bit little-endian at 24 kHz (OpenAI's)."""
    if form == "pcm":
        whole = np.clip(resampled(samples, rate, _OPUS_RATE), -1, 1) * np.float32(32767)
        return whole.astype("<i2").tobytes()
    file = io.BytesIO()
    if form == "opus":
        samples, rate = resampled(samples, rate, _OPUS_RATE), _OPUS_RATE
        soundfile.write(file, samples, rate, format="OGG", subtype="OPUS")
    else:
        soundfile.write(file, samples, rate, format=form.upper())
    return file.getvalue()


def from_pcm16(content: bytes) -> Samples:
    """16-bit little-endian mono samples."""
    return np.frombuffer(content, "<i2").astype(np.float32) / np.float32(32768)

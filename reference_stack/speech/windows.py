"""Where to cut speech: windows that Whisper can hear, and the ends of utterances.

All by loudness: the root mean square of frames of 20 ms.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from reference_stack.speech.audio import RATE, Samples

WINDOW_S: Final = 30.0
# A cut is looked for in the last third, so that no window is much shorter than it may be.
_CUT_FROM_S = 20.0
_FRAME = RATE // 50
# 200 ms without a syllable are a better place to cut than one soft frame.
_SMOOTH_FRAMES = 10

# Softer than this share of the utterance's loud frames is silence; so is what no microphone's
# noise floor exceeds (-60 dB of full scale).
_SILENT_SHARE = 0.1
_SILENT_ALWAYS = 0.001


@dataclass(frozen=True)
class Window:
    """Samples from `start_s` (seconds into the clip) on, at most `WINDOW_S` long."""

    start_s: float
    samples: Samples

    @property
    def duration_s(self) -> float:
        """Seconds of sound."""
        return len(self.samples) / RATE


def loudness(samples: Samples) -> NDArray[np.float32]:
    """Root mean square of each whole frame of 20 ms."""
    frames = samples[: len(samples) // _FRAME * _FRAME].reshape(-1, _FRAME)
    return np.asarray(np.sqrt(np.mean(frames**2, axis=1)), dtype=np.float32)


def windows(samples: Samples) -> list[Window]:
    """The clip in order, cut at the quietest 200 ms between 20 and 30 s of each window."""
    cuts = [0]
    while len(samples) - cuts[-1] > WINDOW_S * RATE:
        first = cuts[-1] + int(_CUT_FROM_S * RATE)
        last = cuts[-1] + int(WINDOW_S * RATE)
        loud = np.convolve(
            loudness(samples[first:last]), np.ones(_SMOOTH_FRAMES) / _SMOOTH_FRAMES, "valid"
        )
        quietest = int(np.argmin(loud)) + _SMOOTH_FRAMES // 2
        cuts.append(first + quietest * _FRAME)
    cuts.append(len(samples))
    return [
        Window(start / RATE, samples[start:end])
        for start, end in itertools.pairwise(cuts)
        if end > start
    ]


def silent(samples: Samples) -> bool:
    """Whether nothing is above the noise floor."""
    loud = loudness(samples)
    return not len(loud) or float(loud.max()) < _SILENT_ALWAYS


def trailing_silence_s(samples: Samples) -> float:
    """Seconds of silence at the end of an utterance; all of it if nothing is said."""
    loud = loudness(samples)
    if not len(loud):
        return 0.0
    # The loudest tenth is speech, if any of it is.
    threshold = max(_SILENT_ALWAYS, _SILENT_SHARE * float(np.quantile(loud, 0.9)))
    spoken = np.flatnonzero(loud > threshold)
    last = int(spoken[-1]) + 1 if len(spoken) else 0
    return (len(loud) - last) * _FRAME / RATE

"""What is used of mlx-whisper, without its front door. Import after `blas.prepare_process`.

The package's own `__init__` imports numba and scipy for timestamps of single words, which nobody
here asks for. Without them importing takes 0.65 s of processor time instead of 1.6 s, and 80 MB
instead of 206.
"""

from __future__ import annotations

import importlib.util
import sys

_NAME = "mlx_whisper"

if _NAME not in sys.modules:
    _spec = importlib.util.find_spec(_NAME)
    if _spec is None:
        raise ModuleNotFoundError(f"No module named {_NAME!r}", name=_NAME)
    sys.modules[_NAME] = importlib.util.module_from_spec(_spec)

from mlx_whisper.audio import (  # noqa: E402
    N_FRAMES,
    N_SAMPLES,
    SAMPLE_RATE,
    log_mel_spectrogram,
    pad_or_trim,
)
from mlx_whisper.decoding import DecodingOptions, DecodingResult, decode  # noqa: E402
from mlx_whisper.load_models import load_model  # noqa: E402
from mlx_whisper.tokenizer import LANGUAGES, get_tokenizer  # noqa: E402

__all__ = [
    "LANGUAGES",
    "N_FRAMES",
    "N_SAMPLES",
    "SAMPLE_RATE",
    "DecodingOptions",
    "DecodingResult",
    "decode",
    "get_tokenizer",
    "load_model",
    "log_mel_spectrogram",
    "pad_or_trim",
]

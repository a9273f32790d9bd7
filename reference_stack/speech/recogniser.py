"""Whisper on several windows at once. Import only after `blas.prepare_process`, in the worker."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import mlx.core as mx

from reference_stack.serving.child import RefusedError
from reference_stack.speech.tasks import Heard, HeardSegment, HearOptions, HearTask
from reference_stack.speech.whisper_library import (
    LANGUAGES,
    N_FRAMES,
    N_SAMPLES,
    SAMPLE_RATE,
    DecodingOptions,
    DecodingResult,
    decode,
    get_tokenizer,
    load_model,
    log_mel_spectrogram,
    pad_or_trim,
)

# Whisper's own rules (Radford et al. 2022, section 4.5): text that repeats itself or that the model
# doubts is decoded again with more chance; what is doubted and likely no speech is left out.
_RETRY_TEMPERATURES: Final = (0.4, 0.8)
_MOST_COMPRESSION: Final = 2.4
_LEAST_LOG_PROBABILITY: Final = -1.0
_NO_SPEECH: Final = 0.6
# The same windows give the same words, also at a temperature.
_SEED: Final = 0
# Nobody says more: a fast speaker says 4 words a second, of 2 to 3 tokens each. Without the bound
# text that repeats itself goes on for half of the model's context, however short the sound is.
_TOKENS_PER_S: Final = 15
_TOKENS_AT_LEAST: Final = 20
# Seconds a timestamp token stands for.
_TIME_STEP_S: Final = 0.02
_ENGLISH: Final = "en"


class Recogniser:
    """One loaded model on the default device: Metal on a Mac, else the CPU."""

    def __init__(self, model_dir: Path) -> None:
        """Load the mlx-whisper folder; in half precision on Metal, else in 32 bits."""
        self._half = mx.metal.is_available()
        self._model: Any = load_model(
            str(model_dir), dtype=mx.float16 if self._half else mx.float32
        )

    def hear(self, task: HearTask) -> list[Heard]:
        """What is said in each window. Raises RefusedError for a language the model can't."""
        self._check(task.options.language)
        sounds = mx.stack([self._sound(samples) for samples in task.windows])
        longest_s = max(len(samples) for samples in task.windows) / SAMPLE_RATE
        tokens = most_tokens(self._model.dims.n_text_ctx, longest_s)
        heard = self._decode(sounds, task.options, task.options.temperature, tokens)
        for temperature in _RETRY_TEMPERATURES:
            doubtful = [place for place, one in enumerate(heard) if _doubtful(one)]
            if not doubtful or temperature <= task.options.temperature:
                break
            again = self._decode(sounds[mx.array(doubtful)], task.options, temperature, tokens)
            for place, one in zip(doubtful, again, strict=True):
                heard[place] = one
        return [
            self._told(one, task.options, len(samples) / SAMPLE_RATE)
            for one, samples in zip(heard, task.windows, strict=True)
        ]

    def _check(self, language: str) -> None:
        if language not in LANGUAGES:
            raise RefusedError(
                f"language: {language!r} is unknown, allowed are codes such as en, pt"
            )
        if language != _ENGLISH and not self._model.is_multilingual:
            raise RefusedError(f"language: this model knows only {_ENGLISH!r}, not {language!r}")

    def _sound(self, samples: Any) -> mx.array:
        mel: mx.array = log_mel_spectrogram(
            samples, n_mels=self._model.dims.n_mels, padding=N_SAMPLES
        )
        mel = pad_or_trim(mel, N_FRAMES, axis=-2)
        return mel.astype(mx.float16 if self._half else mx.float32)

    def _decode(
        self, sounds: mx.array, options: HearOptions, temperature: float, tokens: int
    ) -> list[DecodingResult]:
        chosen = DecodingOptions(
            language=options.language,
            temperature=temperature,
            prompt=options.prompt or None,
            sample_len=tokens,
            without_timestamps=not options.timestamps,
            fp16=self._half,
        )
        mx.random.seed(_SEED)
        results: list[DecodingResult] = decode(self._model, sounds, chosen)
        return results

    def _told(self, result: DecodingResult, options: HearOptions, duration_s: float) -> Heard:
        no_speech = float(result.no_speech_prob)
        doubted = result.avg_logprob < _LEAST_LOG_PROBABILITY
        mute = not math.isnan(no_speech) and no_speech > _NO_SPEECH and doubted
        return Heard(
            text="" if mute else result.text,
            segments=(
                self._segments(result.tokens, options.language, duration_s)
                if options.timestamps and not mute
                else ()
            ),
            mean_log_probability=float(result.avg_logprob),
            no_speech=no_speech,
            compression=float(result.compression_ratio),
            temperature=float(result.temperature),
        )

    def _segments(
        self, tokens: Sequence[int], language: str, duration_s: float
    ) -> tuple[HeardSegment, ...]:
        """Between a timestamp and the next; the last one may be left open, to the window's end."""
        tokenizer = get_tokenizer(
            self._model.is_multilingual,
            num_languages=self._model.num_languages,
            language=language,
            task="transcribe",
        )
        first_time: int = tokenizer.timestamp_begin
        segments: list[HeardSegment] = []
        start_s = 0.0
        inside: list[int] = []

        def close(end_s: float) -> None:
            if inside:
                text = tokenizer.decode(inside).strip()
                segments.append(HeardSegment(start_s, end_s, text, tuple(inside)))
                inside.clear()

        for token in tokens:
            if token < first_time:
                inside.append(token)
                continue
            time_s = (token - first_time) * _TIME_STEP_S
            close(time_s)
            start_s = time_s
        close(max(start_s, duration_s))
        return tuple(segments)


def most_tokens(context: int, sound_s: float) -> int:
    """How many tokens are taken for so many seconds of sound: at most half of the context."""
    return min(context // 2, _TOKENS_AT_LEAST + math.ceil(_TOKENS_PER_S * sound_s))


def _doubtful(result: DecodingResult) -> bool:
    if result.no_speech_prob > _NO_SPEECH:
        return False  # silence needs no second try
    return bool(
        result.compression_ratio > _MOST_COMPRESSION or result.avg_logprob < _LEAST_LOG_PROBABILITY
    )

"""Text to speech by programs of the machine: espeak-ng, macOS's `say`, piper.

Each gets the text on its standard input, never as an argument, and gives a sound file.
"""

from __future__ import annotations

import asyncio
import logging
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile

from reference_stack.serving.child import ChildFailedError, RefusedError
from reference_stack.speech.audio import Samples
from reference_stack.speech.settings import VoiceSettings

log = logging.getLogger(__name__)

#: OpenAI's voices: clients that know nothing else send one of them, and get the default voice.
OPENAI_VOICES = frozenset(
    (
        "alloy", "ash", "ballad", "cedar", "coral", "echo", "fable", "marin", "nova", "onyx",
        "sage", "shimmer", "verse",
    )
)  # fmt: skip

# Words a minute at speed 1: each program's own default.
_ESPEAK_WORDS_PER_MINUTE = 175
_SAY_WORDS_PER_MINUTE = 175
# No slash and no full stop: espeak-ng takes a name for a path as well.
_VOICE_NAME = re.compile(r"[A-Za-z0-9À-ÿ][A-Za-z0-9À-ÿ+_() -]{0,79}")
# A WAV file written to a pipe does not know its length; this is where its samples begin.
_WAV_HEADER_BYTES = 44
_WAV_RATE = slice(24, 28)


async def synthesise(
    settings: VoiceSettings, text: str, voice: str, speed: float
) -> tuple[Samples, int]:
    """Samples and their rate.

    Raises RefusedError for a voice the program does not know, ChildFailedError when it fails or
    takes too long.
    """
    name = settings.voice if voice in OPENAI_VOICES else voice
    if name != settings.voice and (settings.engine == "piper" or not _VOICE_NAME.fullmatch(name)):
        raise RefusedError(f"voice: there is no {name!r} here")
    if settings.engine == "espeak-ng":
        words_per_minute = str(round(_ESPEAK_WORDS_PER_MINUTE * speed))
        options = ["-v", name, "-s", words_per_minute, "--stdin", "--stdout", "-b", "1"]
        return _streamed_wav(await _run(settings, options, text))
    if settings.engine == "say":
        words_per_minute = str(round(_SAY_WORDS_PER_MINUTE * speed))
        options = ["-v", name, "-r", words_per_minute, "-f", "-", "--data-format=LEI16@22050", "-o"]
        return await _through_a_file(settings, options, text)
    options = ["--model", name, "--length-scale", f"{1 / speed:.3f}", "--output-file"]
    # piper takes each line for a text of its own.
    return await _through_a_file(settings, options, " ".join(text.split()))


async def _through_a_file(
    settings: VoiceSettings, options: Sequence[str], text: str
) -> tuple[Samples, int]:
    """What a program writes to the WAV file whose name is its last option's value."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "speech.wav"
        await _run(settings, [*options, str(file)], text)
        try:
            samples, rate = await asyncio.to_thread(soundfile.read, file, dtype="float32")
        except soundfile.SoundFileError as error:
            raise ChildFailedError("worker_failed", f"{settings.engine}: {error}") from error
    return samples, int(rate)


async def _run(settings: VoiceSettings, arguments: Sequence[str], text: str) -> bytes:
    try:
        process = await asyncio.create_subprocess_exec(
            str(settings.program),
            *arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
    except OSError as error:
        raise ChildFailedError("worker_failed", f"{settings.engine}: {error.strerror}") from error
    try:
        async with asyncio.timeout(settings.synthesis_timeout_s):
            sound, complaint = await process.communicate(text.encode("utf-8"))
    except TimeoutError:
        raise ChildFailedError(
            "worker_timeout",
            f"{settings.engine} did not finish within {settings.synthesis_timeout_s:g} s",
        ) from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0:
        words = complaint.decode(errors="replace").strip()
        log.warning("%s: %s", settings.engine, words)  # which may tell of this machine's folders
        if "voice" in words.lower():
            raise RefusedError(f"voice: {settings.engine} does not have it")
        raise ChildFailedError("worker_failed", f"{settings.engine} failed")
    return sound


def _streamed_wav(sound: bytes) -> tuple[Samples, int]:
    if len(sound) < _WAV_HEADER_BYTES or not sound.startswith(b"RIFF"):
        raise ChildFailedError("worker_failed", "the program gave no sound")
    rate = int.from_bytes(sound[_WAV_RATE], "little")
    body = sound[_WAV_HEADER_BYTES:]
    whole = body[: len(body) // 2 * 2]
    return np.frombuffer(whole, "<i2").astype(np.float32) / np.float32(32768), rate

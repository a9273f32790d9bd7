"""Text to speech by programs of the machine: espeak-ng, macOS's `say`, piper.

Each gets the text on its standard input, never as an argument, and gives a sound file.
"""

from __future__ import annotations

import asyncio
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile

from reference_stack.serving.child import ChildFailedError, RefusedError
from reference_stack.speech.audio import Samples
from reference_stack.speech.settings import VoiceSettings

#: OpenAI's voices: clients that know nothing else send one of them, and get the default voice.
OPENAI_VOICES = frozenset(
    (
        "alloy",
        "ash",
        "ballad",
        "cedar",
        "coral",
        "echo",
        "fable",
        "marin",
        "nova",
        "onyx",
        "sage",
        "shimmer",
        "verse",
    )
)

# Words a minute at speed 1: each program's own default.
_ESPEAK_WORDS_PER_MINUTE = 175
_SAY_WORDS_PER_MINUTE = 175
_VOICE_NAME = re.compile(r"[A-Za-z0-9À-ÿ][A-Za-z0-9À-ÿ+_./() -]{0,79}")
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
    if not _VOICE_NAME.fullmatch(name):
        raise RefusedError(f"voice: {name!r} is no voice's name")
    if settings.engine == "say":
        return await _say(settings, text, name, speed)
    if settings.engine == "piper":
        return await _piper(settings, text, speed)
    words_per_minute = round(_ESPEAK_WORDS_PER_MINUTE * speed)
    sound = await _run(
        settings, ["-v", name, "-s", str(words_per_minute), "--stdin", "--stdout", "-b", "1"], text
    )
    return _streamed_wav(sound)


async def _say(settings: VoiceSettings, text: str, voice: str, speed: float) -> tuple[Samples, int]:
    rate = str(round(_SAY_WORDS_PER_MINUTE * speed))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "speech.wav"
        await _run(
            settings,
            ["-v", voice, "-r", rate, "-f", "-", "-o", str(file), "--data-format=LEI16@22050"],
            text,
        )
        samples, sample_rate = soundfile.read(file, dtype="float32")
    return samples, int(sample_rate)


async def _piper(settings: VoiceSettings, text: str, speed: float) -> tuple[Samples, int]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "speech.wav"
        one_line = " ".join(text.split())  # piper takes each line for a text of its own
        await _run(
            settings,
            ["--model", settings.voice, "--length-scale", f"{1 / speed:.3f}",
             "--output-file", str(file)],
            one_line,
        )  # fmt: skip
        samples, sample_rate = soundfile.read(file, dtype="float32")
    return samples, int(sample_rate)


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
        raise ChildFailedError("worker_failed", f"{settings.program}: {error.strerror}") from error
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
        if "voice" in words.lower():
            raise RefusedError(f"voice: {settings.engine}: {words}")
        raise ChildFailedError("worker_failed", f"{settings.engine}: {words or 'failed'}")
    return sound


def _streamed_wav(sound: bytes) -> tuple[Samples, int]:
    if len(sound) < _WAV_HEADER_BYTES or not sound.startswith(b"RIFF"):
        raise ChildFailedError("worker_failed", "the program gave no sound")
    rate = int.from_bytes(sound[_WAV_RATE], "little")
    body = sound[_WAV_HEADER_BYTES:]
    whole = body[: len(body) // 2 * 2]
    return np.frombuffer(whole, "<i2").astype(np.float32) / np.float32(32768), rate

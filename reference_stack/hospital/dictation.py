"""Dictations: what a clinician says at the bed, and its speech where espeak-ng is installed."""

from __future__ import annotations

import shutil
import subprocess
import wave
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import Final
from uuid import UUID

from reference_stack.errors import PreconditionError, StackError
from reference_stack.hospital.drawing import Picker
from reference_stack.hospital.notes import facts_of, is_unwell, stay_facts, written
from reference_stack.hospital.population import Block

PROGRAM: Final = "espeak-ng"
STREAM: Final = 8
SPEAK_TIMEOUT_S: Final = 30.0
#: espeak-ng's variants of a voice: men's and women's.
VARIANTS: Final = ("+m1", "+m3", "+m7", "+f1", "+f2", "+f4")


@dataclass(frozen=True, slots=True)
class Voice:
    """How a text is spoken: espeak-ng's voice, words a minute, pitch 0 to 99."""

    name: str
    words_per_minute: int
    pitch: int


@dataclass(frozen=True, slots=True)
class Dictation:
    """A text and the voice that speaks it."""

    patient_id: UUID
    text: str
    voice: Voice


def dictations(seed: int, block: Block) -> Iterator[Dictation]:
    """One dictation for each stay of a block, about its last reading."""
    picker = Picker((seed, STREAM, block.number))
    for recording in block.recordings:
        admission, last = recording.admission, len(recording.times) - 1
        at = recording.times[last]
        facts = facts_of(admission.patient, at, picker)
        facts |= stay_facts(admission, recording, last, at)
        heart, breaths, saturation, temperature, systolic, diastolic = recording.values[last]
        facts["sinais_falados"] = (
            f"Pressão {systolic:.0f} por {diastolic:.0f}, frequência cardíaca {heart:.0f}, "
            f"frequência respiratória {breaths:.0f}, saturação {saturation:.0f} por cento, "
            f"temperatura {temperature:.1f} graus".replace(".", ",")
        )
        symbol = "dictation_unwell" if is_unwell(recording, last) else "dictation"
        text = written(symbol, facts, picker)
        voice = Voice(
            f"pt-br{picker.pick(VARIANTS)}", picker.between(135, 185), picker.between(35, 65)
        )
        yield Dictation(admission.patient.id, text, voice)


def speech(text: str, voice: Voice) -> bytes:
    """The text spoken: a WAV file of 16-bit mono.

    Raises:
        PreconditionError: when espeak-ng is not installed.
        StackError: when it did not speak.
    """
    program = shutil.which(PROGRAM)
    if program is None:
        raise PreconditionError(f"{PROGRAM} is not installed: apt-get install {PROGRAM}")
    rate, pitch = str(voice.words_per_minute), str(voice.pitch)
    try:
        spoken = subprocess.run(
            [program, "-v", voice.name, "-s", rate, "-p", pitch, "--stdin", "--stdout"],
            input=text.encode(), capture_output=True, timeout=SPEAK_TIMEOUT_S, check=True,
        ).stdout  # fmt: skip
    except (subprocess.SubprocessError, OSError) as error:
        raise StackError(f"{PROGRAM} did not speak: {error}") from error
    return with_true_length(spoken)


def with_true_length(streamed: bytes) -> bytes:
    """A WAV file whose header says how long it is: one written to a pipe can't know.

    Raises `StackError` when it is no WAV file.
    """
    try:
        with wave.open(BytesIO(streamed)) as source:
            parameters = source.getparams()
            frames = source.readframes(len(streamed))
    except (wave.Error, EOFError) as error:
        raise StackError(f"{PROGRAM} did not speak: {error}") from error
    whole = BytesIO()
    with wave.open(whole, "wb") as target:
        target.setparams(parameters)
        target.writeframes(frames)
    return whole.getvalue()

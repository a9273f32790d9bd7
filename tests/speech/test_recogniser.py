"""Segments of what Whisper heard, from its tokens."""

from pathlib import Path

import numpy as np
import pytest

from reference_stack.speech.audio import RATE
from reference_stack.speech.recogniser import Recogniser, most_tokens
from reference_stack.speech.tasks import HearOptions, HearTask
from reference_stack.speech.whisper_library import get_tokenizer

TOKENIZER = get_tokenizer(False, language="en", task="transcribe")  # noqa: FBT003 - its own order


def time(seconds: float) -> int:
    return TOKENIZER.timestamp_begin + round(seconds / 0.02)


@pytest.fixture(scope="module")
def recogniser(whisper_dir: Path) -> Recogniser:
    return Recogniser(whisper_dir)


def test_each_segment_lies_between_its_timestamps_and_the_last_may_be_left_open(
    recogniser: Recogniser,
) -> None:
    words = [TOKENIZER.encode(text) for text in (" She has", " no fever", " today")]
    tokens = [
        *(time(0.5), *words[0], time(2.0), time(2.0), *words[1], time(4.5), time(4.6), *words[2])
    ]
    found = recogniser._segments(tokens, "en", duration_s=6.0)
    assert [(one.start_s, one.end_s, one.text) for one in found] == [
        (0.5, 2.0, "She has"),
        (2.0, 4.5, "no fever"),
        (pytest.approx(4.6), 6.0, "today"),
    ]


def test_the_same_sound_gives_the_same_words_at_any_temperature(recogniser: Recogniser) -> None:
    sound = np.random.default_rng(3).normal(size=RATE).astype(np.float32)
    task = HearTask((sound, sound[::-1].copy()), HearOptions("en", temperature=0.9))
    first, again = recogniser.hear(task), recogniser.hear(task)
    assert [one.text for one in first] == [one.text for one in again]
    assert first[0].text != first[1].text


def test_a_window_without_words_has_no_segments(recogniser: Recogniser) -> None:
    assert recogniser._segments([time(0.0), time(3.0)], "en", duration_s=3.0) == ()


@pytest.mark.parametrize(
    ("context", "seconds", "tokens"),
    [(448, 0.5, 28), (448, 2.0, 50), (448, 30.0, 224), (24, 2.0, 12)],
)
def test_a_short_sound_gives_no_more_tokens_than_can_be_spoken(
    context: int, seconds: float, tokens: int
) -> None:
    assert most_tokens(context, seconds) == tokens

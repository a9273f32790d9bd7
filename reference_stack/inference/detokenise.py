"""Tokens of one answer become text, piece by piece."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from typing import Protocol

_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


class StreamingDetokenizer(Protocol):
    """The part of mlx-lm's detokenizers that is used."""

    @property
    def last_segment(self) -> str:
        """The text that became readable since the last look."""

    def add_token(self, token: int) -> None:
        """Take one more token."""

    def finalize(self) -> None:
        """Give out what was held back."""


class TextStream:
    """The readable text of one sequence.

    A character whose bytes are spread over several tokens is held back until it is whole; if the
    answer ends inside it, it is left out. Control tokens give no text.
    """

    def __init__(self, detokenizer: StreamingDetokenizer, control_tokens: AbstractSet[int]) -> None:
        self._detokenizer = detokenizer
        self._control_tokens = control_tokens

    def add(self, token: int) -> str:
        """The text that became readable with `token`."""
        if token in self._control_tokens:
            return ""
        self._detokenizer.add_token(token)
        return self._detokenizer.last_segment

    def end(self) -> str:
        """The rest of the text."""
        self._detokenizer.finalize()
        return self._detokenizer.last_segment.rstrip(_REPLACEMENT)

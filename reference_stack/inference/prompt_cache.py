"""Attention states of prompts that were read before, so that a next turn reads only what is new.

Import only after `blas.prepare_process`.
"""

from __future__ import annotations

from typing import Any

import mlx.core as mx

from reference_stack.inference.mlx_library import LRUPromptCache

# The cache is made for several models; there is one here.
_MODEL = "model"
# Entries are bounded by bytes; this only keeps the list of them short.
_MAX_ENTRIES = 256


class PromptCache:
    """mlx-lm's cache of whole conversations, found by their longest common beginning.

    A conversation's next turn finds all but its newest message; another patient's chat finds the
    system prompt. Models with a sliding attention window (Gemma 3) can give a *part* of a kept
    conversation only while it is shorter than the window; the next turn of a conversation is
    always found.
    """

    def __init__(self, max_bytes: int) -> None:
        """Keep at most `max_bytes`; the conversations that were kept longest ago go first."""
        self._max_bytes = max_bytes
        self._kept = LRUPromptCache(_MAX_ENTRIES, max_bytes)

    @property
    def size_bytes(self) -> int:
        """Memory of what is kept."""
        return int(self._kept.nbytes)

    def nearest(self, prompt: tuple[int, ...]) -> tuple[list[Any] | None, int]:
        """The states of the longest known beginning of `prompt`, and its length in tokens.

        At least the last token is never part of it: the model has to be asked something.
        """
        known, unread = self._kept.fetch_nearest_cache(_MODEL, list(prompt[:-1]))
        if known is None:
            return None, 0
        return known, len(prompt) - 1 - len(unread)

    def keep(self, tokens: list[int], states: list[Any]) -> None:
        """Keep the states of a conversation, unless they alone are too large."""
        if sum(state.nbytes for state in states) <= self._max_bytes:
            # Until they are computed they are views of the batch they were taken out of, all of
            # which they would keep in memory, uncounted. Not waited for: the step under way comes
            # first, and its tokens must not wait for it twice.
            mx.async_eval([state.state for state in states])  # type: ignore[no-untyped-call]
            self._kept.insert_cache(_MODEL, tokens, states)

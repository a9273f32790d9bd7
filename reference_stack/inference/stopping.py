"""An answer that ends where one of the client's stop texts begins."""

from __future__ import annotations

from collections.abc import Sequence


class StopTexts:
    """Passes text on until the first stop text; holds back what may be the beginning of one."""

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = tuple(stop for stop in stops if stop)
        self._held = ""

    def add(self, text: str) -> tuple[str, bool]:
        """What may be passed on of the text so far, and whether a stop text was found."""
        if not self._stops:
            return text, False
        held = self._held + text
        found = [place for stop in self._stops if (place := held.find(stop)) >= 0]
        if found:
            self._held = ""
            return held[: min(found)], True
        keep = max(self._begun(held, stop) for stop in self._stops)
        self._held = held[len(held) - keep :]
        return held[: len(held) - keep], False

    def end(self) -> str:
        """What was held back."""
        held, self._held = self._held, ""
        return held

    @staticmethod
    def _begun(text: str, stop: str) -> int:
        """Length of the longest end of `text` that `stop` begins with."""
        for length in range(min(len(stop) - 1, len(text)), 0, -1):
            if stop.startswith(text[-length:]):
                return length
        return 0

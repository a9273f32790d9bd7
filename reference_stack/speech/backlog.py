"""Sound that came from a client and was not made final yet."""

from __future__ import annotations

import asyncio
from typing import Final

import numpy as np

from reference_stack.speech.audio import RATE, Samples

# So much new sound is worth a look at all of it; clients send it in pieces as small as they like.
_LOOK_EVERY_S: Final = 0.1


class Backlog:
    """Pieces are added at one end, utterances taken from the other. Times are in seconds."""

    def __init__(self) -> None:
        self._samples: Samples = np.empty(0, np.float32)
        self._pieces: list[Samples] = []
        self._length = 0
        self._looked_at_s = 0.0
        self._more = asyncio.Event()
        self._less = asyncio.Event()
        self.begins_s = 0.0
        self.received_s = 0.0
        self.ended = False

    @property
    def samples(self) -> Samples:
        """All of it."""
        if self._pieces:
            self._samples = np.concatenate([self._samples, *self._pieces])
            self._pieces.clear()
        return self._samples

    def __len__(self) -> int:
        return self._length

    def add(self, samples: Samples) -> None:
        """This came."""
        self._pieces.append(samples)
        self._length += len(samples)
        self.received_s += len(samples) / RATE
        if self.received_s - self._looked_at_s >= _LOOK_EVERY_S:
            self._more.set()

    def end(self) -> None:
        """Nothing more will come."""
        self.ended = True
        self._more.set()

    def drop(self, count: int) -> None:
        """The first `count` samples are done with."""
        self._samples = self.samples[count:]
        self._length -= count
        self.begins_s += count / RATE
        self._less.set()

    async def room(self, limit_s: float) -> None:
        """Return when it holds no more than `limit_s`."""
        while self._length > limit_s * RATE:
            self._less.clear()
            await self._less.wait()

    async def changed(self) -> None:
        """Return when enough came to be worth a look, or nothing more will."""
        if not self.ended:
            await self._more.wait()
            self._more.clear()
            self._looked_at_s = self.received_s

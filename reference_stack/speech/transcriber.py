"""Clips become text: the queue, its worker, and the words."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from reference_stack.serving.child import ChildProcess
from reference_stack.serving.problem import bad_request
from reference_stack.serving.work_queue import QueueLimits, WorkQueue
from reference_stack.speech.audio import RATE, Samples
from reference_stack.speech.metrics import SpeechMetrics
from reference_stack.speech.settings import SpeechSettings
from reference_stack.speech.tasks import Heard, HearOptions, HearTask
from reference_stack.speech.windows import Window, silent, windows

WORKER = "reference_stack.speech.worker"
_LANGUAGE = re.compile("[a-z]{2,3}")
_NOTHING = Heard("", (), 0.0, 1.0, 0.0, 0.0)


@dataclass(frozen=True)
class Transcript:
    """What was heard in each window of a clip."""

    parts: tuple[tuple[Window, Heard], ...]

    @property
    def text(self) -> str:
        """The words in order."""
        return " ".join(heard.text for _, heard in self.parts if heard.text)

    @property
    def duration_s(self) -> float:
        """Seconds of the clip."""
        return sum(window.duration_s for window, _ in self.parts)


@dataclass(frozen=True)
class _Unit:
    samples: Samples
    options: HearOptions


class Transcriber:
    """Recognises clips of any client in one worker process."""

    def __init__(self, settings: SpeechSettings, metrics: SpeechMetrics) -> None:
        self.settings = settings
        self._metrics = metrics
        self.worker = ChildProcess(WORKER, settings, start_timeout_s=settings.start_timeout_s)
        limits = QueueLimits(settings.max_batch, settings.max_queue, settings.queue_timeout_s)
        self._queue: WorkQueue[_Unit, Heard] = WorkQueue(self._hear, limits, metrics)
        metrics.watch(lambda: self._queue.waiting, lambda: self._queue.running)

    @property
    def idle(self) -> bool:
        """Whether nothing is under way."""
        return self._queue.idle

    @property
    def busy(self) -> bool:
        """Whether a clip waits: then partial texts of dictations are left out."""
        return self._queue.waiting > 0

    def drain(self) -> None:
        """Refuse new clips."""
        self._queue.drain()

    def give_up(self) -> None:
        """Fail what is under way."""
        self._queue.give_up()

    @contextlib.contextmanager
    def place(self) -> Iterator[None]:
        """A place for a clip that is still being decoded; then transcribe it as `admitted`.

        Raises Problem, see `WorkQueue.place`.
        """
        with self._queue.place():
            yield

    def language(self, asked: str | None) -> str:
        """The language that holds. Raises Problem (400) for one that is no code."""
        language = (asked or self.settings.language).lower()
        if not _LANGUAGE.fullmatch(language):
            raise bad_request("invalid_language", f"language: {asked!r} is no code", "language")
        return language

    async def transcribe(
        self,
        samples: Samples,
        options: HearOptions,
        patience_s: float | None = None,
        *,
        admitted: bool = False,
    ) -> Transcript:
        """What is said in `samples`. Raises Problem, see `WorkQueue.do`.

        `admitted` work has its place already, or belongs to an open dictation.
        """
        parts = windows(samples)
        told: list[Heard] = [_NOTHING] * len(parts)
        spoken = [place for place, part in enumerate(parts) if not silent(part.samples)]
        units = [_Unit(parts[place].samples, options) for place in spoken]
        heard = await self._queue.do(units, kind=options, patience_s=patience_s, admitted=admitted)
        for place, one in zip(spoken, heard, strict=True):
            told[place] = one
        return Transcript(tuple(zip(parts, told, strict=True)))

    async def _hear(self, units: Sequence[_Unit]) -> list[Heard]:
        task = HearTask(tuple(unit.samples for unit in units), units[0].options)
        loop = asyncio.get_running_loop()
        began = loop.time()
        heard: list[Heard] = await self.worker.call(task, self.settings.turn_timeout_s)
        audio_s = sum(len(unit.samples) for unit in units) / RATE
        self._metrics.heard(audio_s, loop.time() - began)
        return heard

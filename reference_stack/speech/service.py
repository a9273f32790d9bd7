"""Speech to text of one node: what of it runs, and the routes."""

from __future__ import annotations

from collections.abc import Mapping

from fastapi import APIRouter

from reference_stack.serving.body_limit import FORM_BYTES
from reference_stack.speech.dictation import Dictations
from reference_stack.speech.metrics import SpeechMetrics
from reference_stack.speech.settings import SpeechSettings
from reference_stack.speech.transcriber import Transcriber
from reference_stack.speech.transcription import TRANSCRIPTIONS, transcription_routes


class SpeechService:
    """`speech-to-text` of the design."""

    name = "speech-to-text"

    def __init__(self, settings: SpeechSettings, metrics: SpeechMetrics) -> None:
        self._settings = settings
        self._transcriber = Transcriber(settings, metrics)
        self._dictations = Dictations(settings.dictation, self._transcriber)
        self._draining = False
        metrics.watch_sessions(lambda: self._dictations.open)
        self.router = APIRouter()
        self.router.include_router(transcription_routes(self._transcriber))
        self.router.include_router(self._dictations.routes())

    @property
    def models(self) -> tuple[str, ...]:
        """The one model, by its name."""
        return (self._settings.model_name,)

    @property
    def body_limits(self) -> Mapping[str, int]:
        """See ModelService."""
        return {TRANSCRIPTIONS: self._settings.max_upload_bytes + FORM_BYTES}

    @property
    def status(self) -> str:
        """See ModelService."""
        return "draining" if self._draining else self._transcriber.worker.status

    @property
    def idle(self) -> bool:
        """Whether nothing is under way."""
        return self._transcriber.idle and not self._dictations.open

    async def start(self) -> None:
        """Begin to load the model if it is to be there from the start; returns at once."""
        if self._settings.preload:
            self._transcriber.worker.preload()

    def drain(self) -> None:
        """Refuse new clips and dictations; open dictations are finished."""
        self._draining = True
        self._dictations.drain()
        self._transcriber.drain()

    def give_up(self) -> None:
        """Fail what is under way."""
        self._transcriber.give_up()

    async def close(self) -> None:
        """End the worker."""
        await self._transcriber.worker.end()

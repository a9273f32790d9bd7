"""Text to speech: POST /v1/audio/speech, in OpenAI's form."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from reference_stack.serving.child import ChildFailedError, RefusedError
from reference_stack.serving.leaving import (
    ClientGoneError,
    client_gone,
    patience_s,
    unless_client_leaves,
)
from reference_stack.serving.model_names import ANY_MODEL, require_model
from reference_stack.serving.problem import bad_request
from reference_stack.serving.work_queue import QueueLimits, UnitError, WorkQueue
from reference_stack.speech.audio import MEDIA_TYPES, Samples, SoundFormat, write_audio
from reference_stack.speech.metrics import VoiceMetrics
from reference_stack.speech.settings import VoiceSettings
from reference_stack.speech.voices import synthesise


class SpeechRequest(BaseModel):
    """A text to be spoken. `speed` 1 is the voice's own; `instructions` are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str = ANY_MODEL
    input: Annotated[str, Field(min_length=1)]
    voice: Annotated[str, Field(min_length=1, max_length=80)] = "alloy"
    # OpenAI's own default; AAC, which it also knows, is not made here.
    response_format: SoundFormat = "mp3"
    speed: Annotated[float, Field(ge=0.25, le=4)] = 1.0
    stream_format: Literal["audio"] | None = None


@dataclass(frozen=True)
class _Spoken:
    samples: Samples
    rate: int


class VoiceService:
    """`text-to-speech` of the design."""

    name = "text-to-speech"
    body_limits: Mapping[str, int] = MappingProxyType({})

    def __init__(self, settings: VoiceSettings, metrics: VoiceMetrics) -> None:
        self._settings = settings
        self._metrics = metrics
        limits = QueueLimits(settings.parallel, settings.max_queue, settings.queue_timeout_s)
        self._queue: WorkQueue[SpeechRequest, _Spoken] = WorkQueue(self._speak, limits, metrics)
        self._draining = False
        metrics.watch(lambda: self._queue.waiting, lambda: self._queue.running)
        self.router = self._routes()

    @property
    def models(self) -> tuple[str, ...]:
        """The voice's model."""
        return (self._settings.model_name,)

    @property
    def status(self) -> str:
        """See ModelService: there is nothing to load."""
        if self._draining:
            return "draining"
        return "ready" if self._settings.program.exists() else "failed"

    @property
    def idle(self) -> bool:
        """Whether nothing is under way."""
        return self._queue.idle

    async def start(self) -> None:
        """Nothing is to be loaded."""

    def drain(self) -> None:
        """Refuse what is new."""
        self._draining = True
        self._queue.drain()

    def give_up(self) -> None:
        """Fail what is under way."""
        self._queue.give_up()

    async def close(self) -> None:
        """Nothing is left to end: each program ends with its request."""

    def _routes(self) -> APIRouter:
        router = APIRouter()

        @router.post("/v1/audio/speech")
        async def speak(body: SpeechRequest, request: Request) -> Response:
            require_model(body.model, self._settings.model_name)
            if len(body.input) > self._settings.max_characters:
                raise bad_request(
                    "too_long",
                    f"input: {len(body.input)} characters, allowed are "
                    f"{self._settings.max_characters}",
                    "input",
                )
            try:
                (spoken,) = await unless_client_leaves(
                    request, self._queue.do([body], patience_s=patience_s(request))
                )
            except ClientGoneError:
                return client_gone()
            form = body.response_format
            sound = await asyncio.to_thread(write_audio, spoken.samples, spoken.rate, form)
            return Response(sound, media_type=MEDIA_TYPES[form])

        return router

    async def _speak(self, bodies: Sequence[SpeechRequest]) -> list[_Spoken | UnitError]:
        return list(await asyncio.gather(*(self._speak_one(body) for body in bodies)))

    async def _speak_one(self, body: SpeechRequest) -> _Spoken | UnitError:
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            samples, rate = await synthesise(self._settings, body.input, body.voice, body.speed)
        except (RefusedError, ChildFailedError) as error:
            return error  # of this text: the others of its turn are spoken
        self._metrics.spoke(len(samples) / rate, loop.time() - began)
        return _Spoken(samples, rate)

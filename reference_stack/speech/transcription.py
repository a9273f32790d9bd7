"""POST /v1/audio/transcriptions, in OpenAI's form."""

from __future__ import annotations

import asyncio
import math
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Literal

from fastapi import APIRouter, File, Form, Request, UploadFile
from starlette.responses import JSONResponse, PlainTextResponse, Response

from reference_stack.serving.leaving import (
    ClientGoneError,
    client_gone,
    patience_s,
    unless_client_leaves,
)
from reference_stack.serving.problem import Problem, bad_request, too_large
from reference_stack.speech.audio import Samples, UnusableAudioError, read_audio
from reference_stack.speech.tasks import HearOptions

if TYPE_CHECKING:
    from reference_stack.speech.service import SpeechService, Transcript

TRANSCRIPTIONS = "/v1/audio/transcriptions"
# Whatever the site serves: a client that may fail over to another site can't name the model.
_ANY_MODEL = "default"
_MAX_PROMPT_CHARACTERS = 1000

ResponseFormat = Literal["json", "text", "verbose_json"]
_FIELDS = frozenset(("file", "model", "language", "prompt", "temperature", "response_format"))
# Files that are decoded at once: each takes memory and a processor that chats need.
_DECODED_AT_ONCE = 2


def transcription_routes(service: SpeechService) -> APIRouter:
    """The endpoint over `service`."""
    router = APIRouter()
    decoding = asyncio.Semaphore(_DECODED_AT_ONCE)

    @router.post(TRANSCRIPTIONS)
    async def transcribe(  # noqa: PLR0917 - a form's fields
        request: Request,
        file: Annotated[UploadFile, File()],
        model: Annotated[str, Form()] = _ANY_MODEL,
        language: Annotated[str | None, Form()] = None,
        prompt: Annotated[str, Form(max_length=_MAX_PROMPT_CHARACTERS)] = "",
        temperature: Annotated[float, Form(ge=0, le=1)] = 0.0,
        response_format: Annotated[ResponseFormat, Form()] = "json",
    ) -> Response:
        if unknown := sorted((await request.form()).keys() - _FIELDS):
            raise bad_request("invalid_request", f"{unknown[0]}: is not served here", unknown[0])
        require_model(model, service.settings.model_name)
        options = HearOptions(
            service.language(language), prompt, temperature, response_format == "verbose_json"
        )
        samples = await _read(file, service, decoding)
        try:
            transcript = await unless_client_leaves(
                request, service.transcribe(samples, options, patience_s(request))
            )
        except ClientGoneError:
            return client_gone()
        if response_format == "text":
            return PlainTextResponse(transcript.text + "\n")
        if response_format == "json":
            usage = {"type": "duration", "seconds": round(transcript.duration_s, 2)}
            return JSONResponse({"text": transcript.text, "usage": usage})
        return JSONResponse(_verbose(transcript, options.language))

    return router


def require_model(asked: str, served: str) -> None:
    """Raises Problem (404) unless `asked` is the served model's name, or "default"."""
    if asked not in {_ANY_MODEL, served}:
        raise Problem(
            HTTPStatus.NOT_FOUND,
            "model_not_found",
            f"model: {asked!r} is not served here, allowed are {served!r} and {_ANY_MODEL!r}",
            param="model",
        )


async def _read(file: UploadFile, service: SpeechService, decoding: asyncio.Semaphore) -> Samples:
    limit = service.settings.max_upload_bytes
    content = await file.read(limit + 1)
    if len(content) > limit:
        raise too_large(limit, "file")
    try:
        async with decoding:
            return await asyncio.to_thread(read_audio, content, service.settings.max_audio_s)
    except UnusableAudioError as error:
        raise bad_request("unusable_audio", f"file: {error}", "file") from error


def _known(measure: float) -> float | None:
    """JSON knows no infinity, which is what text that a model finds impossible has."""
    return measure if math.isfinite(measure) else None


def _verbose(transcript: Transcript, language: str) -> dict[str, object]:
    segments = [
        {
            "id": number,
            "seek": round(window.start_s * 100),
            "start": round(window.start_s + segment.start_s, 2),
            "end": round(window.start_s + segment.end_s, 2),
            "text": segment.text,
            "tokens": list(segment.tokens),
            "temperature": heard.temperature,
            "avg_logprob": _known(heard.mean_log_probability),
            "compression_ratio": heard.compression,
            "no_speech_prob": _known(heard.no_speech),
        }
        for number, (window, heard, segment) in enumerate(
            (window, heard, segment)
            for window, heard in transcript.parts
            for segment in heard.segments
        )
    ]
    return {
        "task": "transcribe",
        "language": language,
        "duration": round(transcript.duration_s, 2),
        "text": transcript.text,
        "segments": segments,
        "usage": {"type": "duration", "seconds": round(transcript.duration_s, 2)},
    }

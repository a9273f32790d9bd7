"""POST /v1/audio/transcriptions, in OpenAI's form."""

from __future__ import annotations

import asyncio
import math
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Annotated, Literal

from fastapi import APIRouter, File, Form, Request, UploadFile
from starlette.responses import JSONResponse, PlainTextResponse, Response

from reference_stack.serving.leaving import (
    ClientGoneError,
    client_gone,
    patience_s,
    unless_client_leaves,
)
from reference_stack.serving.model_names import ANY_MODEL, require_model
from reference_stack.serving.problem import bad_request, too_large
from reference_stack.speech.audio import Samples, UnusableAudioError, read_audio
from reference_stack.speech.settings import SpeechSettings
from reference_stack.speech.tasks import HearOptions
from reference_stack.speech.transcriber import Transcriber, Transcript

TRANSCRIPTIONS = "/v1/audio/transcriptions"
_MAX_PROMPT_CHARACTERS = 1000

ResponseFormat = Literal["json", "text", "verbose_json"]
_FIELDS = frozenset(("file", "model", "language", "prompt", "temperature", "response_format"))
# Files that are decoded at once: each takes memory and a processor that chats need. In threads of
# their own, since a thread whose client has left still has its file to finish.
_DECODED_AT_ONCE = 2


def transcription_routes(transcriber: Transcriber) -> APIRouter:
    """The endpoint over `transcriber`."""
    router = APIRouter()
    decoding = ThreadPoolExecutor(_DECODED_AT_ONCE, thread_name_prefix="sound-files")

    @router.post(TRANSCRIPTIONS)
    async def transcribe(  # noqa: PLR0917 - a form's fields
        request: Request,
        file: Annotated[UploadFile, File()],
        model: Annotated[str, Form()] = ANY_MODEL,
        language: Annotated[str | None, Form()] = None,
        prompt: Annotated[str, Form(max_length=_MAX_PROMPT_CHARACTERS)] = "",
        temperature: Annotated[float, Form(ge=0, le=1)] = 0.0,
        response_format: Annotated[ResponseFormat, Form()] = "json",
    ) -> Response:
        if unknown := sorted((await request.form()).keys() - _FIELDS):
            raise bad_request("invalid_request", f"{unknown[0]}: is not served here", unknown[0])
        require_model(model, transcriber.settings.model_name)
        options = HearOptions(
            transcriber.language(language), prompt, temperature, response_format == "verbose_json"
        )
        patience = patience_s(request)

        async def heard() -> Transcript:
            # A file waits and is decoded only when its sound will find a place.
            with transcriber.place():
                samples = await _read(file, transcriber.settings, decoding)
            return await transcriber.transcribe(samples, options, patience, admitted=True)

        try:
            transcript = await unless_client_leaves(request, heard())
        except ClientGoneError:
            return client_gone()
        if response_format == "text":
            return PlainTextResponse(transcript.text + "\n")
        if response_format == "json":
            usage = {"type": "duration", "seconds": round(transcript.duration_s, 2)}
            return JSONResponse({"text": transcript.text, "usage": usage})
        return JSONResponse(_verbose(transcript, options.language))

    return router


async def _read(file: UploadFile, settings: SpeechSettings, decoding: Executor) -> Samples:
    limit = settings.max_upload_bytes
    if (file.size or 0) > limit:
        raise too_large(limit, "file")
    loop = asyncio.get_running_loop()
    try:
        return await loop.run_in_executor(
            decoding, lambda: read_audio(file.file.read(limit), settings.max_audio_s)
        )
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

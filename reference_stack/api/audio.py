"""/v1/audio: recordings into words and words into sound, by the site's inference, OpenAI's form.

Whatever model a request names, the site's own answers: a client of OpenAI's must name one, and its
next request may be another site's. Nothing that is heard or said is kept here.
"""

from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Request
from pydantic import Field
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.responses import Response, StreamingResponse

from reference_stack.api.bodies import limited_stream
from reference_stack.api.inference_client import ANY_MODEL, inference_problems
from reference_stack.api.models import Document, StorableText
from reference_stack.api.problems import (
    AUDIO_REFUSED,
    AUDIO_TOO_LARGE,
    INVALID_REQUEST,
    ProblemError,
)
from reference_stack.api.services import ServicesDependency
from reference_stack.serving.held_stream import HeldStream
from reference_stack.serving.leaving import ClientGoneError, client_gone, unless_client_leaves

router = APIRouter()

MOST_FIELDS: Final = 20
FIELD_LIMIT_BYTES: Final = 16 * 1024
#: What a form is larger than the recording in it.
FORM_BYTES: Final = 64 * 1024
NOT_KEPT: Final = {"Cache-Control": "no-store"}

_FORM: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        "file": {"type": "string", "format": "binary"},
                        "model": {"type": "string", "description": "any: the site's is used"},
                        "language": {"type": "string", "description": "as pt or en"},
                        "prompt": {"type": "string"},
                        "temperature": {"type": "number", "minimum": 0, "maximum": 1},
                        "response_format": {"enum": ["json", "text", "verbose_json"]},
                    },
                }
            }
        },
    }
}


class SpeechRequest(Document):
    """A text to be spoken; ``model`` may be any, the site's own is used."""

    input: StorableText = Field(min_length=1, max_length=4096)
    model: str = Field(default=ANY_MODEL, max_length=100)
    voice: StorableText = Field(default="alloy", min_length=1, max_length=80)
    response_format: Annotated[str, Field(pattern=r"^[a-z0-9]{2,8}$")] = "mp3"
    speed: float = Field(default=1.0, ge=0.25, le=4)
    stream_format: Literal["audio"] | None = None


@router.post(
    "/v1/audio/transcriptions",
    response_class=Response,
    openapi_extra=_FORM,
    responses={200: {"content": {"application/json": {}, "text/plain": {}},
                     "description": "the words, in the form that was asked for"}},
)  # fmt: skip
async def transcribe(request: Request, services: ServicesDependency) -> Response:
    """What is said in a recording (WAV, MP3, FLAC, Ogg), as OpenAI's route of this name tells it.

    The recording waits on the disk, not in memory, until all of it has come.
    """
    file, fields = await _form(request, services.settings.audio_size_limit_bytes)
    try:
        with inference_problems(AUDIO_REFUSED):
            heard = await unless_client_leaves(
                request,
                services.inference.ask(
                    "/v1/audio/transcriptions",
                    timeout_s=services.settings.audio_timeout_s,
                    data={**fields, "model": ANY_MODEL},
                    files={"file": (file.filename, file.file, file.content_type)},
                ),
            )
    except ClientGoneError:
        return client_gone()
    finally:
        await file.close()
    return Response(heard.content, headers=NOT_KEPT, media_type=heard.headers.get("Content-Type"))


async def _form(request: Request, limit_bytes: int) -> tuple[UploadFile, dict[str, list[str]]]:
    """The form's file, open, and its other fields; raises `ProblemError` for what is none."""
    if not request.headers.get("Content-Type", "").startswith("multipart/form-data"):
        raise ProblemError(INVALID_REQUEST, "Content-Type: multipart/form-data is needed")
    body = limited_stream(request, limit_bytes + FORM_BYTES, AUDIO_TOO_LARGE)
    parser = MultiPartParser(
        request.headers, body, max_files=1, max_fields=MOST_FIELDS, max_part_size=FIELD_LIMIT_BYTES
    )
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise ProblemError(INVALID_REQUEST, f"body: {error.message}") from error
    fields: dict[str, list[str]] = {}
    file: UploadFile | None = None
    for name, value in form.multi_items():
        if isinstance(value, str):
            fields.setdefault(name, []).append(value)
        elif name == "file":
            file = value
        else:
            await value.close()
    if file is None:
        raise ProblemError(INVALID_REQUEST, "file: a recording is needed")
    return file, fields


@router.post(
    "/v1/audio/speech",
    response_class=StreamingResponse,
    responses={200: {"content": {"audio/*": {}}, "description": "the sound"}},
)
async def speak(body: SpeechRequest, request: Request, services: ServicesDependency) -> Response:
    """A text as sound, passed on as it comes."""
    asked = {**body.model_dump(exclude_none=True), "model": ANY_MODEL}
    try:
        with inference_problems(AUDIO_REFUSED):
            answer = await unless_client_leaves(
                request,
                services.inference.begin(
                    "/v1/audio/speech", timeout_s=services.settings.audio_timeout_s, json=asked
                ),
            )
    except ClientGoneError:
        return client_gone()
    return HeldStream(
        answer.aiter_raw(), release=answer.aclose,
        headers=NOT_KEPT, media_type=answer.headers.get("Content-Type"),
    )  # fmt: skip

"""POST /v1/faces/embedding, /v1/faces/match and /v1/images/analysis."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.datastructures import UploadFile
from starlette.responses import JSONResponse, Response

from reference_stack.serving.body_limit import FORM_BYTES
from reference_stack.serving.child import ChildProcess
from reference_stack.serving.leaving import (
    ClientGoneError,
    client_gone,
    patience_s,
    unless_client_leaves,
)
from reference_stack.serving.problem import bad_request, too_large
from reference_stack.serving.work_queue import QueueLimits, WorkQueue
from reference_stack.vision.metrics import VisionMetrics
from reference_stack.vision.settings import FaceSettings, VisionSettings
from reference_stack.vision.tasks import FaceFound, FaceTask, ImageMeasures, ImageTask

_EMBEDDING, _ANALYSIS = "/v1/faces/embedding", "/v1/images/analysis"
WORKER = "reference_stack.vision.worker"
#: Numbers in an embedding.
EMBEDDING_SIZE = 128

# The network's own numbers are below 1; the bound keeps out what is no number, too.
Number = Annotated[float, Field(ge=-100, le=100)]
Embedding = Annotated[
    tuple[Number, ...], Field(min_length=EMBEDDING_SIZE, max_length=EMBEDDING_SIZE)
]
WindowCentre = Annotated[float | None, Query(ge=-1e6, le=1e6)]
WindowWidth = Annotated[float | None, Query(gt=0, le=1e6)]


class MatchRequest(BaseModel):
    """Two embeddings, and optionally a threshold other than the service's."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    one: Embedding
    other: Embedding
    threshold: Annotated[float, Field(gt=0, lt=2)] | None = None


class VisionService:
    """`face-login` and `image-analysis` of the design."""

    def __init__(self, settings: VisionSettings, metrics: VisionMetrics) -> None:
        self._settings = settings
        self._worker = ChildProcess(WORKER, settings, start_timeout_s=settings.start_timeout_s)
        self._queue: WorkQueue[FaceTask | ImageTask, FaceFound | ImageMeasures] = WorkQueue(
            self._work, QueueLimits(1, settings.max_queue, settings.queue_timeout_s), metrics
        )
        self._draining = False
        metrics.watch(lambda: self._queue.waiting, lambda: self._queue.running)
        self.router = APIRouter()
        if settings.faces is not None:
            self._add_faces(settings.faces)
        if settings.images:
            self._add_images()

    @property
    def name(self) -> str:
        """What of the two is served."""
        served = (("face-login", self._settings.faces), ("image-analysis", self._settings.images))
        return "+".join(name for name, wanted in served if wanted)

    @property
    def models(self) -> tuple[str, ...]:
        """The face model; measures of images need none."""
        return () if self._settings.faces is None else (self._settings.faces.model_name,)

    @property
    def body_limits(self) -> Mapping[str, int]:
        """See ModelService."""
        limit = self._settings.max_upload_bytes + FORM_BYTES
        return dict.fromkeys((_EMBEDDING, _ANALYSIS), limit)

    @property
    def status(self) -> str:
        """See ModelService."""
        if self._draining:
            return "draining"
        return self._worker.status

    @property
    def idle(self) -> bool:
        """Whether nothing is under way."""
        return self._queue.idle

    async def start(self) -> None:
        """Begin to load the model if it is to be there from the start; returns at once."""
        if self._settings.preload:
            self._worker.preload()

    def drain(self) -> None:
        """Refuse what is new."""
        self._draining = True
        self._queue.drain()

    def give_up(self) -> None:
        """Fail what is under way."""
        self._queue.give_up()

    async def close(self) -> None:
        """End the worker."""
        await self._worker.end()

    def _add_faces(self, faces: FaceSettings) -> None:
        @self.router.post(_EMBEDDING)
        async def embedding(request: Request) -> Response:
            found = await self._ask(request, FaceTask(await self._content(request)))
            if not isinstance(found, FaceFound):
                return client_gone()
            return JSONResponse(
                {
                    "faces": found.faces,
                    "embedding": found.embedding,
                    "box": found.box,
                    "model": faces.model_name,
                    "threshold": faces.threshold,
                }
            )

        @self.router.post("/v1/faces/match")
        async def match(body: MatchRequest) -> dict[str, object]:
            apart = math.dist(body.one, body.other)
            threshold = body.threshold or faces.threshold
            return {"distance": apart, "threshold": threshold, "same": apart < threshold}

    def _add_images(self) -> None:
        @self.router.post(_ANALYSIS)
        async def analysis(
            request: Request, window_centre: WindowCentre = None, window_width: WindowWidth = None
        ) -> Response:
            if (window_centre is None) != (window_width is None):
                raise bad_request("invalid_request", "window_centre and window_width come together")
            window = (
                None
                if window_centre is None or window_width is None
                else (window_centre, window_width)
            )
            task = ImageTask(await self._content(request), window)
            measured = await self._ask(request, task)
            if not isinstance(measured, ImageMeasures):
                return client_gone()
            return JSONResponse(measured.document)

    async def _ask(
        self, request: Request, task: FaceTask | ImageTask
    ) -> FaceFound | ImageMeasures | None:
        """None when the client left meanwhile."""
        try:
            (result,) = await unless_client_leaves(
                request, self._queue.do([task], patience_s=patience_s(request))
            )
        except ClientGoneError:
            return None
        return result

    async def _content(self, request: Request) -> bytes:
        """The request's body, or the `file` of a form. Raises Problem."""
        limit = self._settings.max_upload_bytes
        if request.headers.get("content-type", "").startswith("multipart/form-data"):
            async with request.form(max_files=1, max_fields=1) as form:
                file = form.get("file")
                if not isinstance(file, UploadFile):
                    raise bad_request("invalid_request", "file: is missing in the form", "file")
                content = await file.read(limit + 1)
        else:
            content = await request.body()
        if len(content) > limit:
            raise too_large(limit)
        if not content:
            raise bad_request("invalid_request", "the body holds no image")
        return content

    async def _work(self, tasks: Sequence[FaceTask | ImageTask]) -> list[FaceFound | ImageMeasures]:
        return [await self._worker.call(tasks[0], self._settings.work_timeout_s)]

"""Settings of the face and image services."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

NonEmpty = Annotated[str, StringConstraints(min_length=1)]
Positive = Annotated[float, Field(gt=0)]


class FaceSettings(BaseModel):
    """`model_dir` holds dlib's two files; faces closer than `threshold` are taken for one person.

    Pictures are made no larger than `max_side_px` before faces are looked for.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    model_dir: Path
    model_name: NonEmpty
    threshold: Annotated[float, Field(gt=0, lt=2)] = 0.6
    max_side_px: Annotated[int, Field(ge=64, le=8192)] = 800


class VisionSettings(BaseModel):
    """Faces (`faces`) and medical images (`images`), by one worker process.

    Up to `max_queue` requests wait, each at most `queue_timeout_s`; one that takes longer than
    `work_timeout_s` ends the worker, one that needs more than `max_memory_bytes` is refused (on
    Linux; a small file can unpack to any size). The worker yields to others by `niceness`; with
    `preload` it starts with the service, else with the first request.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    faces: FaceSettings | None = None
    images: bool = False
    max_queue: Annotated[int, Field(ge=0)] = 32
    queue_timeout_s: Positive = 10.0
    work_timeout_s: Positive = 30.0
    start_timeout_s: Positive = 60.0
    max_upload_bytes: Annotated[int, Field(ge=1)] = 30 * 1024**2
    max_pixels: Annotated[int, Field(ge=1)] = 40_000_000
    max_memory_bytes: Annotated[int, Field(ge=512 * 1024**2)] = 4 * 1024**3
    niceness: Annotated[int, Field(ge=0, le=19)] = 5
    preload: bool = False

"""What the service asks of its worker, and what it gets."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class FaceTask:
    """A picture (JPEG, PNG, …) to find faces in."""

    content: bytes


@dataclass(frozen=True)
class ImageTask:
    """A medical image: DICOM, or a picture.

    `window` is the centre and width to be shown, in the image's values (Hounsfield units for
    computed tomography); None takes the file's own, or its 1st to 99th percentile.
    """

    content: bytes
    window: tuple[float, float] | None = None


@dataclass(frozen=True)
class FaceFound:
    """The largest face: where (left, top, right, bottom in pixels), and its 128 numbers."""

    faces: int
    embedding: tuple[float, ...] | None
    box: tuple[int, int, int, int] | None


@dataclass(frozen=True)
class ImageMeasures:
    """What was measured, ready for JSON."""

    document: dict[str, object]

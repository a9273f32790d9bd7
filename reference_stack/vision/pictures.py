"""Bytes of a picture become pixels, within bounds."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from reference_stack.serving.child import RefusedError

#: What the readers of images stumble over when the file is to blame.
UNREADABLE: Final = (
    ArithmeticError, AttributeError, EOFError, Image.DecompressionBombError, LookupError,
    NotImplementedError, OSError, RuntimeError, SyntaxError, TypeError, ValueError, struct.error,
    zlib.error,
)  # fmt: skip
_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF")


def read_picture(content: bytes, max_pixels: int, mode: str) -> Image.Image:
    """The picture, turned as its EXIF says, in this mode (RGB, L).

    Raises RefusedError: no picture, or too large (decided before it is decoded).
    """
    try:
        with Image.open(io.BytesIO(content), formats=_FORMATS) as picture:
            if picture.width * picture.height > max_pixels:
                raise RefusedError(
                    f"the picture has {picture.width} x {picture.height} pixels, allowed are "
                    f"{max_pixels:,} in all"
                )
            return ImageOps.exif_transpose(picture).convert(mode)
    except UNREADABLE as error:
        # Not its words, which name addresses of this process.
        raise RefusedError(
            f"not a picture that can be read ({type(error).__name__}), allowed are "
            f"{', '.join(_FORMATS)}"
        ) from error


def at_most(picture: Image.Image, side_px: int) -> tuple[NDArray[np.uint8], float]:
    """Its pixels, made smaller if a side is longer, and by which factor (≤ 1)."""
    factor = min(1.0, side_px / max(picture.size))
    if factor < 1:
        size = (max(1, round(picture.width * factor)), max(1, round(picture.height * factor)))
        picture = picture.resize(size, Image.Resampling.LANCZOS)
    return np.asarray(picture, dtype=np.uint8), factor

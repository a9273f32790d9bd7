"""Measures of a medical image: plain image processing that says nothing about a disease.

DICOM values are brought to their unit by the file's own rescale slope and intercept (Hounsfield
units for computed tomography), pictures are grey values of 0 to 255. Nothing that identifies a
patient is read out of the file.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.multival import MultiValue
from pydicom.pixels.processing import apply_modality_lut
from scipy.ndimage import convolve
from skimage.filters import laplace, threshold_otsu
from skimage.measure import label, regionprops, shannon_entropy

from reference_stack.serving.child import RefusedError
from reference_stack.vision.pictures import UNREADABLE, read_picture
from reference_stack.vision.tasks import ImageMeasures, ImageTask

DISCLAIMER: Final = (
    "Image measures by plain image processing. Not a medical device and not a diagnosis."
)
_DICOM_MARK = slice(128, 132)
_LARGEST_REGIONS = 3
_HOUNSFIELD_MODALITIES = {"CT"}
# Beyond every unit of a medical image; squares of such values are still numbers.
_LARGEST_VALUE = 1e12
# Smaller specks than this share of the image are noise, not regions.
_SMALLEST_REGION = 0.001

_IMMERKAER: Final = np.array([[1.0, -2.0, 1.0], [-2.0, 4.0, -2.0], [1.0, -2.0, 1.0]])

Values = NDArray[np.float64]


@dataclass(frozen=True)
class _Image:
    """`inverted` images show their low values bright (DICOM's MONOCHROME1)."""

    values: Values
    kind: str
    unit: str
    spacing_mm: tuple[float, float] | None = None
    window: tuple[float, float] | None = None
    frames: int = 1
    inverted: bool = False
    description: dict[str, object] | None = None


def measure(task: ImageTask, max_pixels: int) -> ImageMeasures:
    """Size, window, quality and regions. Raises RefusedError for what is no image."""
    image = _read(task.content, max_pixels)
    values = image.values
    low, high = _window(image, task.window)
    shown = np.clip((values - low) / (high - low), 0, 1)
    if image.inverted:
        shown = 1 - shown
    quantiles = np.quantile(values, [0.01, 0.5, 0.99])
    return ImageMeasures(
        {
            "kind": image.kind,
            **(image.description or {}),
            "width_px": values.shape[1],
            "height_px": values.shape[0],
            "frames": image.frames,
            "pixel_spacing_mm": image.spacing_mm,
            "values": {
                "unit": image.unit,
                "lowest": float(values.min()),
                "highest": float(values.max()),
                "mean": float(values.mean()),
                "standard_deviation": float(values.std()),
                "percentile_1": float(quantiles[0]),
                "median": float(quantiles[1]),
                "percentile_99": float(quantiles[2]),
            },
            "window": {"centre": (low + high) / 2, "width": high - low},
            "quality": _quality(shown),
            "regions": _regions(shown, image.spacing_mm),
            "disclaimer": DISCLAIMER,
        }
    )


def _window(image: _Image, asked: tuple[float, float] | None) -> tuple[float, float]:
    """The lowest and highest value shown."""
    centre_width = asked or image.window
    if centre_width is not None and centre_width[1] > 0:
        centre, width = centre_width
        return centre - width / 2, centre + width / 2
    low, high = np.quantile(image.values, [0.01, 0.99])
    return (float(low), float(high)) if high > low else (float(low), float(low) + 1)


def _quality(shown: Values) -> dict[str, object]:
    """Of the windowed image, whose values lie between 0 and 1.

    Sharpness is the variance of the Laplacian, noise the deviation that Immerkær's filter finds
    (1996, "Fast noise variance estimation": blind to edges), contrast the standard deviation,
    entropy in bits a pixel.
    """
    return {
        "sharpness": float(np.var(laplace(shown))),
        "noise": noise(shown),
        "contrast": float(shown.std()),
        "entropy_bits": float(shannon_entropy(np.round(shown * 255).astype(np.uint8))),
        "share_at_black": float(np.mean(shown <= 0)),
        "share_at_white": float(np.mean(shown >= 1)),
    }


def noise(values: Values) -> float:
    """The standard deviation of what changes from pixel to pixel (Immerkær 1996, equation 6)."""
    rows, columns = values.shape
    if rows <= 2 or columns <= 2:  # noqa: PLR2004 - the filter's own size
        return 0.0
    found = convolve(values, _IMMERKAER)[1:-1, 1:-1]
    return float(np.sqrt(np.pi / 2) * np.abs(found).sum() / (6 * found.size))


def _regions(shown: Values, spacing_mm: tuple[float, float] | None) -> dict[str, object]:
    """The largest connected bright areas, parted from the dark by Otsu's threshold."""
    if shown.min() == shown.max():
        return {"threshold": None, "largest": []}
    threshold = float(threshold_otsu(shown))
    labels = label(shown > threshold)
    # Only the largest are measured one by one: noise has as many regions as it has pixels.
    areas = np.bincount(labels.ravel())
    areas[0] = 0  # the dark
    largest = np.argsort(-areas, kind="stable")[:_LARGEST_REGIONS]
    kept = [number for number in largest if areas[number] >= _SMALLEST_REGION * shown.size]
    return {
        "threshold": threshold,
        "largest": [
            _region(regionprops((labels == number).view(np.uint8))[0], spacing_mm)
            for number in kept
        ],
    }


def _region(region: Any, spacing_mm: tuple[float, float] | None) -> dict[str, object]:
    top, left, bottom, right = region.bbox
    measures: dict[str, object] = {
        "area_px": int(region.area),
        "box_px": [left, top, right, bottom],
        "centre_px": [float(region.centroid[1]), float(region.centroid[0])],
        "eccentricity": float(region.eccentricity),
    }
    if spacing_mm is not None:
        row_mm, column_mm = spacing_mm
        measures["area_mm2"] = float(region.area) * row_mm * column_mm
        measures["box_mm"] = [(right - left) * column_mm, (bottom - top) * row_mm]
    return measures


def _read(content: bytes, max_pixels: int) -> _Image:
    if content[_DICOM_MARK] == b"DICM":
        return _dicom(content, max_pixels)
    pixels = read_picture(content, max_pixels, "L")
    return _Image(np.asarray(pixels, dtype=np.float64), "picture", "grey value")


def _dicom(content: bytes, max_pixels: int) -> _Image:
    try:
        return _dicom_image(pydicom.dcmread(io.BytesIO(content)), max_pixels)
    except (BytesLengthException, InvalidDicomError, *UNREADABLE) as error:
        # Not its words, which may quote the file, and so name the patient.
        raise RefusedError(
            f"not a DICOM image that can be read ({type(error).__name__})"
        ) from error


def _dicom_image(dataset: Any, max_pixels: int) -> _Image:
    frames = int(dataset.get("NumberOfFrames", 1) or 1)
    samples = int(dataset.get("SamplesPerPixel", 1))
    pixels = int(dataset.Rows) * int(dataset.Columns) * frames * samples
    if pixels > max_pixels:
        raise RefusedError(f"the image has {pixels:,} values, allowed are {max_pixels:,}")
    values = np.asarray(apply_modality_lut(dataset.pixel_array, dataset), dtype=np.float64)
    if samples > 1:
        values = values.mean(axis=-1)
    if frames > 1:
        values = values[frames // 2]  # the middle one stands for the series
    if not np.abs(values).max() <= _LARGEST_VALUE:
        raise RefusedError("the image holds values that are no numbers, or are beyond 1e12")
    modality = str(dataset.get("Modality", "unknown"))
    return _Image(
        values,
        "dicom",
        "HU" if modality in _HOUNSFIELD_MODALITIES else "stored value",
        spacing_mm=_pair(dataset.get("PixelSpacing")),
        window=_own_window(dataset),
        frames=frames,
        inverted=dataset.get("PhotometricInterpretation") == "MONOCHROME1",
        description={
            "modality": modality,
            "photometric_interpretation": str(dataset.get("PhotometricInterpretation", "unknown")),
            "bits_stored": int(dataset.get("BitsStored", 0)),
        },
    )


def _own_window(dataset: Any) -> tuple[float, float] | None:
    """Centre and width; a file may have several, of which the first is meant."""
    centre, width = dataset.get("WindowCenter"), dataset.get("WindowWidth")
    return _numbers([_first(centre), _first(width)])


def _first(value: Any) -> Any:
    return next(iter(value), None) if isinstance(value, MultiValue) else value


def _pair(value: Any) -> tuple[float, float] | None:
    """Rows' and columns' distance, if the file has both."""
    found = _numbers(value) if isinstance(value, MultiValue) else None
    return found if found is not None and min(found) > 0 else None


def _numbers(values: Sequence[Any]) -> tuple[float, float] | None:
    """The first two, if both are numbers that JSON can hold."""
    if len(values) < 2 or any(value is None or value == "" for value in values[:2]):  # noqa: PLR2004
        return None
    one, other = float(values[0]), float(values[1])
    return (one, other) if max(abs(one), abs(other)) <= _LARGEST_VALUE else None

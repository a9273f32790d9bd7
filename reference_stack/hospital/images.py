"""Medical images that show nobody: phantoms drawn from ellipses and noise, as DICOM or PNG.

A chest film, a head slice (the Shepp–Logan head phantom as modified by Toft, 1996) and an
ultrasound of a cyst (fully developed speckle: Rayleigh amplitudes, compressed by a logarithm). They
have the shape, depth and headers of real images and no diagnosis in them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from typing import Any, Final, Literal
from uuid import NAMESPACE_URL, UUID, uuid5

import numpy as np
import numpy.typing as npt
from PIL import Image
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import (
    UID,
    ComputedRadiographyImageStorage,
    CTImageStorage,
    ExplicitVRLittleEndian,
    UltrasoundImageStorage,
)
from scipy.ndimage import gaussian_filter

from reference_stack.hospital.patients import Patient

Modality = Literal["CR", "CT", "US"]
Pixels = npt.NDArray[np.float64]

MODALITIES: Final[tuple[Modality, ...]] = ("CR", "CT", "US")
TITLES: Final[dict[Modality, str]] = {
    "CR": "Radiografia de tórax (simulada)",
    "CT": "Tomografia de crânio (simulada)",
    "US": "Ultrassonografia abdominal (simulada)",
}
_CLASSES: Final = {
    "CR": ComputedRadiographyImageStorage, "CT": CTImageStorage, "US": UltrasoundImageStorage,
}  # fmt: skip
STREAM: Final = 9
#: Names this writer of DICOM files, as the standard asks (PS3.10).
IMPLEMENTATION_UID: Final = f"2.25.{uuid5(NAMESPACE_URL, 'prontuario:dicom-writer').int}"
SIDE_PIXELS: Final = 512
BITS: Final = 12

# Toft's modified Shepp–Logan phantom: value, half axes, centre, angle in degrees.
_HEAD: Final = (
    (1.0, 0.69, 0.92, 0.0, 0.0, 0.0), (-0.8, 0.6624, 0.8740, 0.0, -0.0184, 0.0),
    (-0.2, 0.11, 0.31, 0.22, 0.0, -18.0), (-0.2, 0.16, 0.41, -0.22, 0.0, 18.0),
    (0.1, 0.21, 0.25, 0.0, 0.35, 0.0), (0.1, 0.046, 0.046, 0.0, 0.1, 0.0),
    (0.1, 0.046, 0.046, 0.0, -0.1, 0.0), (0.1, 0.046, 0.023, -0.08, -0.605, 0.0),
    (0.1, 0.023, 0.023, 0.0, -0.606, 0.0), (0.1, 0.023, 0.046, 0.06, -0.605, 0.0),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class MedicalImage:
    """Pixels between 0 (dark) and 1 (bright), rows × columns, of a patient."""

    patient: Patient
    modality: Modality
    taken_at: datetime
    pixels: Pixels

    @property
    def title(self) -> str:
        return TITLES[self.modality]


def medical_image(
    seed: int, patient: Patient, modality: Modality, taken_at: datetime
) -> MedicalImage:
    """The patient's image of a modality: the same for the same seed."""
    entropy = [seed, STREAM, MODALITIES.index(modality), patient.id.int >> 64]
    generator = np.random.default_rng(np.random.SeedSequence(entropy))
    draw = {"CR": _chest, "CT": _head, "US": _ultrasound}[modality]
    return MedicalImage(patient, modality, taken_at, np.clip(draw(generator), 0.0, 1.0))


def _grid() -> tuple[Pixels, Pixels]:
    axis = np.linspace(-1.0, 1.0, SIDE_PIXELS)
    across, down = np.meshgrid(axis, axis)
    return across, -down


def _ellipse(
    half_x: float, half_y: float, x: float, y: float, angle_deg: float = 0.0
) -> npt.NDArray[np.bool_]:
    across, up = _grid()
    angle = np.deg2rad(angle_deg)
    along = (across - x) * np.cos(angle) + (up - y) * np.sin(angle)
    aside = -(across - x) * np.sin(angle) + (up - y) * np.cos(angle)
    inside: npt.NDArray[np.bool_] = (along / half_x) ** 2 + (aside / half_y) ** 2 <= 1.0
    return inside


def _head(generator: np.random.Generator) -> Pixels:
    scale = 1.0 + 0.03 * generator.standard_normal()
    head = np.zeros((SIDE_PIXELS, SIDE_PIXELS))
    for value, half_x, half_y, x, y, angle in _HEAD:
        head += value * _ellipse(half_x * scale, half_y * scale, x, y, angle)
    return gaussian_filter(head, 0.8) + 0.02 * generator.standard_normal(head.shape)


def _chest(generator: np.random.Generator) -> Pixels:
    across, up = _grid()
    film = 0.25 + 0.5 * np.exp(-((across / 0.9) ** 4) - ((up + 0.1) / 1.1) ** 4)
    width = 0.30 * (1.0 + 0.05 * generator.standard_normal())
    lungs = _ellipse(width, 0.62, -0.40, 0.05, 6) | _ellipse(width, 0.62, 0.40, 0.05, -6)
    film = film - 0.42 * gaussian_filter(lungs.astype(np.float64), 6)
    heart = _ellipse(0.27 * (1 + 0.06 * generator.standard_normal()), 0.30, 0.10, -0.22, 35)
    film += 0.30 * gaussian_filter(heart.astype(np.float64), 8)
    film += 0.25 * np.exp(-((across / 0.09) ** 2))
    for rib in range(9):
        centre = 0.62 - 0.15 * rib
        arc = up - (centre - 0.22 * across**2)
        film += 0.06 * np.exp(-((arc / 0.022) ** 2)) * (np.abs(across) < 0.78)  # noqa: PLR2004
    film -= 0.2 * (up < -0.62 - 0.05 * np.cos(3 * across)) * np.exp(-((across / 0.2) ** 2))
    return gaussian_filter(film, 1.2) + 0.015 * generator.standard_normal(film.shape)


def _ultrasound(generator: np.random.Generator) -> Pixels:
    across, up = _grid()
    depth = (1.0 - up) / 2.0
    tissue = np.where(_ellipse(0.24, 0.20, 0.1, 0.05), 0.02, 1.0) * np.exp(-1.2 * depth)
    real, imaginary = generator.standard_normal((2, SIDE_PIXELS, SIDE_PIXELS))
    echo = tissue * np.hypot(
        gaussian_filter(real, (1.0, 2.5)), gaussian_filter(imaginary, (1, 2.5))
    )
    compressed = np.log1p(60.0 * echo) / np.log1p(20.0)
    sector = (np.abs(np.arctan2(across, 1.15 - up)) < 0.62) & (depth > 0.02)  # noqa: PLR2004
    return np.where(sector, compressed, 0.0)


def png(image: MedicalImage) -> bytes:
    """The image as an 8-bit grey PNG."""
    target = BytesIO()
    grey = (255.0 * image.pixels).round().astype(np.uint8)
    Image.fromarray(grey).save(target, format="PNG", optimize=False)
    return target.getvalue()


def dicom(image: MedicalImage) -> bytes:
    """The image as a DICOM file (12 bits, explicit little endian), marked as of a phantom."""
    study, kind = _uid(image, "study"), _CLASSES[image.modality]
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = kind
    meta.MediaStorageSOPInstanceUID = _uid(image, "instance")
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = UID(IMPLEMENTATION_UID)
    dataset = FileDataset(BytesIO(), Dataset(), file_meta=meta, preamble=b"\0" * 128)
    _describe(dataset, image, study)
    stored = ((2**BITS - 1) * image.pixels).round().astype("<u2")
    for name, value in {
        "SamplesPerPixel": 1, "PhotometricInterpretation": "MONOCHROME2", "Rows": stored.shape[0],
        "Columns": stored.shape[1], "BitsAllocated": 16, "BitsStored": BITS, "HighBit": BITS - 1,
        "PixelRepresentation": 0, "WindowCenter": 2 ** (BITS - 1), "WindowWidth": 2**BITS,
        "PixelData": stored.tobytes(),
    }.items():  # fmt: skip
        setattr(dataset, name, value)
    target = BytesIO()
    dataset.save_as(target, enforce_file_format=True)
    return target.getvalue()


def _describe(dataset: Dataset, image: MedicalImage, study: UID) -> None:
    patient, at = image.patient, image.taken_at
    values: dict[str, Any] = {
        "SpecificCharacterSet": "ISO_IR 192",
        "ImageType": ["DERIVED", "SECONDARY", "OTHER"],
        "SOPClassUID": _CLASSES[image.modality], "SOPInstanceUID": _uid(image, "instance"),
        "StudyInstanceUID": study, "SeriesInstanceUID": _uid(image, "series"),
        "StudyDate": at.strftime("%Y%m%d"), "StudyTime": at.strftime("%H%M%S"),
        "AccessionNumber": "", "ReferringPhysicianName": "", "StudyID": "1", "SeriesNumber": 1,
        "InstanceNumber": 1, "Modality": image.modality, "Manufacturer": "Prontuario testbed",
        "PatientName": f"{patient.family}^{patient.given}",
        "PatientID": patient.medical_record_number,
        "PatientBirthDate": patient.birth_date.strftime("%Y%m%d"),
        "PatientSex": "F" if patient.sex == "female" else "M",
        "QualityControlImage": "YES",
        "ImageComments": "SYNTHETIC PHANTOM - not a real patient",
    }  # fmt: skip
    for name, value in values.items():
        setattr(dataset, name, value)


def _uid(image: MedicalImage, what: str) -> UID:
    """A UID under 2.25, the root of UUIDs (ISO/IEC 9834-8): no registration, no collision."""
    name = f"prontuario:{image.patient.id}:{image.modality}:{image.taken_at.isoformat()}:{what}"
    identity: UUID = uuid5(NAMESPACE_URL, name)
    return UID(f"2.25.{identity.int}")

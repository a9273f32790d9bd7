"""Measures of images whose truth is known, and of DICOM files that come with pydicom."""

import io

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.data import get_testdata_file

from reference_stack.serving.child import RefusedError
from reference_stack.vision.images import measure, noise
from reference_stack.vision.tasks import ImageTask

PIXELS = 1_000_000


def png(values: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(values.astype(np.uint8)).save(file, "PNG")
    return file.getvalue()


def document(content: bytes, window=None) -> dict:
    return measure(ImageTask(content, window), PIXELS).document


def dicom(name: str) -> bytes:
    return open(get_testdata_file(name, download=False), "rb").read()  # noqa: PTH123


def test_a_bright_rectangle_is_found_with_its_size_and_place():
    values = np.full((100, 200), 30)
    values[20:60, 50:150] = 220
    found = document(png(values))
    assert (found["width_px"], found["height_px"]) == (200, 100)
    (region,) = found["regions"]["largest"]
    assert region["area_px"] == 40 * 100
    assert region["box_px"] == [50, 20, 150, 60]
    assert region["centre_px"] == [99.5, 39.5]
    assert found["values"]["mean"] == pytest.approx(values.mean())
    assert "not a diagnosis" in found["disclaimer"]


@pytest.mark.parametrize("deviation", [0.01, 0.05, 0.1])
def test_noise_is_estimated_within_a_tenth_even_beside_an_edge(deviation):
    random = np.random.default_rng(3)
    values = np.full((256, 256), 0.3)
    values[:, 128:] = 0.7
    noisy = values + random.normal(scale=deviation, size=values.shape)
    assert noise(noisy) == pytest.approx(deviation, rel=0.1)


def test_a_blurred_image_is_less_sharp():
    random = np.random.default_rng(3)
    sharp = random.integers(0, 255, size=(128, 128))
    blurred = (sharp + np.roll(sharp, 1, 0) + np.roll(sharp, 1, 1)) / 3
    qualities = [document(png(values))["quality"]["sharpness"] for values in (sharp, blurred)]
    assert qualities[1] < qualities[0] / 2


def test_a_ct_is_in_hounsfield_units_and_square_millimetres():
    content = dicom("CT_small.dcm")
    dataset = pydicom.dcmread(io.BytesIO(content))
    found = document(content)
    slope, intercept = float(dataset.RescaleSlope), float(dataset.RescaleIntercept)
    units = dataset.pixel_array * slope + intercept
    assert (found["modality"], found["values"]["unit"]) == ("CT", "HU")
    assert found["values"]["lowest"] == units.min()
    assert found["values"]["highest"] == units.max()
    row_mm, column_mm = (float(size) for size in dataset.PixelSpacing)
    for region in found["regions"]["largest"]:
        assert region["area_mm2"] == pytest.approx(region["area_px"] * row_mm * column_mm)


def test_the_asked_window_is_what_is_shown():
    content = dicom("CT_small.dcm")
    narrow = document(content, window=(40.0, 1.0))
    assert narrow["window"] == {"centre": 40.0, "width": 1.0}
    shares = narrow["quality"]["share_at_black"] + narrow["quality"]["share_at_white"]
    assert shares > 0.9


def test_nothing_of_the_patient_is_told():
    content = dicom("CT_small.dcm")
    dataset = pydicom.dcmread(io.BytesIO(content))
    text = str(document(content))
    for value in (dataset.PatientName, dataset.PatientID, dataset.StudyInstanceUID):
        assert str(value) not in text


def test_an_even_image_has_no_regions_and_no_contrast():
    found = document(png(np.full((50, 50), 80)))
    assert found["regions"] == {"threshold": None, "largest": []}
    assert found["quality"]["contrast"] == 0


@pytest.mark.parametrize(
    "content",
    [b"", b"hello", bytes(300), bytes(128) + b"DICM", bytes(128) + b"DICM" + b"x" * 50],
)
def test_what_is_no_image_is_refused(content):
    with pytest.raises(RefusedError):
        document(content)


def test_a_dicom_file_without_a_picture_is_refused():
    with pytest.raises(RefusedError, match="DICOM"):
        document(dicom("rtplan.dcm"))


def test_too_large_an_image_is_refused_before_it_is_decoded():
    with pytest.raises(RefusedError, match="2000 x 1000"):
        document(png(np.zeros((1000, 2000))))
    with pytest.raises(RefusedError, match="16,384"):
        measure(ImageTask(dicom("CT_small.dcm")), 10_000)

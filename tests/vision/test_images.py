"""Measures of images whose truth is known, and of DICOM files that come with pydicom."""

import contextlib
import io
import json
import struct
import zlib
from typing import Any

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


def document(content: bytes, window: Any = None) -> dict:
    return measure(ImageTask(content, window), PIXELS).document


def dicom(name: str) -> bytes:
    return open(get_testdata_file(name, download=False), "rb").read()  # noqa: PTH123


def test_a_bright_rectangle_is_found_with_its_size_and_place() -> None:
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
def test_noise_is_estimated_within_a_tenth_even_beside_an_edge(deviation: float) -> None:
    random = np.random.default_rng(3)
    values = np.full((256, 256), 0.3)
    values[:, 128:] = 0.7
    noisy = values + random.normal(scale=deviation, size=values.shape)
    assert noise(noisy) == pytest.approx(deviation, rel=0.1)


def test_a_blurred_image_is_less_sharp() -> None:
    random = np.random.default_rng(3)
    sharp = random.integers(0, 255, size=(128, 128))
    blurred = (sharp + np.roll(sharp, 1, 0) + np.roll(sharp, 1, 1)) / 3
    qualities = [document(png(values))["quality"]["sharpness"] for values in (sharp, blurred)]
    assert qualities[1] < qualities[0] / 2


def test_a_ct_is_in_hounsfield_units_and_square_millimetres() -> None:
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


def test_the_asked_window_is_what_is_shown() -> None:
    content = dicom("CT_small.dcm")
    narrow = document(content, window=(40.0, 1.0))
    assert narrow["window"] == {"centre": 40.0, "width": 1.0}
    shares = narrow["quality"]["share_at_black"] + narrow["quality"]["share_at_white"]
    assert shares > 0.9


def test_nothing_of_the_patient_is_told() -> None:
    content = dicom("CT_small.dcm")
    dataset = pydicom.dcmread(io.BytesIO(content))
    text = str(document(content))
    for value in (dataset.PatientName, dataset.PatientID, dataset.StudyInstanceUID):
        assert str(value) not in text


def test_an_even_image_has_no_regions_and_no_contrast() -> None:
    found = document(png(np.full((50, 50), 80)))
    assert found["regions"] == {"threshold": None, "largest": []}
    assert found["quality"]["contrast"] == 0


@pytest.mark.parametrize(
    "content",
    [b"", b"hello", bytes(300), bytes(128) + b"DICM", bytes(128) + b"DICM" + b"x" * 50],
)
def test_what_is_no_image_is_refused_without_a_word_of_this_process_s_memory(
    content: bytes,
) -> None:
    with pytest.raises(RefusedError) as refusal:
        document(content)
    assert " 0x" not in str(refusal.value)


def altered(name: str, **values: Any) -> bytes:
    """A DICOM file of pydicom's with other values, which need not be allowed."""
    dataset = pydicom.dcmread(get_testdata_file(name, download=False))
    with pydicom.config.disable_value_validation():
        for key, value in values.items():
            setattr(dataset, key, value)
    file = io.BytesIO()
    dataset.save_as(file)
    return file.getvalue()


@pytest.mark.parametrize(
    "values",
    [{"RescaleSlope": "nan"}, {"RescaleSlope": "1e300"}, {"Rows": 0}, {"SamplesPerPixel": 1000}],
)
def test_a_dicom_file_with_senseless_values_is_refused(values: Any) -> None:
    with pytest.raises(RefusedError):
        document(altered("CT_small.dcm", **values))


@pytest.mark.parametrize(
    "values",
    [
        {"WindowCenter": "nan", "WindowWidth": "10"},
        {"WindowCenter": "40", "WindowWidth": None},
        {"PixelSpacing": ["nan", "1"]},
        {"PixelSpacing": ["0", "1"]},
        {"PixelSpacing": "1"},
    ],
)
def test_what_a_dicom_file_says_wrongly_of_its_image_is_left_out_of_what_json_can_hold(
    values: Any,
) -> None:
    found = document(altered("CT_small.dcm", **values))
    json.dumps(found, allow_nan=False)
    if "PixelSpacing" in values:
        assert found["pixel_spacing_mm"] is None
    else:
        low, high = (found["values"][f"percentile_{one}"] for one in (1, 99))
        assert found["window"]["width"] == pytest.approx(high - low)


def test_the_first_of_several_windows_is_shown() -> None:
    content = altered("CT_small.dcm", WindowCenter=["40", "500"], WindowWidth=["80", "2000"])
    assert document(content)["window"] == {"centre": 40.0, "width": 80.0}


def test_an_inverted_image_keeps_its_values_and_shows_the_low_ones_bright() -> None:
    plain, inverted = (
        document(altered("CT_small.dcm", PhotometricInterpretation=one), window=(0.0, 400.0))
        for one in ("MONOCHROME2", "MONOCHROME1")
    )
    assert inverted["values"] == plain["values"]
    assert inverted["window"] == plain["window"]
    assert inverted["quality"]["share_at_white"] == plain["quality"]["share_at_black"]


@pytest.mark.parametrize(
    "name", ["CT_small.dcm", "MR_small_RLE.dcm", "image_dfl.dcm", "PNG", "TIFF"]
)
def test_a_damaged_file_is_measured_or_refused_and_nothing_else(name: str) -> None:
    random = np.random.default_rng(5)
    content = np.frombuffer(dicom(name) if name.endswith("dcm") else picture(name), np.uint8)
    for _ in range(30):
        damaged = content.copy()
        places = random.integers(0, min(len(damaged), 2500), size=random.integers(1, 8))
        damaged[places] = random.integers(0, 256, size=len(places))
        with contextlib.suppress(RefusedError):
            json.dumps(document(damaged.tobytes()), allow_nan=False)


def picture(form: str) -> bytes:
    file = io.BytesIO()
    values = np.random.default_rng(5).integers(0, 256, size=(40, 40))
    Image.fromarray(values.astype(np.uint8)).save(file, form)
    return file.getvalue()


def test_a_refusal_does_not_quote_the_file() -> None:
    dataset = pydicom.dcmread(get_testdata_file("CT_small.dcm", download=False))
    dataset.add_new("RescaleSlope", "LO", "Silva^Ana")  # which no number can be read from
    file = io.BytesIO()
    dataset.save_as(file)
    with pytest.raises(RefusedError, match="DICOM") as refusal:
        document(file.getvalue())
    assert "Silva" not in str(refusal.value)


def test_a_picture_that_says_it_is_enormous_is_refused() -> None:
    header = bytearray(png(np.zeros((10, 10))))
    header[16:24] = struct.pack(">II", 50_000, 50_000)
    header[29:33] = struct.pack(">I", zlib.crc32(header[12:29]))
    with pytest.raises(RefusedError):
        document(bytes(header))


def test_the_largest_regions_of_an_image_full_of_specks_are_found() -> None:
    values = (np.random.default_rng(5).random((1000, 1000)) < 0.05) * 255
    values[100:200, 300:500] = 255
    (region,) = document(png(values))["regions"]["largest"]
    assert region["area_px"] >= 100 * 200
    left, top, right, bottom = region["box_px"]
    assert (top <= 100, left <= 300, bottom >= 200, right >= 500) == (True,) * 4


def test_a_dicom_file_without_a_picture_is_refused() -> None:
    with pytest.raises(RefusedError, match="DICOM"):
        document(dicom("rtplan.dcm"))


def test_too_large_an_image_is_refused_before_it_is_decoded() -> None:
    with pytest.raises(RefusedError, match="2000 x 1000"):
        document(png(np.zeros((1000, 2000))))
    with pytest.raises(RefusedError, match="16,384"):
        measure(ImageTask(dicom("CT_small.dcm")), 10_000)

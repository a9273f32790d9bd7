"""Images and faces over HTTP, without the face model."""

import io
from collections.abc import Iterator

import numpy as np
import pytest
from PIL import Image

from tests.inference import tiny_model
from tests.inference.service_bench import Service, served

pytestmark = pytest.mark.servers


def picture(side: int = 64) -> bytes:
    values = np.add.outer(np.arange(side), 2 * np.arange(side)).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(values).save(file, "PNG")
    return file.getvalue()


@pytest.fixture(scope="module")
def service(tmp_path_factory) -> Iterator[Service]:
    folder = tiny_model.scripted_model(tmp_path_factory.mktemp("script") / "model", "ok")
    with served(folder, vision={"images": True, "max_upload_bytes": 50_000}) as one:
        yield one


def test_an_image_is_measured_as_a_body_or_as_a_form(service):
    path = "/v1/images/analysis"
    bare = service.client.post(path, content=picture(), headers={"Content-Type": "image/png"})
    form = service.client.post(path, files={"file": ("image.png", picture())})
    assert bare.status_code == form.status_code == 200
    assert bare.json() == form.json()
    assert bare.json()["width_px"] == 64
    assert service.client.get("/health").json()["services"] == {"image-analysis": "ready"}


def test_the_window_is_asked_for_whole(service):
    path = "/v1/images/analysis?window_centre=100&window_width=50"
    answer = service.client.post(path, content=picture())
    assert answer.json()["window"] == {"centre": 100.0, "width": 50.0}
    half = service.client.post("/v1/images/analysis?window_centre=100", content=picture())
    assert (half.status_code, half.json()["code"]) == (400, "invalid_request")


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (b"", 400, "invalid_request"),
        (b"no image", 400, "unusable_input"),
        (bytes(60_000), 413, "too_large"),
    ],
)
def test_what_can_not_be_used_is_a_clear_error(service, content, status, code):
    answer = service.client.post("/v1/images/analysis", content=content)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_a_form_without_its_file_says_so(service):
    answer = service.client.post("/v1/images/analysis", files={"other": ("x", b"y")})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "file")


def test_what_a_site_does_not_serve_is_not_there(service):
    assert service.client.post("/v1/faces/embedding", content=picture()).status_code == 404
    assert service.client.post("/v1/audio/speech", json={"input": "x"}).status_code == 404

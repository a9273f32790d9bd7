"""Images and faces over HTTP, without the face model."""

import asyncio
import io
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image

from reference_stack.serving.child import ChildProcess, RefusedError
from reference_stack.vision.service import WORKER
from reference_stack.vision.settings import VisionSettings
from reference_stack.vision.tasks import ImageTask
from tests.inference import tiny_model
from tests.inference.service_bench import Service, served

pytestmark = pytest.mark.servers


def picture(side: int = 64) -> bytes:
    values = np.add.outer(np.arange(side), 2 * np.arange(side)).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(values).save(file, "PNG")
    return file.getvalue()


@pytest.fixture(scope="module")
def script_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model.scripted_model(tmp_path_factory.mktemp("script") / "model", "ok")


@pytest.fixture(scope="module")
def service(script_folder: Path) -> Iterator[Service]:
    with served(script_folder, vision={"images": True, "max_upload_bytes": 50_000}) as one:
        yield one


def test_an_image_is_measured_as_a_body_or_as_a_form(service: Service) -> None:
    path = "/v1/images/analysis"
    bare = service.client.post(path, content=picture(), headers={"Content-Type": "image/png"})
    form = service.client.post(path, files={"file": ("image.png", picture())})
    assert bare.status_code == form.status_code == 200
    assert bare.json() == form.json()
    assert bare.json()["width_px"] == 64
    assert service.client.get("/health").json()["services"] == {"image-analysis": "ready"}


def test_the_window_is_asked_for_whole(service: Service) -> None:
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
def test_what_can_not_be_used_is_a_clear_error(
    service: Service, content: bytes, status: int, code: str
) -> None:
    answer = service.client.post("/v1/images/analysis", content=content)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_a_body_without_end_is_not_read_to_its_end(service: Service) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(100):
            yield bytes(100_000)

    answer = service.client.post("/v1/images/analysis", content=endless())
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
    form = service.client.post(
        "/v1/images/analysis", files={"file": ("image.png", bytes(5_000_000))}
    )
    assert (form.status_code, form.json()["code"]) == (413, "too_large")
    assert service.client.get("/health").status_code == 200


def test_an_image_that_needs_too_much_memory_is_refused_and_the_worker_lives_on() -> None:
    file = io.BytesIO()
    Image.new("L", (5000, 5000)).save(file, "PNG")

    async def ask() -> None:
        settings = VisionSettings(images=True, max_memory_bytes=512 * 1024**2)
        worker = ChildProcess(WORKER, settings, start_timeout_s=180)
        try:
            with pytest.raises(RefusedError, match="memory"):
                await worker.call(ImageTask(file.getvalue()), 60)
            measured = await worker.call(ImageTask(picture()), 60)
            assert (measured.document["width_px"], worker.starts) == (64, 1)
        finally:
            await worker.end()

    asyncio.run(ask())


def test_two_embeddings_are_compared_by_their_distance_and_nonsense_is_refused(
    script_folder: Path,
) -> None:
    faces = {"model_dir": "/nowhere", "model_name": "faces", "threshold": 0.5}
    with served(script_folder, vision={"faces": faces}) as service:

        def match(one: str, other: str, more: str = "") -> httpx.Response:
            body = f'{{"one": [{one}{", 0" * 127}], "other": [{other}{", 0" * 127}]{more}}}'
            return service.client.post(
                "/v1/faces/match", content=body, headers={"Content-Type": "application/json"}
            )

        assert match("0.25", "0").json() == {"distance": 0.25, "threshold": 0.5, "same": True}
        assert match("0.25", "0", ', "threshold": 0.2').json()["same"] is False
        for number in ("NaN", "Infinity", "1e300"):
            assert match(number, "0").status_code == 400


def test_a_form_without_its_file_says_so(service: Service) -> None:
    answer = service.client.post("/v1/images/analysis", files={"other": ("x", b"y")})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "file")


def test_what_a_site_does_not_serve_is_not_there(service: Service) -> None:
    assert service.client.post("/v1/faces/embedding", content=picture()).status_code == 404
    assert service.client.post("/v1/audio/speech", json={"input": "x"}).status_code == 404

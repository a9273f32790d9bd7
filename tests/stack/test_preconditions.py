"""A machine that is not fit is told so in one line, with what mends it, and nothing is started."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from reference_stack.install import WHEEL_REQUIREMENTS, missing_programs
from reference_stack.site.backend import best_backend
from tests.stack.processes import processes_of

pytestmark = pytest.mark.servers

PROJECT = Path(__file__).parents[2]
STACK_UP = [sys.executable, "-m", "cli.main", "stack", "up", "--instance", "auto"]


def refused(
    command: list[str], environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    answer = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=PROJECT,
        env={**os.environ, **(environment or {})},
    )  # fmt: skip
    assert answer.returncode == 2, answer.stderr
    assert "Traceback" not in answer.stderr
    return answer


def test_a_missing_program_is_named_with_the_command_that_mends_it(tmp_path: Path) -> None:
    answer = refused(
        [*STACK_UP, "--dir", str(tmp_path / "stack")],
        {"PRONTUARIO_BINARIES": "wheel", "PRONTUARIO_CACHE": str(tmp_path / "empty")},
    )
    assert "the program 'postgres' is missing" in answer.stderr
    assert "testbed doctor --fix" in answer.stderr
    assert processes_of(tmp_path) == []


def test_an_unknown_source_of_programs_names_the_variable_and_what_is_allowed(
    tmp_path: Path,
) -> None:
    answer = refused(
        [*STACK_UP, "--dir", str(tmp_path / "stack")], {"PRONTUARIO_BINARIES": "the-moon"}
    )
    assert "PRONTUARIO_BINARIES: got 'the-moon' (allowed: system, wheel)" in answer.stderr


def test_a_full_disk_is_a_clear_error(tmp_path: Path) -> None:
    if best_backend() != "namespace":
        pytest.skip("a small disk is mounted in a namespace of its own")
    small = tmp_path / "small-disk"
    small.mkdir()
    mount = f'mount -t tmpfs -o size=64m tmpfs {small} && exec "$@"'
    answer = refused(
        [
            "unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mount, "sh",
            *STACK_UP, "--dir", str(small / "stack"),
        ]
    )  # fmt: skip
    assert "0.1 GB free, 5.4 GB are needed" in answer.stderr
    assert processes_of(tmp_path) == []


def test_a_directory_that_holds_something_else_is_left_alone(tmp_path: Path) -> None:
    precious = tmp_path / "precious.txt"
    precious.write_text("mine")
    answer = refused([*STACK_UP, "--dir", str(tmp_path)])
    assert "neither empty nor a stack's directory" in answer.stderr
    assert precious.read_text() == "mine"


def test_nothing_is_missing_once_the_doctor_has_been() -> None:
    assert missing_programs() == []


def test_the_wheels_are_pinned_by_hash_and_name_no_address() -> None:
    text = WHEEL_REQUIREMENTS.read_text()
    pins = [line for line in text.splitlines() if "==" in line and not line.startswith("#")]
    assert len(pins) >= 3
    assert text.count("--hash=sha256:") >= len(pins)
    assert "://" not in text

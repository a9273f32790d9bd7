"""The processes as the stack starts them: service, migration, seed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psycopg
import pytest
from psycopg.sql import SQL, Identifier

from reference_stack.api.__main__ import main as api_main
from reference_stack.api.migrate import MIGRATIONS, migrate
from reference_stack.api.passwords import password_matches
from reference_stack.hospital.clinicians import clinician_password, generate_clinicians
from reference_stack.hospital.seed import SeedConflictError, SeedSummary, seed_hospital
from reference_stack.hospital.seed import main as seed_main
from tests.api.api_server import CLINICIANS, HOSPITAL_SECRET, PATIENTS, SEED, api_settings
from tests.api.postgres_server import PostgresServer
from tests.api.upstream import DEADLINE_S, wait_until
from tests.ports import free_port

pytestmark = pytest.mark.servers

ROOT = Path(__file__).parents[2]
#: Of the database: read, write, urgent, background. Each says once that it is away.
LANES = 4
UNREACHABLE = "postgresql://nobody@127.0.0.1:9/nothing?connect_timeout=2"


def run(module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.fixture
def run_here(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str]]:
    """A command's exit code and what it said, without the seconds a process needs to start."""

    def run_main(main: Callable[[], int], *arguments: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["command", *arguments])
        return main(), capsys.readouterr().err

    return run_main


def answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health", trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


def test_the_service_serves_until_sigterm_with_nothing_around_it(tmp_path: Path) -> None:
    port = free_port()
    settings = api_settings(UNREACHABLE, port=port)
    path = tmp_path / "api.json"
    path.write_text(settings.model_dump_json())
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "reference_stack.api", "--settings", str(path)],
            cwd=ROOT,
            stderr=log,
        )
    complaints = lambda: (tmp_path / "log").read_text().count("database away")  # noqa: E731
    try:
        wait_until(lambda: answers(f"http://127.0.0.1:{port}"), 120)
        wait_until(lambda: complaints() >= LANES)
        process.send_signal(signal.SIGTERM)
        assert process.wait(DEADLINE_S) in {0, -signal.SIGTERM}
    finally:
        process.kill()
        process.wait()
    assert complaints() == LANES
    assert "Traceback" not in (tmp_path / "log").read_text()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"mode": "half"}, ["mode", "'normal' or 'emergency'"]),
        ({"token_secret": "short"}, ["token_secret", "32"]),
        ({"colour": "red"}, ["colour", "not permitted"]),
        ({"database_url": "mysql://x"}, ["database_url", "postgres"]),
        ({"database_pool_size": 1}, ["database_pool_size", "2"]),
    ],
)
def test_bad_settings_are_one_line_and_exit_2(
    run_here: Callable[..., tuple[int, str]],
    tmp_path: Path,
    change: dict[str, object],
    words: list[str],
) -> None:
    path = tmp_path / "api.json"
    good = api_settings(UNREACHABLE).model_dump(mode="json")
    path.write_text(json.dumps({**good, **change}))
    code, said = run_here(api_main, "--settings", str(path))
    assert code == 2
    assert len(said.splitlines()) == 1
    for word in [str(path), *words]:
        assert word in said
    assert good["token_secret"] not in said


def test_a_missing_settings_file_is_one_line_and_exit_2(tmp_path: Path) -> None:
    result = run("reference_stack.api", "--settings", str(tmp_path / "none.json"))
    assert result.returncode == 2
    assert len(result.stderr.splitlines()) == 1


@pytest.fixture
def empty_database(shared_server: PostgresServer) -> Iterator[str]:
    name = f"empty_{os.getpid()}"
    shared_server.execute(f"CREATE DATABASE {name}")
    yield shared_server.url(name)
    shared_server.execute(f"DROP DATABASE {name} WITH (FORCE)")


def version(url: str) -> str:
    with psycopg.connect(url) as connection:
        return str(connection.execute("SELECT version_num FROM alembic_version").fetchone()[0])


def test_migrating_twice_at_once_and_again_is_migrating_once(empty_database: str) -> None:
    with ThreadPoolExecutor(2) as threads:
        runs = [
            threads.submit(run, "reference_stack.api.migrate", "--database-url", empty_database)
            for _ in range(2)
        ]
        for result in (future.result() for future in runs):
            assert result.returncode == 0, result.stderr
    latest = max(path.name[1:5] for path in (MIGRATIONS / "versions").glob("v*.py"))
    assert version(empty_database) == latest
    migrate(empty_database)
    assert version(empty_database) == latest


def test_migration_without_a_database_is_one_line_and_exit_1() -> None:
    result = run("reference_stack.api.migrate", "--database-url", UNREACHABLE)
    assert result.returncode == 1
    assert len(result.stderr.splitlines()) == 1
    assert "--database-url" in result.stderr


def count(url: str, table: str) -> int:
    statement = SQL("SELECT count(*) FROM {}").format(Identifier(table))
    with psycopg.connect(url) as connection:
        return int(connection.execute(statement).fetchone()[0])


def test_seeding_again_changes_nothing_and_seeding_more_adds(
    run_here: Callable[..., tuple[int, str]], empty_database: str, tmp_path: Path
) -> None:
    migrate(empty_database)
    secret_file = tmp_path / "secret"
    secret_file.write_text(f"{HOSPITAL_SECRET}\n")
    arguments = [
        *("--database-url", empty_database, "--secret-file", str(secret_file)),
        *("--patients", "30", "--clinicians", "3", "--seed", "4"),
    ]
    result = run("reference_stack.hospital.seed", *arguments)
    assert result.returncode == 0, result.stderr
    assert "30 new of 30" in result.stderr
    code, said = run_here(seed_main, *arguments)
    assert code == 0, said
    assert "0 new of 30" in said
    more = seed_hospital(empty_database, secret=HOSPITAL_SECRET, patients=50, clinicians=4, seed=4)
    assert more == SeedSummary(new_patients=20, new_clinicians=1)
    assert (count(empty_database, "patient"), count(empty_database, "clinician")) == (50, 4)
    with psycopg.connect(empty_database) as connection:
        hashes = dict(connection.execute("SELECT username, password_hash FROM clinician"))
    for clinician in generate_clinicians(4, 4):
        password = clinician_password(HOSPITAL_SECRET, clinician.username)
        assert password_matches(hashes[clinician.username], password)
        assert not password_matches(hashes[clinician.username], password + "x")
        assert hashes[clinician.username].startswith("$argon2id$v=19$m=19456,t=2,p=1$")


@pytest.mark.parametrize(
    ("secret", "seed", "word"),
    [(HOSPITAL_SECRET, SEED + 1, "--seed"), ("another", SEED, "--secret-file")],
)
def test_another_hospital_or_secret_is_refused_and_nothing_is_added(
    shared_server: PostgresServer, secret: str, seed: int, word: str
) -> None:
    url = shared_server.url("hospital")
    with pytest.raises(SeedConflictError, match=word):
        seed_hospital(url, secret=secret, patients=PATIENTS + 9, clinicians=CLINICIANS, seed=seed)
    assert count(url, "patient") == PATIENTS


def test_seeding_without_secret_is_one_line_and_exit_2(
    run_here: Callable[..., tuple[int, str]], tmp_path: Path
) -> None:
    empty = tmp_path / "empty"
    empty.touch()
    for path in (tmp_path / "none", empty):
        code, said = run_here(seed_main, "--database-url", UNREACHABLE, "--secret-file", str(path))
        assert code == 2
        assert len(said.splitlines()) == 1
        assert str(path) in said

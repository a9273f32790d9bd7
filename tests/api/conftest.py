"""A hospital in a real PostgreSQL: shared by the tests that are kind to it, copied for the rest."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from reference_stack.api.migrate import migrate
from reference_stack.hospital.seed import seed_hospital
from tests.api.api_server import (
    CLINICIANS,
    HOSPITAL_SECRET,
    PATIENTS,
    SEED,
    Client,
    api_settings,
    serving,
)
from tests.api.postgres_server import PostgresServer, initialise, running
from tests.api.upstream import Upstream, serving_upstream


@pytest.fixture(scope="session")
def hospital_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data folder of a stopped server that holds the test hospital."""
    folder = tmp_path_factory.mktemp("pg") / "t"
    initialise(folder)
    with running(folder) as server:
        server.execute("CREATE DATABASE hospital")
        migrate(server.url("hospital"))
        seed_hospital(
            server.url("hospital"),
            secret=HOSPITAL_SECRET,
            patients=PATIENTS,
            clinicians=CLINICIANS,
            seed=SEED,
        )
        server.stop()
    return folder


@pytest.fixture(scope="session")
def shared_server(hospital_folder: Path) -> Iterator[PostgresServer]:
    folder = hospital_folder.parent / "s"
    shutil.copytree(hospital_folder, folder)
    with running(folder) as server:
        yield server


@pytest.fixture
def server(hospital_folder: Path, tmp_path: Path) -> Iterator[PostgresServer]:
    """A server of the test's own, to be mistreated."""
    folder = tmp_path / "p"
    shutil.copytree(hospital_folder, folder)
    with running(folder) as server:
        yield server


@pytest.fixture(scope="session")
def upstream_server() -> Iterator[Upstream]:
    with serving_upstream() as upstream:
        yield upstream


@pytest.fixture
def upstream(upstream_server: Upstream) -> Upstream:
    upstream_server.script = "answer"
    upstream_server.requests.clear()
    upstream_server.silent.clear()
    upstream_server.client_left.clear()
    return upstream_server


@pytest.fixture(scope="session")
def shared_client(shared_server: PostgresServer, upstream_server: Upstream) -> Iterator[Client]:
    settings = api_settings(
        shared_server.url("hospital"),
        inference_url=upstream_server.url,
        chat_max_answer_tokens=32,
    )
    with serving(settings) as client:
        yield client


@pytest.fixture
def client(shared_client: Client, upstream: Upstream) -> Client:
    """The API on the shared hospital, with inference behaving."""
    return shared_client

"""The API tests' hospital with documents, and one client for each role."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from reference_stack.secrets import read_secret
from tests.api.api_server import Client, api_settings, serving
from tests.api.conftest import hospital_folder, server, shared_server, upstream, upstream_server
from tests.api.postgres_server import PostgresServer
from tests.api.upstream import Upstream
from tests.clinical.ward import Ward
from tests.documents.pair import NODES, Pair, running_pair

__all__ = ["hospital_folder", "server", "shared_server", "upstream", "upstream_server"]


@pytest.fixture(scope="session")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    folder = tmp_path_factory.mktemp("pair")
    with running_pair(folder, "local", "documents.bucket=null") as made:
        made.wait_until_paired()
        yield made


@pytest.fixture(scope="session")
def shared_ward(shared_server: PostgresServer, upstream_server: Upstream) -> Iterator[Ward]:
    """The hospital's API without documents."""
    settings = api_settings(shared_server.url("hospital"), inference_url=upstream_server.url)
    with serving(settings) as client:
        yield Ward(client, settings, shared_server)


@pytest.fixture
def ward(shared_ward: Ward, upstream: Upstream) -> Ward:
    return shared_ward


@pytest.fixture(scope="session")
def documented_ward(
    shared_server: PostgresServer, upstream_server: Upstream, pair: Pair
) -> Iterator[Ward]:
    """The hospital's API with documents and the queue of reports."""
    settings = api_settings(
        shared_server.url("hospital"),
        inference_url=upstream_server.url,
        documents_urls=[pair.url(site) for site in NODES],
        documents_secret=read_secret(pair.directory, "documents"),
        report_worker=True,
    )
    with serving(settings) as client:
        yield Ward(client, settings, shared_server)


@pytest.fixture
def client(ward: Ward) -> Client:
    return ward.client

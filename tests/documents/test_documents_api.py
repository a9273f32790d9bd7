"""The API's routes for documents, on a real database and a real pair of document services."""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from reference_stack.api.documents import byte_range
from reference_stack.api.migrate import migrate
from reference_stack.api.problems import ProblemError
from reference_stack.hospital.seed import seed_hospital
from reference_stack.secrets import read_secret
from tests.api.api_server import (
    CLINICIANS,
    HOSPITAL_SECRET,
    PATIENT,
    SEED,
    Client,
    api_settings,
    problem,
    serving,
)
from tests.api.postgres_server import PostgresServer, initialise, running
from tests.documents.pair import NODES, Pair, running_pair
from tests.waiting import wait_for

pytestmark = pytest.mark.servers

PATIENTS = 3
LIMIT_BYTES = 100_000
PATH = f"/v1/patients/{PATIENT.id}/documents"


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    folder = tmp_path_factory.mktemp("pg") / "d"
    initialise(folder)
    with running(folder) as server:
        server.execute("CREATE DATABASE hospital")
        migrate(server.url("hospital"))
        seed_hospital(
            server.url("hospital"), secret=HOSPITAL_SECRET, patients=PATIENTS,
            clinicians=CLINICIANS, seed=SEED,
        )  # fmt: skip
        yield server


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    with running_pair(tmp_path_factory.mktemp("pair"), "local", "documents.bucket=null") as made:
        made.wait_until_paired()
        yield made


@pytest.fixture(scope="module")
def client(database: PostgresServer, pair: Pair) -> Iterator[Client]:
    settings = api_settings(
        database.url("hospital"),
        documents_urls=[pair.url(site) for site in NODES],
        documents_secret=read_secret(pair.directory, "documents"),
        document_size_limit_bytes=LIMIT_BYTES,
    )
    with serving(settings) as made:
        yield made


def upload(
    client: Client, content: bytes, key: uuid.UUID | None = None, path: str = PATH,
    headers: dict[str, str] | None = None,
) -> httpx.Response:  # fmt: skip
    words = {"Content-Type": "image/png", "Idempotency-Key": str(key or uuid.uuid4())}
    return client.post(
        path, params={"title": "Raio-X"}, content=content, headers={**words, **(headers or {})}
    )


def listed(client: Client, document: uuid.UUID) -> dict[str, Any]:
    items: list[dict[str, Any]] = client.get(PATH).json()["items"]
    return next((item for item in items if item["id"] == str(document)), {})


def test_an_uploaded_document_is_listed_and_comes_back_byte_by_byte(client: Client) -> None:
    key, content = uuid.uuid4(), os.urandom(50_000)
    answer = upload(client, content, key)
    assert answer.status_code == 201, answer.text
    assert answer.json()["durability"] == "both-nodes"
    version = listed(client, key)["versions"][0]
    assert version["sha256"] == hashlib.sha256(content).hexdigest()
    got = client.get(f"/v1/documents/{key}/versions/{key}")
    assert (got.content, got.headers["content-type"]) == (content, "image/png")
    assert got.headers["x-content-type-options"] == "nosniff"
    unchanged = client.get(
        f"/v1/documents/{key}/versions/{key}", headers={"If-None-Match": got.headers["etag"]}
    )
    assert unchanged.status_code == 304
    part = client.get(f"/v1/documents/{key}/versions/{key}", headers={"Range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, content[10:20])
    assert part.headers["content-range"] == "bytes 10-19/50000"


def test_the_same_upload_again_is_one_document_and_another_under_its_key_is_refused(
    client: Client,
) -> None:
    key = uuid.uuid4()
    assert [upload(client, b"one", key).status_code for _ in range(2)] == [201, 200]
    assert len(listed(client, key)["versions"]) == 1
    assert problem(upload(client, b"two", key)) == (422, "idempotency-key-reused")


@pytest.mark.parametrize(
    ("content", "headers", "expected"),
    [
        (b"x" * (LIMIT_BYTES + 1), {}, (413, "document-too-large")),
        (b"", {}, (422, "invalid-request")),
        (b"x", {"Content-Type": "<script>"}, (422, "invalid-request")),
    ],
    ids=["too large", "empty", "no media type"],
)
def test_what_can_not_be_a_document_is_refused(
    content: bytes, headers: dict[str, str], expected: tuple[int, str], client: Client
) -> None:
    assert problem(upload(client, content, headers=headers)) == expected


def test_a_document_for_nobody_or_by_nobody_is_refused(client: Client) -> None:
    nobody = f"/v1/patients/{uuid.uuid4()}/documents"
    assert problem(upload(client, b"x", path=nobody)) == (404, "patient-not-found")
    anonymous = httpx.get(f"{client.base_url}{PATH}")
    assert anonymous.status_code == 401
    assert problem(client.get(f"/v1/documents/{uuid.uuid4()}")) == (404, "document-not-found")


def test_versions_that_do_not_know_each_other_are_listed_as_a_conflict(client: Client) -> None:
    document, left, right, both = (uuid.uuid4() for _ in range(4))
    path = f"/v1/documents/{document}/versions"
    assert upload(client, b"first", document).status_code == 201
    for key, content in ((left, b"left"), (right, b"right")):
        answer = upload(client, content, key, path, {"If-Match": f'"{document}"'})
        assert answer.status_code == 201, answer.text
    shown = listed(client, document)
    assert (shown["conflict"], set(shown["current"])) == (True, {str(left), str(right)})
    seen = f'"{left}", "{right}"'
    assert upload(client, b"both", both, path, {"If-Match": seen}).status_code == 201
    assert listed(client, document)["current"] == [str(both)]
    assert len(listed(client, document)["versions"]) == 4
    unknown = upload(client, b"x", path=path, headers={"If-Match": f'"{uuid.uuid4()}"'})
    assert problem(unknown) == (409, "unknown-version")


def test_a_site_whose_own_document_service_is_down_uses_the_other_nodes(
    client: Client, pair: Pair
) -> None:
    pair.service("mac-1").kill()
    try:
        key = uuid.uuid4()
        answer = upload(client, b"by the other", key)
        assert answer.status_code == 201, answer.text
        assert client.get(f"/v1/documents/{key}/versions/{key}").content == b"by the other"
    finally:
        pair.service("mac-1").start()
    pair.wait_until_paired()


def test_no_row_without_bytes_and_the_repeated_request_becomes_one_document(
    client: Client, pair: Pair, database: PostgresServer
) -> None:
    key = uuid.uuid4()
    for site in NODES:
        pair.service(site).kill()
    try:
        assert problem(upload(client, b"later", key)) == (503, "documents-unavailable")
        assert listed(client, key) == {}
    finally:
        for site in NODES:
            pair.service(site).start()
    pair.wait_until_paired()
    database.execute("ALTER TABLE document_version RENAME TO away", database="hospital")
    try:
        assert upload(client, b"later", key).status_code >= 500
    finally:
        database.execute("ALTER TABLE away RENAME TO document_version", database="hospital")
    assert pair.get("mac-1", key).content == b"later"
    assert listed(client, key) == {}
    assert upload(client, b"later", key).status_code == 201
    assert len(listed(client, key)["versions"]) == 1


def test_bytes_that_are_gone_everywhere_are_reported_as_lost(client: Client, pair: Pair) -> None:
    key = uuid.uuid4()
    sha256 = upload(client, os.urandom(100), key).json()["version"]["sha256"]
    for site in NODES:
        path: Path = pair.folder(site) / "blobs" / sha256[0] / sha256
        path.unlink()
    gone = client.get(f"/v1/documents/{key}/versions/{key}")
    assert problem(gone) == (404, "document-lost")
    wait_for(lambda: pair.health("mac-1")["pair"] == "paired", "the pair")


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, None), ("bytes=0-", (0, 9)), ("bytes=3-5", (3, 5)), ("bytes=-4", (6, 9)),
        ("bytes=8-99", (8, 9)), ("bytes=-99", (0, 9)), ("bytes=-", None), ("lines=1-2", None),
        ("bytes=1-2,4-5", None),
    ],
)  # fmt: skip
def test_one_plain_range_is_understood(
    header: str | None, expected: tuple[int, int] | None
) -> None:
    assert byte_range(header, 10) == expected


@pytest.mark.parametrize("header", ["bytes=10-", "bytes=5-3", "bytes=-0"])
def test_a_range_outside_the_content_is_refused(header: str) -> None:
    with pytest.raises(ProblemError) as caught:
        byte_range(header, 10)
    assert caught.value.kind.status == 416

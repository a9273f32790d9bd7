"""A ward with a real database, real API processes and documents, and a browser on it."""

from __future__ import annotations

import wave
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from io import BytesIO

import numpy as np
import pytest
from fastapi import FastAPI
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from reference_stack.api.app import create_app
from reference_stack.api.migrate import migrate
from reference_stack.api.settings import ApiSettings
from reference_stack.hospital.clinicians import generate_clinicians, generate_support_staff
from reference_stack.hospital.patients import Patient
from reference_stack.hospital.population import hospital_blocks
from reference_stack.hospital.seed import seed_hospital
from reference_stack.hospital.upload import upload_documents
from reference_stack.secrets import read_secret
from reference_stack.web import PATH, mount_web
from tests.api import api_server
from tests.api.api_server import HOSPITAL_SECRET, SEED, api_settings, serving
from tests.api.postgres_server import PostgresServer, initialise, running
from tests.api.relay import Relay
from tests.api.upstream import serving_upstream
from tests.documents.pair import NODES, running_pair
from tests.web.browser import DESKTOP, Browser, browsing, missing
from tests.web.ward import Ward, leading, port_of

DICTATION = "/v1/audio/transcriptions"
PATIENTS = 60
CLINICIANS = 24


async def measured(request: Request) -> JSONResponse:
    """What is left of dictation while the API has no route for it: the recording's own measures."""
    async with request.form() as form:
        file = form["file"]
        assert isinstance(file, UploadFile)
        with wave.open(BytesIO(await file.read())) as recording:
            samples = np.frombuffer(recording.readframes(recording.getnframes()), dtype="<i2")
            rate, channels = recording.getframerate(), recording.getnchannels()
    seconds = len(samples) / rate
    heard = "som" if np.abs(samples.astype(int)).max() > 1000 else "silêncio"
    return JSONResponse({"text": f"{channels} canal, {rate} Hz, {heard}, {seconds:.2f} s"})


def with_client(settings: ApiSettings) -> FastAPI:
    """The API with the web client, whether or not it mounts it by itself."""
    app = create_app(settings)
    contract = app.openapi()
    if DICTATION not in contract["paths"]:
        app.router.routes.append(Route(DICTATION, measured, methods=["POST"]))
        told = {**contract, "paths": {**contract["paths"], DICTATION: {"post": {}}}}
        app.openapi = lambda: told  # type: ignore[method-assign]
    if not any(getattr(route, "path", None) == PATH for route in app.routes):
        mount_web(app)
    return app


@pytest.fixture(scope="session")
def as_of() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


@pytest.fixture(scope="session")
def hospital_database(
    tmp_path_factory: pytest.TempPathFactory, as_of: datetime
) -> Iterator[PostgresServer]:
    folder = tmp_path_factory.mktemp("pg") / "w"
    initialise(folder)
    with running(folder) as server:
        server.execute("CREATE DATABASE hospital")
        migrate(server.url("hospital"))
        seed_hospital(
            server.url("hospital"), secret=HOSPITAL_SECRET, patients=PATIENTS,
            clinicians=CLINICIANS, seed=SEED, support_staff=True, records=True, as_of=as_of,
        )  # fmt: skip
        yield server


@pytest.fixture(scope="session")
def ward(
    hospital_database: PostgresServer, tmp_path_factory: pytest.TempPathFactory, as_of: datetime
) -> Iterator[Ward]:
    with ExitStack() as opened:
        pair = opened.enter_context(
            running_pair(tmp_path_factory.mktemp("pair"), "local", "documents.bucket=null")
        )
        pair.wait_until_paired()
        upstream = opened.enter_context(serving_upstream())
        leadership = opened.enter_context(leading())
        patched = opened.enter_context(pytest.MonkeyPatch.context())
        patched.setattr(api_server, "create_app", with_client)
        clients = [
            opened.enter_context(
                serving(
                    api_settings(
                        hospital_database.url("hospital"),
                        site=site,
                        mode="emergency" if site == "gcp" else "normal",
                        inference_url=upstream.url,
                        fallback_url=leadership.url,
                        documents_urls=[pair.url(node) for node in NODES],
                        documents_secret=read_secret(pair.directory, "documents"),
                    )
                )
            )
            for site in ("mac-1", "mac-2", "gcp")
        ]
        upload_documents(
            clients[0], HOSPITAL_SECRET, seed=SEED, patients=PATIENTS, stays=1, as_of=as_of
        )
        ports = [port_of(str(client.base_url)) for client in clients]
        edge = Relay(ports[0])
        opened.callback(edge.close)
        physician = next(
            person for person in generate_clinicians(SEED, CLINICIANS) if person.role == "physician"
        )
        receptionist = next(
            person for person in generate_support_staff(SEED) if person.role == "receptionist"
        )
        yield Ward(hospital_database, upstream, leadership, edge, *ports, physician, receptionist)


@pytest.fixture(scope="session")
def inpatient(as_of: datetime) -> Patient:
    """The patient who has documents, vital signs and notes."""
    (block,) = hospital_blocks(SEED, PATIENTS, as_of=as_of)
    return block.stays[0].patient


@pytest.fixture(scope="session")
def session_browser(ward: Ward, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    reason = missing()
    if reason is not None:
        pytest.skip(reason)
    with browsing(ward.url, tmp_path_factory.mktemp("chromium")) as browser:
        yield browser


@pytest.fixture
def browser(session_browser: Browser, ward: Ward) -> Iterator[Browser]:
    """The browser, logged out, on a healthy ward; the page must not have thrown anything."""
    ward.heal()
    session_browser.resize(DESKTOP)
    session_browser.emulate("light")
    session_browser.open("/app/icon.svg")
    session_browser.script("sessionStorage.clear(); localStorage.clear()")
    session_browser.complaints()
    yield session_browser
    ward.heal()
    assert session_browser.complaints() == []

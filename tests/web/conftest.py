"""A ward with a real database, real API processes and documents, and a browser on it."""

from __future__ import annotations

import wave
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from io import BytesIO

import numpy as np
import pytest

from reference_stack.api.migrate import migrate
from reference_stack.hospital.clinicians import generate_support_staff
from reference_stack.hospital.patients import Patient
from reference_stack.hospital.population import hospital_blocks
from reference_stack.hospital.seed import seed_hospital
from reference_stack.hospital.upload import upload_documents
from reference_stack.secrets import read_secret
from tests.api.api_server import HOSPITAL_SECRET, SEED, api_settings, serving
from tests.api.postgres_server import PostgresServer, initialise, running
from tests.api.relay import Relay
from tests.api.upstream import Handler, serving_upstream
from tests.documents.pair import NODES, running_pair
from tests.web.browser import DESKTOP, Browser, browsing, missing
from tests.web.ward import Ward, leading, physician_of, port_of

PATIENTS = 60
CLINICIANS = 24


class Hearing(Handler):
    """Inference that says of a recording what it measures of it."""

    def do_POST(self) -> None:  # noqa: N802 - the base's name
        if not self.path.startswith("/v1/audio/transcriptions"):
            super().do_POST()
        elif self.server.script == "busy":
            self._content()
            self._plain(503, {"detail": "queue full"}, {"Retry-After": "1"})
        else:
            self._plain(200, {"text": measured(self._content())})


def measured(form: bytes) -> str:
    """Channels, rate, whether there is sound, and seconds of the WAV file in a form."""
    with wave.open(BytesIO(form[form.index(b"RIFF") :])) as recording:
        samples = np.frombuffer(recording.readframes(recording.getnframes()), dtype="<i2")
        rate, channels = recording.getframerate(), recording.getnchannels()
    heard = "som" if np.abs(samples.astype(int)).max() > 1000 else "silêncio"
    return f"{channels} canal, {rate} Hz, {heard}, {len(samples) / rate:.2f} s"


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
        upstream.RequestHandlerClass = Hearing
        leadership = opened.enter_context(leading())
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
                        request_timeout_s=5.0,  # the page is told soon that the database is away
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
        physician = physician_of(SEED, CLINICIANS)
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

"""The web client, in a real Chromium, through the death of the node that serves it."""

from __future__ import annotations

import uuid
from pathlib import Path

import psycopg
import pytest

from reference_stack.bringup import wait_until_whole
from reference_stack.hospital.clinicians import clinician_password
from tests.services.conftest import Hospital, tell
from tests.web.browser import DESKTOP, browsing, missing

pytestmark = [
    pytest.mark.stack,
    pytest.mark.timeout(600),
    pytest.mark.skipif(missing() is not None, reason=str(missing())),
]
RECOVERY_S = 180.0


def test_a_note_typed_while_the_node_dies_is_stored_once_without_a_reload(
    hospital: Hospital, tmp_path: Path
) -> None:
    stack = hospital.stack
    wait_until_whole(stack, tell)
    node = stack.primary()
    assert node is not None
    _, username = hospital.people("physician")[2]
    (patient,) = hospital.patients(1)
    words = f"Evolução {uuid.uuid4()}"
    # The stack's own authority is not one of the browser's.
    with browsing(stack.api_url, tmp_path / "profile", "--ignore-certificate-errors") as browser:
        browser.resize(DESKTOP)
        browser.open()
        browser.type("#username", username)
        browser.type("#password", clinician_password(stack.secret("clinicians"), username))
        browser.click("#login")
        browser.find("#search")
        browser.open(f"/app/#/patients/{patient}/notas")
        browser.type("#note", words)
        browser.script("window.loadedOnce = true")
        stack.lose_power(node)
        browser.click("#save-note")
        browser.see("#banner", "reconectando…", RECOVERY_S)
        browser.picture("stack-reconnecting")
        browser.see("#note-state", "Nota guardada.", RECOVERY_S)
        other = next(site for site in stack.hospital_sites if site != node)
        browser.see("#banner", f"{other} responde", RECOVERY_S)
        browser.see(".notes", words)
        assert browser.script("return window.loadedOnce"), "the page was loaded anew"
        browser.picture("stack-reconnected")
    with psycopg.connect(stack.database_dsn()) as connection:
        found = connection.execute("SELECT count(*) FROM note WHERE text = %s", (words,))
        assert found.fetchone() == (1,)

"""What a clinician sees while a part is away, in a real browser: nothing typed or said is lost,
reads come back by themselves, and nobody has to load the page anew."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator

import pytest

from reference_stack.hospital.patients import Patient
from tests.api.postgres_server import PostgresServer
from tests.api.upstream import WORDS
from tests.web.browser import Browser
from tests.web.test_ward_round import ask, log_in, open_patient, sign_in
from tests.web.ward import ApiProcess, Ward, api_process

pytestmark = pytest.mark.servers

#: Longer than the page's questions for the system's state are apart in trouble (2 s).
STILL_AWAY_S = 3.0
#: How fast the page's clock runs, which its patience with a question is measured by.
CLOCK = "const now = performance.now.bind(performance); performance.now = () => {} * now();"


@pytest.fixture
def database(hospital_database: PostgresServer) -> Iterator[PostgresServer]:
    """The hospital's PostgreSQL, which a test may leave killed."""
    yield hospital_database
    if hospital_database.process is None:
        hospital_database.start()


@pytest.fixture(scope="module")
def process(ward: Ward, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiProcess]:
    """A site that is a process of its own, to be killed."""
    with api_process(ward, tmp_path_factory.mktemp("process")) as process:
        yield process


def reconnected(browser: Browser) -> float:
    """Wait for the page's word that it is over; the seconds it says that it took."""
    shown = browser.see("#banner", "Reconectado.", 120)
    return float(shown.split("depois de ")[1].split(" s")[0].replace(",", "."))


def test_while_the_database_is_killed_and_started_a_note_waits_and_reads_come_back(
    browser: Browser, ward: Ward, inpatient: Patient, database: PostgresServer
) -> None:
    open_patient(browser, ward, inpatient, "notas")
    browser.see(".notes", "Conduta")
    browser.script("window.loadedOnce = true")
    words = f"Evolução {uuid.uuid4()}"
    browser.type("#note", words)
    database.kill()
    browser.click("#save-note")
    browser.see("#note-state", "A nota está guardada aqui; enviando de novo")
    browser.see("#banner", "reconectando…")
    browser.type("#search", inpatient.medical_record_number)
    # Answers that need no database don't make the page believe that all is well.
    until = time.monotonic() + STILL_AWAY_S
    while time.monotonic() < until:
        assert "reconectando…" in browser.text("#banner")
        time.sleep(0.1)
    assert browser.value("#note") == words
    browser.picture("reconnecting-database")
    database.start()
    assert reconnected(browser) > STILL_AWAY_S
    browser.see("#note-state", "Nota guardada.")
    browser.see(".patients", inpatient.medical_record_number)
    browser.see(".notes", words)
    assert browser.value("#note") == ""
    assert ward.notes(words) == 1
    assert browser.script("return window.loadedOnce")
    browser.picture("reconnected")


def test_an_api_process_is_killed_in_mid_answer_and_started_again(
    browser: Browser, ward: Ward, inpatient: Patient, process: ApiProcess
) -> None:
    ward.lead(process.port)
    open_patient(browser, ward, inpatient, "conversa")
    browser.script(CLOCK.format(0.1))  # a process may start slowly on a busy machine
    ward.upstream.script = "hang"
    ask(browser, "O que há de novo?")
    browser.see(".answer.streaming", WORDS[0])
    process.kill()
    browser.see(".turn .note", "caiu no meio: nada dela foi guardado. Perguntando de novo")
    browser.see("#banner", "reconectando…")
    assert browser.text(".answer .text") == ""
    ward.upstream.script = "answer"
    process.start()
    reconnected(browser)
    shown = browser.see('.turn[data-state="done"]', "guardada na conversa", 120)
    assert "depois de uma resposta que caiu" in shown
    assert "não guardada" not in shown


def test_a_question_that_is_given_up_says_that_nothing_was_saved_and_can_be_asked_again(
    browser: Browser, ward: Ward, inpatient: Patient
) -> None:
    open_patient(browser, ward, inpatient, "conversa")
    browser.script(CLOCK.format(15))
    ward.upstream.script = "break"
    ask(browser, "Consegue ouvir?")
    shown = browser.see(".answer.broken", "nada foi guardado", 90)
    assert WORDS[0] in shown
    # The assistant is broken, the system isn't.
    assert "reconectando" not in browser.text("#banner")
    browser.picture("chat-broken")
    ward.upstream.script = "answer"
    browser.script(CLOCK.format(1 / 15))
    browser.press("Perguntar de novo")
    browser.see('.turn[data-state="done"]', "guardada na conversa")
    assert len(browser.driver.find_elements("css selector", ".turn")) == 1


def test_a_saved_answer_whose_end_is_lost_is_given_again_and_said_to_be_saved(
    browser: Browser, ward: Ward, inpatient: Patient
) -> None:
    """The stream is cut where the client can't know: after the commit, before the end."""
    open_patient(browser, ward, inpatient, "conversa")
    question = f"Pergunta {uuid.uuid4()}"
    ward.edge.swallow_answers = True
    ward.edge.shut_sessions()
    ask(browser, question)
    browser.wait(lambda: ward.exchanges(question) == 1, "the exchange to be stored")
    ward.edge.swallow_answers = False
    ward.edge.shut_sessions()
    browser.see('.turn[data-state="done"] .from', "guardada na conversa")
    assert ward.exchanges(question) == 1


def test_what_was_typed_outlives_the_session_and_is_its_authors_alone(
    browser: Browser, ward: Ward, inpatient: Patient
) -> None:
    open_patient(browser, ward, inpatient, "notas")
    browser.type("#note", "Ainda não terminei")
    browser.script(
        "const kept = JSON.parse(sessionStorage['prontuario.session']); kept.token += 'x';"
        "sessionStorage['prontuario.session'] = JSON.stringify(kept)"
    )
    browser.driver.refresh()
    browser.see("#login-problem", "o que você escreveu está guardado aqui")
    assert inpatient.name not in browser.text("body")
    sign_in(browser, ward.physician)
    browser.wait(lambda: browser.value("#note") == "Ainda não terminei", "the draft")
    browser.script("delete sessionStorage['prontuario.session']")
    browser.driver.refresh()
    sign_in(browser, ward.receptionist)
    assert "Ainda" not in browser.script("return JSON.stringify({...sessionStorage})")


def test_a_note_that_was_being_sent_is_sent_on_after_a_reload(
    browser: Browser, ward: Ward, inpatient: Patient
) -> None:
    open_patient(browser, ward, inpatient, "notas")
    words = f"Evolução {uuid.uuid4()}"
    browser.type("#note", words)
    ward.edge.swallow_answers = True
    ward.edge.shut_sessions()
    browser.click("#save-note")
    browser.wait(lambda: ward.notes(words) == 1, "the first sending to be stored")
    ward.edge.swallow_answers = False
    ward.edge.shut_sessions()
    browser.driver.refresh()
    browser.see(".notes", words)
    browser.wait(lambda: browser.value("#note") == "", "the note to be acknowledged")
    assert ward.notes(words) == 1


def test_a_dictation_that_nobody_hears_is_kept_and_understood_later(
    browser: Browser, ward: Ward, inpatient: Patient
) -> None:
    open_patient(browser, ward, inpatient, "notas")
    ward.upstream.script = "busy"
    browser.click("#dictate")
    meter = browser.find("meter")
    browser.wait(lambda: float(meter.get_attribute("value")) > 0.05, "the level to move")
    browser.click("#dictate")
    browser.see("#dictation-state", "A gravação está guardada aqui; enviando de novo")
    browser.picture("dictation-waiting")
    # Another tab of the page, and back: the recording goes its way all the same.
    browser.open(f"/app/#/patients/{inpatient.id}/resumo")
    browser.see(".tabs [aria-current]", "Resumo")
    ward.upstream.script = "answer"
    browser.open(f"/app/#/patients/{inpatient.id}/notas")
    browser.wait(lambda: "16000 Hz, som" in browser.value("#note"), "the words")


def test_a_dictation_that_is_left_in_mid_sentence_still_ends_in_the_note(
    browser: Browser, ward: Ward, inpatient: Patient
) -> None:
    open_patient(browser, ward, inpatient, "notas")
    browser.click("#dictate")
    meter = browser.find("meter")
    browser.wait(lambda: float(meter.get_attribute("value")) > 0.05, "the level to move")
    browser.open("/app/#/")
    browser.see(".detail", "Escolha um paciente.")
    browser.wait(
        lambda: "16000 Hz, som" in browser.script("return JSON.stringify({...sessionStorage})"),
        "the words to be in the draft",
    )


def test_an_outage_at_the_log_in_is_told_and_passes(browser: Browser, ward: Ward) -> None:
    browser.open()
    browser.type("#username", ward.physician.username)
    browser.type("#password", ward.password)
    ward.lead(None)
    browser.click("#login")
    browser.see("#login-problem", "O sistema não respondeu; tentando de novo…")
    browser.see("#banner", "reconectando…")
    browser.picture("login-away")
    ward.lead(ward.mac_2)
    browser.see("#bar", ward.physician.name)


def test_a_patient_that_is_opened_while_nobody_answers_opens_when_somebody_does(
    browser: Browser, ward: Ward, inpatient: Patient
) -> None:
    log_in(browser, ward)
    ward.lead(None)
    browser.open(f"/app/#/patients/{inpatient.id}/resumo")
    browser.see(".patient", "Abrindo o prontuário…")
    ward.lead(ward.mac_1)
    browser.see(".who h1", inpatient.name, 90)
    browser.see(".vitals", "Frequência cardíaca", 90)


def test_a_page_whose_parts_do_not_all_arrive_says_so_and_opens_by_itself(
    browser: Browser, ward: Ward
) -> None:
    browser.driver.execute_cdp_cmd("Network.enable", {})
    browser.driver.execute_cdp_cmd("Network.setBlockedURLs", {"urls": ["*/drafts.js"]})
    try:
        browser.open()
        browser.see("#main", "O servidor não respondeu. Tentando de novo…")
        assert not browser.driver.find_elements("css selector", "#username")
        browser.picture("opening")
    finally:
        browser.driver.execute_cdp_cmd("Network.setBlockedURLs", {"urls": []})
    browser.find("#username")

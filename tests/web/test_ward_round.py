"""A clinician's round in a real browser: log in, find a patient, ask, write, look, be told."""

from __future__ import annotations

import uuid
from pathlib import Path

import httpx
import pytest

from reference_stack.hospital.clinicians import Clinician
from reference_stack.hospital.patients import Patient
from reference_stack.web import CONTENT_SECURITY_POLICY, STATIC
from tests.web.browser import PHONE, Browser
from tests.web.ward import EMERGENCY, Ward, password_of

pytestmark = pytest.mark.servers

WHOLE_ANSWER = "Dor no peito:"


def sign_in(browser: Browser, who: Clinician) -> None:
    """Fill in the form that is on the screen."""
    browser.type("#username", who.username)
    browser.type("#password", password_of(who))
    browser.click("#login")
    browser.see("#bar", who.name)


def log_in(browser: Browser, ward: Ward) -> None:
    browser.open()
    sign_in(browser, ward.physician)


def open_patient(browser: Browser, ward: Ward, patient: Patient, tab: str = "resumo") -> None:
    log_in(browser, ward)
    browser.open(f"/app/#/patients/{patient.id}/{tab}")
    browser.see(".who h1", patient.name)


def test_a_wrong_password_is_refused_in_words_and_the_right_one_lets_in(
    browser: Browser, ward: Ward
) -> None:
    browser.open()
    browser.type("#username", ward.physician.username)
    browser.type("#password", "errada")
    browser.picture("login")
    browser.click("#login")
    browser.see("#login-problem", "incorretos")
    browser.type("#password", ward.password)
    browser.click("#login")
    browser.see("#bar", ward.physician.name)
    browser.see("#site", "mac-1")


def test_a_patient_is_found_by_hurried_typing_and_stays_identified(
    browser: Browser, ward: Ward, inpatient: Patient
) -> None:
    log_in(browser, ward)
    first, last = inpatient.given.split()[0], inpatient.family.split()[-1]
    browser.type("#search", f"{first[:3].lower()} {last[:4].lower()}")
    browser.see(".patients", inpatient.medical_record_number)
    browser.click(f'.patients a[data-id="{inpatient.id}"]')
    shown = browser.see(".who", inpatient.medical_record_number)
    assert inpatient.name in shown
    for allergy in inpatient.allergies:
        assert allergy in browser.text(".allergy")
    browser.picture("patient")


def test_vital_signs_are_shown_as_trends(browser: Browser, ward: Ward, inpatient: Patient) -> None:
    open_patient(browser, ward, inpatient)
    browser.see(".vitals", "Frequência cardíaca")
    browser.wait(lambda: len(browser.driver.find_elements("css selector", ".spark")) == 6, "six")
    label = browser.find(".spark svg").get_attribute("aria-label")
    assert "bpm" in label
    browser.picture("overview-desktop")


def ask(browser: Browser, question: str) -> None:
    browser.type("#question", question)
    browser.click("#ask")


def test_an_answer_streams_in_and_is_marked_whole_only_at_its_end(
    browser: Browser, ward: Ward, inpatient: Patient
) -> None:
    open_patient(browser, ward, inpatient, "conversa")
    ward.upstream.script = "hang"
    ask(browser, "O que há de novo?")
    browser.see(".answer.streaming", "Dor no")
    assert browser.text('.turn[data-state="done"]') == ""
    browser.click("#ask")  # now the button that stops
    browser.see(".answer.broken", "Incompleta; não foi guardada")
    ward.upstream.script = "answer"
    browser.click(".answer.broken button")
    browser.see('.turn[data-state="done"]', WHOLE_ANSWER)
    browser.see('.turn[data-state="done"] .from', "respondido por mac-1")
    browser.picture("chat-desktop")


def test_when_the_node_dies_in_mid_answer_the_other_answers_anew_and_nothing_is_mixed(
    browser: Browser, ward: Ward, inpatient: Patient
) -> None:
    open_patient(browser, ward, inpatient, "conversa")
    ward.upstream.script = "hang"
    ask(browser, "Como está a dor?")
    browser.see(".answer.streaming", "Dor no")
    ward.upstream.script = "answer"
    ward.lead(ward.mac_2)
    shown = browser.see('.turn[data-state="done"]:last-child', "respondido por mac-2")
    assert shown.count("Dor no") == 1
    assert "depois de uma resposta que caiu" in shown
    browser.see("#site", "mac-2")
    browser.picture("chat-after-failover")


def test_when_nobody_answers_any_more_the_chat_says_so_and_keeps_the_question(
    browser: Browser, ward: Ward, inpatient: Patient
) -> None:
    open_patient(browser, ward, inpatient, "conversa")
    ward.lead(None)
    ask(browser, "Alguém aí?")
    browser.see(".turn:last-child .answer", "O sistema não respondeu")
    browser.see("#banner", "reconectando")
    browser.see("#site", "sem resposta")
    browser.picture("away")
    ward.lead(ward.mac_1)
    browser.see('.turn[data-state="done"]:last-child', WHOLE_ANSWER)
    browser.see("#banner", "mac-1 responde, depois de")


def test_a_note_whose_answer_is_lost_is_sent_again_and_stored_once(
    browser: Browser, ward: Ward, inpatient: Patient
) -> None:
    open_patient(browser, ward, inpatient, "notas")
    browser.see(".notes", "Conduta")
    words = f"Evolução {uuid.uuid4()}"
    browser.type("#note", words)
    ward.edge.swallow_answers = True
    ward.edge.shut_sessions()
    browser.click("#save-note")
    browser.wait(lambda: ward.notes(words) == 1, "the first sending to be stored")
    assert "guardada." not in browser.text("#note-state")
    ward.edge.swallow_answers = False
    ward.edge.shut_sessions()
    browser.see("#note-state", "Nota guardada.")
    browser.see(".notes", words)
    assert ward.notes(words) == 1
    browser.picture("notes-desktop")


def test_a_note_that_looks_like_markup_is_text(
    browser: Browser, ward: Ward, inpatient: Patient
) -> None:
    open_patient(browser, ward, inpatient, "notas")
    words = f"<img src=x onerror=\"document.title='{uuid.uuid4()}'\"><script>1</script>"
    browser.type("#note", words)
    browser.click("#save-note")
    browser.see(".notes", words)
    assert (
        browser.script("return document.querySelectorAll('.notes img, .notes script').length") == 0
    )
    assert inpatient.name in browser.driver.title


def test_every_file_of_the_client_forbids_what_is_not_its_own(ward: Ward) -> None:
    for path in STATIC.iterdir():
        answer = httpx.get(f"{ward.url}/app/{path.name}", trust_env=False)
        assert answer.status_code == httpx.codes.OK
        assert answer.headers["Content-Security-Policy"] == CONTENT_SECURITY_POLICY
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "unsafe" not in CONTENT_SECURITY_POLICY
    assert "default-src 'none'" in CONTENT_SECURITY_POLICY


def test_a_draft_outlives_a_reload(browser: Browser, ward: Ward, inpatient: Patient) -> None:
    open_patient(browser, ward, inpatient, "notas")
    browser.type("#note", "Ainda não terminei")
    browser.driver.refresh()
    browser.wait(lambda: browser.value("#note") == "Ainda não terminei", "the draft")


def test_a_dictation_is_recorded_as_whisper_hears_and_its_words_land_in_the_note(
    browser: Browser, ward: Ward, inpatient: Patient
) -> None:
    """The browser's own test microphone beeps. What the server makes of it is measured here."""
    open_patient(browser, ward, inpatient, "notas")
    browser.type("#note", "Antes.")
    browser.click("#dictate")
    meter = browser.find("meter")
    browser.wait(lambda: float(meter.get_attribute("value")) > 0.05, "the level to move")
    browser.click("#dictate")
    browser.wait(lambda: "Hz" in browser.value("#note"), "the words")
    assert browser.value("#note").startswith("Antes. 1 canal, 16000 Hz, som, ")


def test_documents_and_images_are_listed_and_seen(
    browser: Browser, ward: Ward, inpatient: Patient
) -> None:
    open_patient(browser, ward, inpatient, "documentos")
    browser.see(".documents", "Resumo do prontuário")
    browser.press("imagem")
    image = browser.find("dialog img")
    browser.wait(
        lambda: browser.script("return arguments[0].naturalWidth", image) == 512, "the image"
    )
    browser.picture("image-desktop")
    browser.press("Fechar")
    browser.wait(lambda: not browser.driver.find_elements("css selector", "dialog"), "to close")


def test_a_document_is_added(
    browser: Browser, ward: Ward, inpatient: Patient, tmp_path: Path
) -> None:
    open_patient(browser, ward, inpatient, "documentos")
    browser.see(".documents", "Resumo do prontuário")
    file = tmp_path / "Termo de consentimento.txt"
    file.write_text("Texto simples.", encoding="utf-8")
    browser.driver.find_element("css selector", "#file").send_keys(str(file))
    browser.see("#document-state", "Documento guardado.")
    browser.see(".documents", "Termo de consentimento")


def test_in_an_emergency_everybody_is_told_what_goes_on_and_what_is_off(
    browser: Browser, ward: Ward, inpatient: Patient
) -> None:
    open_patient(browser, ward, inpatient, "conversa")
    ward.leadership.document = EMERGENCY
    ward.lead(ward.gcp)
    browser.see("#banner", "Operação de emergência")
    browser.see("#banner", EMERGENCY["message"])
    browser.click("#banner summary")
    browser.see("#banner", "Documentos")
    browser.open(f"/app/#/patients/{inpatient.id}/documentos")
    browser.see("#panel", "desligado durante a operação de emergência")
    browser.resize(PHONE)
    browser.picture("emergency-phone")
    ward.heal()
    browser.wait(lambda: "emergência" not in browser.text("#banner"), "the banner to go")


def test_what_is_off_in_an_emergency_is_named_so_not_only_struck_out(
    browser: Browser, ward: Ward, inpatient: Patient
) -> None:
    ward.leadership.document = EMERGENCY
    ward.lead(ward.gcp)
    open_patient(browser, ward, inpatient, "resumo")
    browser.see("#banner", EMERGENCY["message"])
    tab = browser.find(".tabs a.off")
    assert tab.accessible_name == "Documentos (desligado)"


def test_a_search_does_not_outlive_the_session_it_was_made_in(
    browser: Browser, ward: Ward, inpatient: Patient
) -> None:
    """A session can end while the tab sleeps: nobody is there to hear the server refuse it."""
    log_in(browser, ward)
    browser.type("#search", inpatient.family)
    browser.see(".patients", inpatient.medical_record_number)
    browser.script(
        "const kept = JSON.parse(sessionStorage['prontuario.session']); kept.expiresAt = 1;"
        "sessionStorage['prontuario.session'] = JSON.stringify(kept)"
    )
    browser.driver.refresh()
    sign_in(browser, ward.receptionist)
    assert browser.value("#search") == ""


def test_no_script_of_the_page_can_make_markup_of_a_string(browser: Browser, ward: Ward) -> None:
    browser.open()
    browser.find("#username")
    tried = browser.script(
        "try { document.body.innerHTML = '<b id=made>x</b>'; return 'made' }"
        "catch (error) { return error.name }"
    )
    assert tried == "TypeError"
    assert "TrustedHTML" in browser.complaints()[0]


def test_logging_out_forgets_everything(browser: Browser, ward: Ward, inpatient: Patient) -> None:
    open_patient(browser, ward, inpatient, "notas")
    browser.type("#note", "Segredo")
    browser.click("#logout")
    assert "não foi guardado" in browser.answer_question(yes=False)
    assert browser.value("#note") == "Segredo"
    browser.click("#logout")
    browser.answer_question(yes=True)
    browser.find("#username")
    assert browser.script("return sessionStorage.length") == 0
    assert inpatient.name not in browser.text("body")


def test_a_receptionist_looks_up_and_is_offered_no_more(
    browser: Browser, ward: Ward, inpatient: Patient
) -> None:
    browser.open()
    sign_in(browser, ward.receptionist)
    browser.see("#bar", "Recepção")
    browser.open(f"/app/#/patients/{inpatient.id}/conversa")
    browser.see(".who h1", inpatient.name)
    assert browser.text(".tabs").split() == ["Resumo"]

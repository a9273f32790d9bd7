"""A clinician's round in a real browser: log in, find a patient, ask, write, look, be told."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from reference_stack.hospital.clinicians import clinician_password
from reference_stack.hospital.patients import Patient
from tests.api.api_server import HOSPITAL_SECRET
from tests.web.browser import PHONE, Browser
from tests.web.ward import EMERGENCY, Ward

pytestmark = [pytest.mark.servers, pytest.mark.timeout(120)]

WHOLE_ANSWER = "Dor no peito:"


#: What a tab shows once it has read what it shows.
CONTENT = {
    "resumo": ".spark", "conversa": "#question", "notas": ".note .text", "documentos": ".document",
}  # fmt: skip
#: Lower than a fingertip: 44 CSS pixels (WCAG 2.2, 2.5.5), less one for rounding.
SMALL = """
return [...document.querySelectorAll('button, .tabs a, .button')]
  .filter((one) => one.offsetParent && one.getBoundingClientRect().height < 43)
  .map((one) => one.outerHTML);
"""
UNNAMED = """
return [...document.querySelectorAll('button, a, input, textarea, svg[role=img]')]
  .filter((one) => one.offsetParent !== null)
  .filter((one) => !(one.textContent.trim() || one.getAttribute('aria-label') ||
    (one.labels && one.labels.length)))
  .map((one) => one.outerHTML.slice(0, 200));
"""
# WCAG 2.2, 1.4.3: 4.5:1 for text; what is disabled is exempt.
FAINT = r"""
const luminance = ([r, g, b]) => [r, g, b].map((c) => c / 255)
  .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
  .reduce((sum, c, place) => sum + c * [0.2126, 0.7152, 0.0722][place], 0);
const parts = (colour) => colour.match(/[\d.]+/g).map(Number);
const ground = (one) => {
  for (let at = one; at; at = at.parentElement) {
    const found = parts(getComputedStyle(at).backgroundColor);
    if (found.length === 3 || found[3] === 1) return found;
  }
  return [255, 255, 255];
};
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
const faint = [];
while (walker.nextNode()) {
  const one = walker.currentNode.parentElement;
  if (!walker.currentNode.data.trim() || !one.offsetParent || one.closest(':disabled')) continue;
  if (one.closest('.visually-hidden, noscript, .skip')) continue;
  const [above, below] = [luminance(parts(getComputedStyle(one).color)), luminance(ground(one))];
  const ratio = (Math.max(above, below) + 0.05) / (Math.min(above, below) + 0.05);
  const words = walker.currentNode.data.trim().slice(0, 40);
  if (ratio < 4.5) faint.push(`${ratio.toFixed(2)}: ${words}`);
}
return faint;
"""


def log_in(browser: Browser, ward: Ward) -> None:
    browser.open()
    browser.type("#username", ward.physician.username)
    browser.type("#password", ward.password)
    browser.click("#login")
    browser.see("#bar", ward.physician.name)


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
    browser.see("#banner", "Sem resposta do sistema")
    browser.see("#site", "sem resposta")
    browser.picture("away")
    ward.lead(ward.mac_1)
    browser.see('.turn[data-state="done"]:last-child', WHOLE_ANSWER)
    browser.wait(lambda: "Sem resposta" not in browser.text("#banner"), "the banner to go")


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


def test_a_draft_outlives_a_reload(browser: Browser, ward: Ward, inpatient: Patient) -> None:
    open_patient(browser, ward, inpatient, "notas")
    browser.type("#note", "Ainda não terminei")
    browser.driver.refresh()
    browser.wait(
        lambda: browser.find("#note").get_attribute("value") == "Ainda não terminei", "the draft"
    )


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
    browser.wait(lambda: "Hz" in browser.find("#note").get_attribute("value"), "the words")
    assert (
        browser.find("#note").get_attribute("value").startswith("Antes. 1 canal, 16000 Hz, som, ")
    )


def test_documents_and_images_are_listed_and_seen(
    browser: Browser, ward: Ward, inpatient: Patient
) -> None:
    open_patient(browser, ward, inpatient, "documentos")
    browser.see(".documents", "Resumo do prontuário")
    browser.driver.find_element("xpath", "//button[contains(., 'imagem')]").click()
    image = browser.find("dialog img")
    browser.wait(
        lambda: browser.script("return arguments[0].naturalWidth", image) == 512, "the image"
    )
    browser.picture("image-desktop")
    browser.driver.find_element("xpath", "//dialog//button[.='Fechar']").click()
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


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_phone_everything_fits_is_named_and_can_be_read_and_touched(
    browser: Browser, ward: Ward, inpatient: Patient, scheme: str
) -> None:
    browser.resize(PHONE)
    browser.emulate(scheme)
    log_in(browser, ward)
    for tab in ("resumo", "conversa", "notas", "documentos"):
        browser.open(f"/app/#/patients/{inpatient.id}/{tab}")
        browser.find(CONTENT[tab])
        assert browser.script("return document.documentElement.scrollWidth") == PHONE[0], tab
        assert browser.script("return document.querySelector('#panel').scrollWidth") <= PHONE[0]
        assert browser.script(SMALL) == [], tab
        assert browser.script(UNNAMED) == [], tab
        assert browser.script(FAINT) == [], tab
        browser.picture(f"phone-{tab}-{scheme}")


def test_logging_out_forgets_everything(browser: Browser, ward: Ward, inpatient: Patient) -> None:
    open_patient(browser, ward, inpatient, "notas")
    browser.type("#note", "Segredo")
    browser.click("#logout")
    browser.find("#username")
    assert browser.script("return sessionStorage.length") == 0
    assert inpatient.name not in browser.text("body")


def test_a_receptionist_looks_up_and_is_offered_no_more(
    browser: Browser, ward: Ward, inpatient: Patient
) -> None:
    browser.open()
    browser.type("#username", ward.receptionist.username)
    browser.type("#password", clinician_password(HOSPITAL_SECRET, ward.receptionist.username))
    browser.click("#login")
    browser.see("#bar", "Recepção")
    browser.open(f"/app/#/patients/{inpatient.id}/conversa")
    browser.see(".who h1", inpatient.name)
    assert browser.text(".tabs").split() == ["Resumo"]

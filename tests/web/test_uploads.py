"""A file that waits for the system is not lost in silence, nor sent in another person's name."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from reference_stack.hospital.patients import Patient
from tests.web.browser import Browser
from tests.web.test_ward_round import log_in, open_patient
from tests.web.ward import Ward

pytestmark = [pytest.mark.servers, pytest.mark.timeout(180)]

#: How fast the page's clock runs, which its patience with an upload is measured by.
HURRIED = "const now = performance.now.bind(performance); performance.now = () => 15 * now();"
# Nobody answers a request of Ana's; before it is repeated Bruno has logged in.
ANOTHER_PERSON = """
const done = arguments[0];
(async () => {
  const http = await import("/app/http.js");
  const fetched = window.fetch;
  const seen = [];
  window.fetch = async (path, options) => {
    if (path !== "/v1/of-ana") return fetched(path, options);
    seen.push(options.headers.Authorization ?? "nobody");
    http.useToken(SUCCESSOR);
    return new Response("{}", { status: seen.length === 1 ? 503 : 200 });
  };
  http.useToken("ana");
  const end = await http.request("/v1/of-ana", { method: "POST" })
    .then(() => "done", (error) => error.status);
  window.fetch = fetched;
  http.useToken(null);
  done([seen, end]);
})();
"""


@pytest.mark.parametrize("successor", ["'bruno'", "null"])
def test_a_request_is_never_repeated_in_another_persons_name(
    browser: Browser, ward: Ward, successor: str
) -> None:
    browser.open()
    browser.find("#username")
    script = ANOTHER_PERSON.replace("SUCCESSOR", successor)
    assert browser.driver.execute_async_script(script) == [["Bearer ana"], 401]


def choose(browser: Browser, folder: Path) -> str:
    """Have the page add a new file; returns its title."""
    title = f"Termo {uuid.uuid4()}"
    file = folder / f"{title}.txt"
    file.write_text("Texto simples.", encoding="utf-8")
    browser.driver.find_element("css selector", "#file").send_keys(str(file))
    return title


def test_an_upload_goes_on_while_another_patient_is_looked_at(
    browser: Browser, ward: Ward, inpatient: Patient, tmp_path: Path
) -> None:
    open_patient(browser, ward, inpatient, "documentos")
    browser.see(".documents", "Resumo do prontuário")
    ward.lead(None)
    title = choose(browser, tmp_path)
    browser.see("#document-state", "enviando de novo")
    browser.open("/app/#/")
    browser.see(".detail", "Escolha um paciente.")
    browser.open(f"/app/#/patients/{inpatient.id}/documentos")
    ward.lead(ward.mac_1)
    browser.see("#document-state", "Documento guardado.", 40)
    browser.see(".documents", title)


def test_an_upload_that_failed_meanwhile_says_so_and_can_be_sent_again(
    browser: Browser, ward: Ward, inpatient: Patient, tmp_path: Path
) -> None:
    open_patient(browser, ward, inpatient, "documentos")
    browser.see(".documents", "Resumo do prontuário")
    browser.script(HURRIED)
    ward.lead(None)
    title = choose(browser, tmp_path)
    browser.see("#document-state", "enviando de novo")
    browser.click(".tabs a[href$='/resumo']")
    browser.see("#banner", "não foi guardado", 40)
    ward.lead(ward.mac_1)
    browser.see("#banner", "Reconectado.")
    browser.click(".tabs a[href$='/documentos']")
    browser.see("#document-state", f"{title}” não foi guardado")
    browser.press("Tentar de novo")
    browser.see("#document-state", "Documento guardado.")
    browser.see(".documents", title)


def test_logging_out_asks_before_an_upload_is_given_up(
    browser: Browser, ward: Ward, inpatient: Patient, tmp_path: Path
) -> None:
    open_patient(browser, ward, inpatient, "documentos")
    browser.see(".documents", "Resumo do prontuário")
    ward.lead(None)
    title = choose(browser, tmp_path)
    browser.see("#document-state", "enviando de novo")
    browser.click("#logout")
    assert "não foi guardado" in browser.answer_question(yes=False)
    browser.click("#logout")
    browser.answer_question(yes=True)
    browser.find("#username")
    ward.lead(ward.mac_1)
    log_in(browser, ward)
    browser.open(f"/app/#/patients/{inpatient.id}/documentos")
    browser.see(".documents", "Resumo do prontuário")
    assert title not in browser.text(".documents")
    assert browser.text("#document-state") == ""

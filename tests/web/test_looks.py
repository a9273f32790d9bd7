"""How the page looks, on a phone and a desk, by day and by night: it fits, every part has a name,
text can be read, controls can be touched, and the keyboard gets everywhere."""

from __future__ import annotations

import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

from reference_stack.hospital.patients import Patient
from tests.web.browser import DESKTOP, PHONE, SMALL_PHONE, Browser
from tests.web.test_ward_round import ask, open_patient, sign_in
from tests.web.ward import EMERGENCY, Ward

pytestmark = pytest.mark.servers

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
#: What sticks out at the right, other than inside what scrolls of its own.
WIDE = """
return [...document.querySelectorAll('#banner *, #bar *, .who *, .login *, .panel > div')]
  .filter((one) => one.offsetParent && one.getBoundingClientRect().right > innerWidth + 1)
  .map((one) => one.outerHTML.slice(0, 200));
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
# WCAG 2.2, 1.4.11 and 2.4.13: 3:1 between the ring around what has the focus and what it lies on.
RING_CONTRAST = r"""
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
const one = document.activeElement, style = getComputedStyle(one);
if (!one.matches(':focus-visible') || style.outlineStyle === 'none') return null;
const [ring, below] = [luminance(parts(style.outlineColor)), luminance(ground(one.parentElement))];
return (Math.max(ring, below) + 0.05) / (Math.min(ring, below) + 0.05);
"""
SIZES = {"small": SMALL_PHONE, "phone": PHONE, "desk": DESKTOP}
FOCUSED = "const one = document.activeElement; return one.id || one.className || one.tagName"


@pytest.fixture(params=[(size, scheme) for size in SIZES for scheme in ("light", "dark")],
                ids="-".join)  # fmt: skip
def page(request: pytest.FixtureRequest, browser: Browser) -> Browser:
    """The browser at a size and in a scheme; its pictures bear their names."""
    size, scheme = request.param
    browser.resize(SIZES[size])
    browser.emulate(scheme)
    browser.suffix = f"-{size}-{scheme}"
    return browser


def looks_right(page: Browser, name: str) -> None:
    """Check what is on the screen, and take its picture."""
    width = page.script("return innerWidth")
    assert page.script("return document.documentElement.scrollWidth") == width, name
    assert page.script(WIDE) == [], name
    assert page.script(SMALL) == [], name
    assert page.script(UNNAMED) == [], name
    assert page.script(FAINT) == [], name
    page.picture(name + page.suffix)


def test_every_screen_fits_is_named_and_can_be_read_and_touched(
    page: Browser, ward: Ward, inpatient: Patient
) -> None:
    page.open()
    page.find("#face")
    looks_right(page, "login")
    sign_in(page, ward.physician)
    page.see(".patients", "anos")
    looks_right(page, "list")
    for tab, content in CONTENT.items():
        page.open(f"/app/#/patients/{inpatient.id}/{tab}")
        page.find(content)
        looks_right(page, tab)


def test_an_answer_in_the_making_and_an_outage_can_be_read(
    page: Browser, ward: Ward, inpatient: Patient
) -> None:
    open_patient(page, ward, inpatient, "conversa")
    ward.upstream.script = "hang"
    ask(page, "O que há de novo?")
    page.see(".answer.streaming", "Dor no")
    looks_right(page, "streaming")
    ward.lead(None)
    page.see(".turn .note", "caiu no meio")
    page.see("#banner", "reconectando…")
    looks_right(page, "away")


def test_an_emergency_can_be_read(page: Browser, ward: Ward, inpatient: Patient) -> None:
    ward.leadership.document = EMERGENCY
    ward.lead(ward.gcp)
    open_patient(page, ward, inpatient, "documentos")
    page.see("#banner", EMERGENCY["message"])
    page.see("#panel", "desligado durante a operação de emergência")
    looks_right(page, "emergency")


def test_the_keyboard_alone_gets_from_the_log_in_to_a_patients_note(
    browser: Browser, ward: Ward, inpatient: Patient
) -> None:
    browser.open()
    browser.find("#username")
    keys(browser, ward.physician.username, Keys.TAB, ward.password, Keys.ENTER)
    browser.see("#bar", ward.physician.name)
    tab_to(browser, "search")
    keys(browser, inpatient.medical_record_number)
    browser.wait(
        lambda: len(browser.driver.find_elements("css selector", ".patients a")) == 1, "one patient"
    )
    tab_to(browser, "A")
    keys(browser, Keys.ENTER)
    browser.see(".who h1", inpatient.name)
    for part in ("Conversa", "Notas"):
        browser.wait(lambda part=part: reaches(browser, part), part)
    keys(browser, Keys.ENTER)
    tab_to(browser, "note")
    keys(browser, "Sem mouse.")
    assert browser.value("#note") == "Sem mouse."
    browser.script("sessionStorage.clear()")


def test_what_has_the_focus_is_seen_also_in_the_emergencys_banner(
    page: Browser, ward: Ward, inpatient: Patient
) -> None:
    ward.leadership.document = EMERGENCY
    ward.lead(ward.gcp)
    open_patient(page, ward, inpatient, "documentos")
    page.see("#banner", EMERGENCY["message"])
    rings = {}
    page.script("document.querySelector('.skip').focus()")
    for _ in range(10):
        keys(page, Keys.TAB)
        rings[page.script(FOCUSED)] = page.script(RING_CONTRAST)
    assert rings["SUMMARY"]
    assert all(ring is None or ring >= 3 for ring in rings.values()), rings


def keys(browser: Browser, *pressed: str) -> None:
    ActionChains(browser.driver).send_keys(*pressed).perform()


def reaches(browser: Browser, words: str) -> bool:
    """Press Tab once; whether the focus is on what bears the words."""
    keys(browser, Keys.TAB)
    return words in str(browser.script("return document.activeElement.textContent"))[:40]


def tab_to(browser: Browser, what: str) -> None:
    for _ in range(60):
        keys(browser, Keys.TAB)
        if browser.script(FOCUSED) == what:
            return
    raise AssertionError(f"Tab does not reach {what}")

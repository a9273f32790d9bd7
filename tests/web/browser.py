"""A real Chromium without a window, driven by selenium."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from selenium.common.exceptions import (
    NoAlertPresentException,
    NoSuchElementException,
    StaleElementReferenceException,
)
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.alert import Alert
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

DEADLINE_S = 120.0
SMALL_PHONE, PHONE, DESKTOP = (360, 640), (390, 844), (1280, 800)

FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--disable-default-apps", "--disable-extensions", "--metrics-recording-only", "--lang=pt-BR"),
    *("--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"),
    "--disable-features=Translate,OptimizationHints,MediaRouter",
)


def missing() -> str | None:
    """What is not installed, or None."""
    if not (shutil.which("chromium") or shutil.which("google-chrome")):
        return "no Chromium: apt-get install chromium"
    if not shutil.which("chromedriver"):
        return "no chromedriver: apt-get install chromium-driver"
    return None


class Browser:
    """A page, and waiting for what it comes to show."""

    def __init__(self, driver: Chrome, url: str) -> None:
        self.driver = driver
        self.url = url
        self.suffix = ""

    def open(self, path: str = "/app/") -> None:
        self.driver.get(self.url + path)

    def resize(self, size: tuple[int, int]) -> None:
        """The page itself is of this size, in CSS pixels."""
        width, height = size
        self.driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600},
        )

    def emulate(self, scheme: str) -> None:
        feature = {"name": "prefers-color-scheme", "value": scheme}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})

    def find(self, selector: str) -> WebElement:
        return self.wait(lambda: self._shown(selector), f"{selector} to be shown")

    def _shown(self, selector: str) -> WebElement | None:
        for element in self.driver.find_elements(By.CSS_SELECTOR, selector):
            if element.is_displayed():
                return element
        return None

    def click(self, selector: str) -> None:
        self.find(selector).click()

    def press(self, words: str) -> None:
        """Click the button that bears the words."""
        self.driver.find_element(By.XPATH, f"//button[contains(., '{words}')]").click()

    def value(self, selector: str) -> str:
        """What a field holds."""
        return str(self.find(selector).get_attribute("value"))

    def answer_question(self, *, yes: bool) -> str:
        """Answer the page's question in the browser's own dialog; returns the question."""
        question = self.wait(self._question, "a question")
        words = str(question.text)
        if yes:
            question.accept()
        else:
            question.dismiss()
        return words

    def _question(self) -> Alert | None:
        try:
            return self.driver.switch_to.alert
        except NoAlertPresentException:
            return None

    def type(self, selector: str, text: str) -> None:
        element = self.find(selector)
        element.clear()
        element.send_keys(text)

    def text(self, selector: str) -> str:
        """What the elements show; empty when there are none."""
        try:
            elements = self.driver.find_elements(By.CSS_SELECTOR, selector)
            return "\n".join(element.text for element in elements)
        except (StaleElementReferenceException, NoSuchElementException):
            return ""

    def see(self, selector: str, words: str, deadline_s: float = DEADLINE_S) -> str:
        """Wait until the elements show the words; returns all they show."""
        return self.wait(
            lambda: found if words in (found := self.text(selector)) else None,
            f"'{words}' in {selector}", deadline_s,
        )  # fmt: skip

    def wait(self, condition: Callable[[], object], what: str, deadline_s: float = DEADLINE_S):
        """Poll until the condition gives something true, and return that."""
        end = time.monotonic() + deadline_s
        while True:
            try:
                found = condition()
            except StaleElementReferenceException:
                found = None
            if found:
                return found
            assert time.monotonic() < end, f"waited {deadline_s:.0f} s for {what}: {self._state()}"
            time.sleep(0.05)

    def _state(self) -> str:
        return self.driver.find_element(By.TAG_NAME, "body").text[:600]

    def script(self, code: str, *arguments: object):
        return self.driver.execute_script(code, *arguments)

    def picture(self, name: str) -> None:
        """A screenshot, where PRONTUARIO_PICTURES names a folder for them."""
        folder = os.environ.get("PRONTUARIO_PICTURES")
        if folder:
            Path(folder).mkdir(parents=True, exist_ok=True)
            self.driver.save_screenshot(str(Path(folder) / f"{name}.png"))

    def complaints(self) -> list[str]:
        """Errors of the page since the last call; refused requests are the tests' own doing."""
        return [
            entry["message"]
            for entry in self.driver.get_log("browser")
            if entry["level"] == "SEVERE" and entry["source"] != "network"
        ]


@contextmanager
def browsing(url: str, profile: Path, *flags: str) -> Iterator[Browser]:
    """A browser of its own profile, with `flags` on top of `FLAGS`."""
    options = ChromeOptions()
    options.binary_location = shutil.which("chromium") or shutil.which("google-chrome") or ""
    for flag in (*FLAGS, f"--user-data-dir={profile}", *flags):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = Chrome(options=options, service=Service(shutil.which("chromedriver")))
    try:
        yield Browser(driver, url)
    finally:
        driver.quit()

"""The operator's page in a real browser, while its Prometheus hangs."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from architecture import load_design
from reference_stack.monitoring.console import PAGE
from tests.monitoring.test_monitoring_servers import running_prometheus
from tests.web.browser import browsing, missing

pytestmark = [pytest.mark.servers, pytest.mark.timeout(120)]

#: Counts what the page has asked and not been told.
COUNTED = """
window.pending = window.most = 0;
const fetched = window.fetch;
window.fetch = (...asked) => {
  window.most = Math.max(window.most, ++window.pending);
  return fetched(...asked).finally(() => { window.pending -= 1; });
};
"""


def test_while_prometheus_hangs_the_page_says_so_asks_once_at_a_time_and_comes_back(
    tmp_path: Path,
) -> None:
    reason = missing()
    if reason is not None:
        pytest.skip(reason)
    with (
        running_prometheus(load_design("local"), tmp_path) as (here, prometheus),
        browsing(here.url, tmp_path / "chromium") as browser,
    ):
        browser.open(f"/consoles/{PAGE}")
        browser.see("#age", "read")
        prometheus.send_signal(signal.SIGSTOP)
        try:
            browser.see("#age", "OLD")
            browser.script(COUNTED)
            time.sleep(5)  # more than two rounds of the page
            assert browser.script("return window.most") <= 1
        finally:
            prometheus.send_signal(signal.SIGCONT)
        browser.see("#age", "read")

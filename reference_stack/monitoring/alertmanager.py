"""Alertmanager: every alert goes to the stack's alert sink, at once and again when it is over."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from reference_stack.addresses import Endpoint
from reference_stack.monitoring.pace import Pace, duration

SINK_PATH = "/webhook"
# How often a lasting alert is told again; on a real ward somebody's shift, here never in a test.
REPEAT_S = 4 * 3600


def configuration(pace: Pace, sink: Endpoint) -> dict[str, Any]:
    """``alertmanager.yml`` as a document."""
    return {
        "route": {
            "receiver": "sink",
            "group_by": ["alertname", "form", "site"],
            "group_wait": duration(pace.group_wait_s),
            "group_interval": duration(pace.scrape_s),
            "repeat_interval": duration(REPEAT_S),
        },
        "receivers": [
            {
                "name": "sink",
                "webhook_configs": [{"url": f"{sink.url}{SINK_PATH}", "send_resolved": True}],
            }
        ],
        # A dead Mac is one message, not one for each process on it.
        "inhibit_rules": [
            {
                "source_matchers": ["alertname = MacStudioDown", "form = mended"],
                "target_matchers": ["alertname = ComponentDown"],
                "equal": ["site"],
            }
        ],
    }


def command(binary: Path, config: Path, *, listen: Endpoint, data: Path) -> list[str]:
    """The command that runs Alertmanager, alone: it has no peers to gossip with."""
    return [
        str(binary),
        f"--config.file={config}",
        f"--web.listen-address={listen}",
        f"--storage.path={data}",
        "--cluster.listen-address=",
        "--log.level=warn",
    ]

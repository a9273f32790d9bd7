"""Prometheus: its configuration and command line, rendered from the design."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from architecture.design import Design
from reference_stack.addresses import Endpoint
from reference_stack.monitoring.pace import duration, pace
from reference_stack.monitoring.rules.objectives import LONGEST_WINDOW_S
from reference_stack.monitoring.targets import Job

DAY_S = 86_400
# One day more than the longest window a rule looks back on.
RETENTION_S = LONGEST_WINDOW_S + DAY_S
RETENTION_SIZE = "512MB"


def configuration(
    design: Design, jobs: Sequence[Job], rule_files: Iterable[Path], alertmanager: Endpoint | None
) -> dict[str, Any]:
    """``prometheus.yml`` as a document; without Alertmanager alerts stay where they arise."""
    looked_at = pace(design)
    document: dict[str, Any] = {
        "global": {
            "scrape_interval": duration(looked_at.scrape_s),
            "scrape_timeout": duration(looked_at.scrape_timeout_s),
            "evaluation_interval": duration(looked_at.evaluation_s),
            "external_labels": {"design": design.name},
        },
        "rule_files": [str(path) for path in rule_files],
        "scrape_configs": [job.document() for job in jobs],
    }
    if alertmanager is not None:
        document["alerting"] = {
            "alertmanagers": [{"static_configs": [{"targets": [str(alertmanager)]}]}]
        }
    return document


def command(
    binary: Path, config: Path, *, listen: Endpoint, data: Path, consoles: Path
) -> list[str]:
    """The command that runs Prometheus."""
    return [
        str(binary),
        f"--config.file={config}",
        f"--web.listen-address={listen}",
        f"--web.console.templates={consoles}",
        f"--web.console.libraries={consoles}",
        f"--storage.tsdb.path={data}",
        f"--storage.tsdb.retention.time={duration(RETENTION_S)}",
        f"--storage.tsdb.retention.size={RETENTION_SIZE}",
        "--log.level=warn",
    ]

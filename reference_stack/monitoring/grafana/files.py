"""The folder a Grafana starts from: its settings, data sources, and the dashboard.

``grafana.ini`` keeps Grafana on loopback, lets anybody there look without logging in (the metrics
name no patient; Prometheus itself asks for no password either), and has it call nobody.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import yaml

from architecture.design import Design
from architecture.errors import InputError
from reference_stack.monitoring.grafana.dashboard import DATASOURCE_NAME, dashboard
from reference_stack.monitoring.grafana.variables import PROMETHEUS_UID
from reference_stack.monitoring.pace import duration, pace

PORT: Final = 3000
CONFIG: Final = "grafana.ini"
DASHBOARD: Final = "dashboards/failover.json"
DATASOURCES: Final = "provisioning/datasources/prontuario.yaml"
PROVIDERS: Final = "provisioning/dashboards/prontuario.yaml"

_INI = """\
[paths]
data = {folder}/data
logs = {folder}/data/log
plugins = {folder}/data/plugins
provisioning = {folder}/provisioning

[server]
http_addr = 127.0.0.1
http_port = {port}

[dashboards]
default_home_dashboard_path = {folder}/{dashboard}

[auth.anonymous]
enabled = true
org_role = Viewer

[analytics]
reporting_enabled = false
check_for_updates = false
check_for_plugin_updates = false

[news]
news_feed_enabled = false
"""


def write(design: Design, into: Path, *, prometheus: str, alertmanager: str | None) -> list[Path]:
    """Write the folder's files, over those of an earlier time, and return them.

    Args:
        design: What the dashboard shows.
        into: The folder, made when missing; the files name its absolute path.
        prometheus: URL of the Prometheus that watches the stack.
        alertmanager: URL of its Alertmanager, if it has one.

    Raises:
        InputError: when ``into`` is no folder, or its path can't be written in ``grafana.ini``.
    """
    folder = into.absolute()
    if folder.exists() and not folder.is_dir():
        raise InputError("is not a folder", where=str(into))
    # Grafana expands what looks like a variable, and these begin a comment or a string.
    if any(mark in str(folder) for mark in "$%;#`\"'\n"):
        raise InputError(
            "this path can't be written in Grafana's settings",
            where=str(into),
            allowed="a path without $ % ; # ` \" ' and line breaks",
        )
    texts = {
        DASHBOARD: json.dumps(dashboard(design), indent=2, ensure_ascii=False) + "\n",
        DATASOURCES: _yaml(datasources(design, prometheus, alertmanager)),
        PROVIDERS: _yaml(providers(folder)),
        CONFIG: _INI.format(folder=folder, port=PORT, dashboard=DASHBOARD),
    }
    for name, text in texts.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return [folder / name for name in texts]


def datasources(design: Design, prometheus: str, alertmanager: str | None) -> dict[str, Any]:
    """Grafana's provisioning of the stack's Prometheus and Alertmanager.

    Neither is the default: a Grafana of the user's that reads this file too may have its own.
    """
    found: list[dict[str, Any]] = [
        {
            "name": DATASOURCE_NAME,
            "uid": PROMETHEUS_UID,
            "type": "prometheus",
            "access": "proxy",
            "url": prometheus,
            "jsonData": {
                "httpMethod": "POST",
                "prometheusType": "Prometheus",
                # Rates are taken over four of these.
                "timeInterval": duration(pace(design).scrape_s),
                "manageAlerts": True,
            },
        }
    ]
    if alertmanager is not None:
        found.append(
            {
                "name": "Prontuário Alertmanager",
                "uid": "prontuario-alertmanager",
                "type": "alertmanager",
                "access": "proxy",
                "url": alertmanager,
                "jsonData": {"implementation": "prometheus", "handleGrafanaManagedAlerts": False},
            }
        )
    return {"apiVersion": 1, "datasources": found}


def providers(folder: Path) -> dict[str, Any]:
    """Grafana's provisioning of every dashboard in the folder's ``dashboards``."""
    provider = {
        "name": "Prontuário",
        "folder": "Prontuário",
        "type": "file",
        "allowUiUpdates": True,
        "updateIntervalSeconds": 10,
        "options": {"path": str((folder / DASHBOARD).parent)},
    }
    return {"apiVersion": 1, "providers": [provider]}


def _yaml(document: object) -> str:
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=100)

"""What a user of the dashboard chooses at its head: the data source, and the sites."""

from __future__ import annotations

from typing import Any, Final

PROMETHEUS_UID: Final = "prontuario-prometheus"
#: Whichever Prometheus is chosen.
DATASOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}
SITES_QUERY: Final = "label_values(up, site)"


def variables(datasource_name: str) -> list[dict[str, Any]]:
    """The dashboard's variables; the provisioned Prometheus and all sites are chosen at first."""
    return [
        {
            "type": "datasource",
            "name": "datasource",
            "label": "Prometheus",
            "query": "prometheus",
            "current": {"text": datasource_name, "value": PROMETHEUS_UID},
        },
        {
            "type": "query",
            "name": "site",
            "label": "Site",
            "datasource": DATASOURCE,
            "query": {"query": SITES_QUERY, "refId": "site"},
            "definition": SITES_QUERY,
            "refresh": 2,  # when the time range changes
            "sort": 1,  # by name
            "multi": True,
            "includeAll": True,
            "allValue": ".*",
            "current": {"text": ["All"], "value": ["$__all"]},
        },
    ]


def of_chosen_sites(query: str) -> str:
    """``query``, whose series have the label ``site``, without the sites that are not chosen."""
    return f'({query}) and on (site) up{{site=~"$site"}}'

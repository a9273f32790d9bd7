"""Alerting and recording rules, rendered from the design."""

from __future__ import annotations

from typing import Any

from architecture.design import Design
from reference_stack.monitoring.pace import pace
from reference_stack.monitoring.rules.literal import literal_group
from reference_stack.monitoring.rules.mended import mended_group
from reference_stack.monitoring.rules.objectives import objective_groups
from reference_stack.monitoring.rules.operations import operations_group


def rule_files(design: Design) -> dict[str, dict[str, Any]]:
    """Every rule file by its name, as the document Prometheus reads."""
    looked_at = pace(design)
    files = {
        "literal": (literal_group(design, looked_at),),
        "mended": (mended_group(design, looked_at),),
        "objectives": objective_groups(design),
        "operations": (operations_group(design, looked_at),),
    }
    return {
        f"{name}.yml": {"groups": [group.document() for group in groups if group.rules]}
        for name, groups in files.items()
        if any(group.rules for group in groups)
    }

"""Runs the real promtool over the rules of a design, against series written by hand."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from architecture import Design
from reference_stack import binaries
from reference_stack.monitoring.rules import rule_files


def promtool() -> Path:
    found = binaries.find("promtool")
    assert found is not None, binaries.MENDING
    return found.path


def write_rules(design: Design, folder: Path) -> list[Path]:
    paths = []
    for name, document in rule_files(design).items():
        path = folder / name
        path.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
        paths.append(path)
    return paths


@dataclass(frozen=True)
class Expected:
    """Alerts of one name that fire at one time, by their labels (all of them)."""

    alert: str
    at: str
    labels: Sequence[Mapping[str, str]] = ()


def run_rules(
    design: Design,
    folder: Path,
    series: Mapping[str, str],
    expected: Sequence[Expected],
    *,
    files: Sequence[str],
    interval: str,
    evaluation: str,
    expressions: Mapping[str, tuple[str, Mapping[str, float] | float | None]] | None = None,
) -> None:
    """Fail with promtool's words unless exactly the expected alerts fire.

    Only the rule files named are evaluated. Annotations are not compared: they are words.
    ``expressions``: time and value by expression, or the values by labels; None: no answer.
    """
    rules = []
    for path in write_rules(design, folder):
        if path.stem not in files:
            continue
        document = yaml.safe_load(path.read_text())
        for group in document["groups"]:
            for rule in group["rules"]:
                rule.pop("annotations", None)
        path.write_text(yaml.safe_dump(document, sort_keys=False))
        rules.append(str(path))
    test: dict[str, Any] = {
        "interval": interval,
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "alert_rule_test": [
            {
                "eval_time": one.at,
                "alertname": one.alert,
                "exp_alerts": [{"exp_labels": dict(labels)} for labels in one.labels],
            }
            for one in expected
        ],
        "promql_expr_test": [
            {
                "expr": expression,
                "eval_time": at,
                "exp_samples": samples(value),
            }
            for expression, (at, value) in (expressions or {}).items()
        ],
    }
    file = folder / "test.yml"
    document = {"rule_files": rules, "evaluation_interval": evaluation, "tests": [test]}
    file.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
    answer = subprocess.run(
        [promtool(), "test", "rules", file], capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr


def samples(value: Mapping[str, float] | float | None) -> list[dict[str, Any]]:
    if value is None:
        return []
    by_labels = value if isinstance(value, Mapping) else {"": value}
    return [{"labels": labels, "value": number} for labels, number in by_labels.items()]

"""Findings as a run of kind ``findings``: the record that reports read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from pydantic import JsonValue

from evidence.record import RunWriter, json_document
from simulator.findings.finding import Figure, Finding
from simulator.findings.inquiry import Inquiry
from simulator.statistics import estimate_document

KIND = "findings"


def findings_document(found: Sequence[Finding]) -> list[dict[str, JsonValue]]:
    """The findings as JSON; infinite figures are the string ``Infinity``."""
    return [_document(finding) for finding in found]


def _document(finding: Finding) -> dict[str, JsonValue]:
    document = json_document(finding)
    document["evidence"] = [_figure(figure) for figure in finding.evidence]
    if finding.mend is not None:
        mend = json_document(finding.mend)
        mend["evidence"] = [_figure(figure) for figure in finding.mend.evidence]
        document["mend"] = mend
    return document


def _figure(figure: Figure) -> JsonValue:
    return {
        "what": figure.what, "unit": figure.unit, "source": figure.source,
        "value": estimate_document(figure.value),
    }  # fmt: skip


def findings_table(found: Sequence[Finding]) -> pd.DataFrame:
    """One row a figure: doubt, of (literal or mended), what, estimate, lower, upper, n, unit."""
    rows = [
        {
            "doubt": finding.id, "verdict": finding.verdict, "of": of, "what": figure.what,
            **{name: getattr(figure.value, name) for name in ("estimate", "lower", "upper", "n")},
            "unit": figure.unit,
        }
        for finding in found
        for of, figures in (
            ("literal", finding.evidence),
            ("mended", finding.mend.evidence if finding.mend is not None else ()),
        )
        for figure in figures
    ]  # fmt: skip
    return pd.DataFrame(rows)


def record_findings(inquiry: Inquiry, found: Sequence[Finding], root: Path) -> Path:
    """Write a run of kind ``findings``; returns its folder.

    The outcome is ``findings``, and ``verdicts`` by doubt; the table ``figures`` has a row a
    figure.

    Raises:
        evidence.record.RecordError: when it cannot be written.
    """
    design = inquiry.design
    parameters: dict[str, JsonValue] = {
        "failovers": inquiry.failovers, "years": inquiry.years, "horizons": inquiry.horizons,
    }  # fmt: skip
    with RunWriter.of_design(
        root, kind=KIND, design=design, seed=inquiry.seed, parameters=parameters,
    ) as run:  # fmt: skip
        run.write_table("figures", findings_table(found))
        documents: list[JsonValue] = list(findings_document(found))
        run.finish(
            {"findings": documents, "verdicts": {finding.id: finding.verdict for finding in found}}
        )
    return run.path

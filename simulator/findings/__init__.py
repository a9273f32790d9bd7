"""The doubts about the designs (D-01 …), each settled by a computed figure, with its mend."""

from simulator.findings.finding import Figure, Finding, Mend
from simulator.findings.inquiry import Inquiry
from simulator.findings.recording import findings_document, record_findings
from simulator.findings.registry import SETTLED_BY, doubts, settle

__all__ = [
    "SETTLED_BY",
    "Figure",
    "Finding",
    "Inquiry",
    "Mend",
    "doubts",
    "findings_document",
    "record_findings",
    "settle",
]

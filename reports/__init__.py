"""Floor 5: verdicts with their evidence, the failover timeline, and the report page."""

from reports.judge import verdicts
from reports.report import Report, build_report

__all__ = ["Report", "build_report", "verdicts"]

"""The report's answer in a few sentences."""

from __future__ import annotations

import math
from collections import Counter

from reports import wording
from reports.findings import Findings
from reports.judge import Judgement


def counts(findings: Findings) -> dict[str, int]:
    """Number of verdicts of each kind."""
    found = Counter(verdict.verdict for verdict in findings.verdicts)
    return {outcome: found[outcome] for outcome in ("held", "refuted", "inconclusive")}


def answer(findings: Findings) -> str:
    """One sentence for all promises together."""
    number, total = counts(findings), len(findings.verdicts)
    if number["refuted"]:
        return f"{number['refuted']} of {wording.plural(total, 'promise')} refuted by the evidence"
    if number["held"] == total:
        return f"All {wording.plural(total, 'promise')} held"
    return (
        f"No promise refuted, {number['held']} of {total} held; "
        f"the evidence for {number['inconclusive']} is not enough yet"
    )


def sentences(findings: Findings) -> list[str]:
    """What was found, most important first: recoveries, then losses."""
    by_metric: dict[str, list[Judgement]] = {}
    for judgement in findings.judgements:
        by_metric.setdefault(judgement.objective.metric, []).append(judgement)
    untested = sum(not judgement.tested for judgement in findings.judgements)
    lines = [_recovery(judgement) for judgement in by_metric.get("rto_s", [])]
    lines += [_loss(judgement) for judgement in by_metric.get("lost_writes", [])]
    if untested:
        was = "was" if untested == 1 else "were"
        lines.append(f"{untested} of {len(findings.judgements)} {was} not tested by these runs.")
    return [line for line in lines if line]


def _recovery(judgement: Judgement) -> str:
    verdict, objective = judgement.verdict, judgement.objective
    if verdict.measured is None:
        return ""
    details = [f"promised {wording.target(verdict.target, verdict.unit)}"]
    if verdict.predicted is not None:
        details.insert(0, f"predicted {wording.interval(verdict.predicted, verdict.unit)}")
    if verdict.n > 1:
        worst = wording.seconds(verdict.measured.upper)
        details.insert(0, f"median of {verdict.n} trials, the longest {worst}")
    able = wording.ABLE_AGAIN[str(objective.operation)]
    after = f"After {wording.LOSSES[str(objective.fault)]}"
    aside = "; ".join(details)
    if math.isinf(verdict.measured.estimate):
        return f"{after} it was not seen that {able} ({aside})."
    return f"{after} {able} in {wording.seconds(verdict.measured.estimate)} ({aside})."


def _loss(judgement: Judgement) -> str:
    verdict, objective = judgement.verdict, judgement.objective
    if verdict.measured is None:
        return ""
    after = f"With {wording.LOSSES[str(objective.fault)]}"
    worst = int(verdict.measured.upper)
    if worst == 0:
        return f"{after} no acknowledged note was lost."
    most = "up to " if verdict.n > 1 else ""
    were = "was" if worst == 1 else "were"
    return f"{after} {most}{wording.plural(worst, 'acknowledged note')} {were} lost."

"""Designs side by side, replication by replication."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from architecture.design import Design
from simulator.statistics import PairedDifference, against_base
from simulator.sweep.run import Work, replicate_designs
from simulator.sweep.targets import Target

Differences = dict[str, PairedDifference]


def compare(
    first: Design, second: Design, target: Target, *, metrics: Sequence[str] | None = None,
    work: Work | None = None, confidence: float = 0.95,
) -> Differences:  # fmt: skip
    """How much more the second design has of each metric: see :func:`compare_with_base`."""
    found = compare_with_base(
        first, {"second": second}, target, metrics=metrics, work=work, confidence=confidence
    )
    return found["second"]


def compare_with_base(
    base: Design, others: Mapping[str, Design], target: Target, *,
    metrics: Sequence[str] | None = None, work: Work | None = None, confidence: float = 0.95,
) -> dict[str, Differences]:  # fmt: skip
    """Paired differences of several designs against one, from common random numbers.

    For each metric the intervals hold together for all the designs (Bonferroni); several metrics
    are several questions, each with its own confidence.

    Args:
        base: What the others are compared with.
        others: By name.
        target: What is asked.
        metrics: Which metrics; by default all that every design has.
        work: Seed and replications. With a precision, designs may need different numbers; the
            pairs are those that all have.
        confidence: Of all intervals of one metric together.

    Returns:
        By design and metric; metrics of which fewer than two pairs are known are left out.

    Raises:
        UnknownMetricError: when a design has no such metric.
    """
    results = replicate_designs([base, *others.values()], target, work or Work())
    pairs = min(len(result.rows) for result in results)
    everywhere = [
        metric
        for metric in results[0].metrics
        if all(metric in result.metrics for result in results)
    ]
    found: dict[str, Differences] = {name: {} for name in others}
    for metric in metrics if metrics is not None else everywhere:
        values = [result.values(metric)[:pairs] for result in results]
        differences = against_base(
            values[0], dict(zip(others, values[1:], strict=True)), confidence
        )
        for name, difference in differences.items():
            if difference is not None:
                found[name][metric] = difference
    return found

"""Every doubt is settled by figures that a reader can recompute."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from architecture import InputError
from architecture.requirements import all_requirements
from evidence import load_run
from simulator.findings import SETTLED_BY, Finding, Inquiry, record_findings, settle
from simulator.findings.detection import fires_at, share_of, threshold_of
from simulator.findings.losses import losses_of_a_node

pytestmark = pytest.mark.long

BORNE_OUT = {
    "D-01", "D-02", "D-03", "D-04", "D-05", "D-06", "D-07", "D-08", "D-09", "D-10", "D-11",
    "D-12", "D-13", "D-15", "D-17", "D-18",
}  # fmt: skip
OPEN = {"D-14", "D-16"}


@pytest.fixture(scope="module")
def inquiry() -> Inquiry:
    """Few years: enough for the sign of a difference under the same luck."""
    return Inquiry(seed=3, failovers=60, years=1000, horizons=5)


@pytest.fixture(scope="module")
def found(inquiry: Inquiry) -> dict[str, Finding]:
    return {finding.id: finding for finding in settle(inquiry)}


def figure(finding: Finding, what: str, *, mended: bool = False) -> float:
    figures = finding.evidence
    if mended:
        assert finding.mend is not None
        figures = finding.mend.evidence
    (value,) = (f.value.estimate for f in figures if f.what == what)
    return value


def test_every_doubt_of_the_requirements_has_a_function() -> None:
    assert list(SETTLED_BY) == [row.id for row in all_requirements() if row.kind == "doubt"]


def test_verdicts(found: dict[str, Finding]) -> None:
    assert {key for key, finding in found.items() if finding.verdict == "held"} == BORNE_OUT
    assert {key for key, finding in found.items() if finding.verdict == "inconclusive"} == OPEN


def test_what_is_open_names_the_experiment_that_would_tell(found: dict[str, Finding]) -> None:
    assert all(found[key].experiment for key in OPEN)


def test_every_mend_has_evidence_of_its_own_and_every_price_a_source(
    found: dict[str, Finding],
) -> None:
    for finding in found.values():
        if finding.mend is None:
            assert finding.id in OPEN
            continue
        assert finding.mend.evidence
        if finding.mend.cost_brl is not None:
            assert len(finding.mend.cost_brl.source) > 10


def test_the_witness_restores_the_quorum(found: dict[str, Finding]) -> None:
    finding = found["D-01"]
    assert figure(finding, "left when one is lost") < figure(finding, "needed for a quorum")
    assert math.isinf(figure(finding, "longest outage of writes, primary lost"))
    assert figure(finding, "longest outage of writes, primary lost", mended=True) < 30


def test_literal_settings_break_thirty_seconds_and_the_mend_does_not(
    found: dict[str, Finding],
) -> None:
    finding = found["D-03"]
    assert figure(finding, "share of failovers over the promise, literal settings") > 0.5
    assert figure(finding, "share of failovers over the promise", mended=True) == 0


def test_a_second_balancer_is_worth_its_downtime(found: dict[str, Finding]) -> None:
    (more,) = (f.value for f in found["D-09"].evidence if f.what.startswith("… more"))
    assert more.lower > 0


def test_drills_cost_nearly_three_times_the_budget(found: dict[str, Finding]) -> None:
    """D-10: 4 × 4 h + 8 h against 0.1 % of 8,766 h."""
    assert figure(found["D-10"], "… times the budget") == pytest.approx(24 / 8.766)


def test_an_alert_is_evaluated_as_prometheus_would() -> None:
    """D-07: 0.5 is not below 0.5."""
    expression = 'avg(up{job="mac-studio"}) < 0.5'
    assert threshold_of(expression) == 0.5
    assert [fires_at(expression, value) for value in (0.0, 0.5, 1.0)] == [True, False, False]
    with pytest.raises(ValueError, match="no comparison"):
        threshold_of("up")


def test_node_losses_are_the_sum_of_its_failure_modes(inquiry: Inquiry) -> None:
    modes = [m for k, m in inquiry.design.failures.items() if k.startswith("node")]
    expected = sum(8766 / m.mean_time_between_failures_h.typical for m in modes)
    assert losses_of_a_node(inquiry.design, "typical")[0] == pytest.approx(expected)


def test_an_interval_of_a_share_holds_it_and_stays_within_bounds() -> None:
    import numpy as np  # noqa: PLC0415

    none, some = share_of(np.zeros(50, dtype=bool)), share_of(np.array([True] * 3 + [False] * 7))
    assert (none.estimate, none.lower) == (0.0, 0.0)
    # Wilson (1927) for 3 of 10: 0.108 to 0.603.
    assert [some.lower, some.upper] == pytest.approx([0.1078, 0.6032], abs=1e-3)


def test_a_run_of_findings_keeps_every_figure(
    inquiry: Inquiry, found: dict[str, Finding], tmp_path: Path
) -> None:
    run = load_run(record_findings(inquiry, tuple(found.values()), tmp_path))
    assert run.record.kind == "findings"
    assert run.record.outcome["verdicts"] == {key: f.verdict for key, f in found.items()}
    table = run.table("figures")
    figures = sum(len(f.evidence) + len(f.mend.evidence if f.mend else ()) for f in found.values())
    assert len(table) == figures


def test_an_unknown_doubt_is_refused_by_name(inquiry: Inquiry) -> None:
    with pytest.raises(InputError, match="D-99"):
        settle(inquiry, ["D-99"])


def test_calculations_need_no_seed(found: dict[str, Finding]) -> None:
    again = settle(Inquiry(seed=4, failovers=60, years=1000, horizons=5), ["D-07", "D-10", "D-13"])
    assert [f.evidence for f in again] == [found[f.id].evidence for f in again]

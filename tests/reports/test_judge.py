"""Verdicts from the tables of runs."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from evidence import Verdict, exit_code, list_runs, load_run
from reports.judge import judge, verdicts
from reports.trials import median_of_trials, read_trials
from tests.reports.fixtures import (
    EPOCH,
    HELD_SO_FAR,
    REFUTED,
    Situation,
    copy_of,
    local_design,
    write_chaos,
    write_load,
    write_prediction,
    write_situation,
)

RTO_WRITE = "B-20.primary.rto-write"
RTO_READ = "B-20.primary.rto-read"
RPO = "B-20.primary.rpo"
LOST = "B-20.primary.lost"
LOOKUP = "B-17.lookup-p95"
UPTIME = "B-01.availability"
FAULT_OBJECTIVES = (RTO_WRITE, RTO_READ, "B-13.rto-chat", RPO, LOST)


def judged(root: Path) -> dict[str, Verdict]:
    return {v.objective: v for v in verdicts(list_runs(root), local_design())}


def test_every_objective_gets_one_verdict_in_the_designs_order(roots: dict[str, Path]) -> None:
    found = verdicts(list_runs(roots["held-so-far"]), local_design())
    assert [v.objective for v in found] == [o.id for o in local_design().objectives]


def test_no_runs_hold_nothing() -> None:
    found = verdicts([], local_design())
    assert {v.verdict for v in found} == {"inconclusive"}
    assert exit_code(found) == 3
    assert all(v.n == 0 and v.measured is None and v.reason for v in found)


def test_one_passed_trial_is_inconclusive_and_says_how_many_are_missing(
    roots: dict[str, Path],
) -> None:
    verdict = judged(roots["held-so-far"])[RTO_WRITE]
    assert (verdict.verdict, verdict.n, verdict.needed) == ("inconclusive", 1, 59)
    assert "58 more" in verdict.reason
    assert verdict.measured is not None
    assert HELD_SO_FAR.write_s <= verdict.measured.estimate < HELD_SO_FAR.write_s + 1
    assert verdict.predicted is not None
    assert verdict.prediction_covers is True


def test_fifty_nine_straight_passes_hold_and_one_failure_among_them_refutes(tmp_path: Path) -> None:
    design = local_design()
    small = replace(HELD_SO_FAR, users=30, before_s=15, after_s=45)
    first = write_chaos(tmp_path, design, small)
    for k in range(1, 59):
        copy_of(first, started=EPOCH + timedelta(minutes=5 * k))
    found = judged(tmp_path)
    assert found[RTO_WRITE].verdict == "held"
    assert found[LOST].verdict == "held"
    assert found[RTO_WRITE].n == 59
    write_chaos(
        tmp_path, design, replace(small, write_s=36, after_s=70, seed=99),
        started=EPOCH + timedelta(days=1),
    )  # fmt: skip
    found = judged(tmp_path)
    assert found[RTO_WRITE].verdict == "refuted"
    assert found[RTO_READ].verdict == "held"
    assert found[RTO_WRITE].reason.startswith("1 of 60")


def test_a_recovery_after_45_s_and_lost_notes_refute(roots: dict[str, Path]) -> None:
    found = judged(roots["refuted"])
    assert found[RTO_WRITE].verdict == "refuted"
    assert found[RTO_READ].verdict == "inconclusive"
    assert found[LOST].verdict == "refuted"
    assert found[LOST].measured is not None
    assert found[LOST].measured.estimate == REFUTED.lost_notes
    assert found[RPO].verdict == "refuted"
    assert exit_code(found.values()) == 1


def test_an_operation_that_never_comes_back_in_a_long_enough_run_refutes(tmp_path: Path) -> None:
    dead = replace(HELD_SO_FAR, write_s=1_000.0)
    write_chaos(tmp_path, local_design(), dead)
    verdict = judged(tmp_path)[RTO_WRITE]
    assert verdict.verdict == "refuted"
    assert verdict.measured is not None
    assert math.isinf(verdict.measured.estimate)


def test_an_operation_not_back_when_a_short_run_ends_proves_nothing(tmp_path: Path) -> None:
    short = replace(HELD_SO_FAR, write_s=1_000.0, after_s=25.0)
    write_chaos(tmp_path, local_design(), short)
    verdict = judged(tmp_path)[RTO_WRITE]
    assert (verdict.verdict, verdict.n) == ("inconclusive", 0)
    assert "not watched long enough" in verdict.reason


def test_an_unconfirmed_fault_proves_nothing(roots: dict[str, Path]) -> None:
    found = judged(roots["unconfirmed"])
    for objective in FAULT_OBJECTIVES:
        assert (found[objective].verdict, found[objective].n) == ("inconclusive", 0)
        assert found[objective].reason == "the fault was not confirmed"
        assert found[objective].runs, "the attempted run is still named"


def test_an_unread_ledger_leaves_losses_open_but_not_recovery(roots: dict[str, Path]) -> None:
    found = judged(roots["no-ledger"])
    for objective in (RPO, LOST):
        assert (found[objective].verdict, found[objective].n) == ("inconclusive", 0)
        assert found[objective].reason == "the ledger was not read back"
    assert found[RTO_WRITE].n == 1


def test_an_unread_trial_beside_read_ones_is_named_in_the_reason(tmp_path: Path) -> None:
    design = local_design()
    write_chaos(tmp_path, design, HELD_SO_FAR)
    unread = replace(HELD_SO_FAR, ledger_read=False, seed=3)
    write_chaos(tmp_path, design, unread, started=EPOCH + timedelta(minutes=9))
    verdict = judged(tmp_path)[LOST]
    assert verdict.n == 1
    assert "not counted: the ledger was not read back" in verdict.reason


def test_a_prediction_recorded_after_the_experiment_never_counts(roots: dict[str, Path]) -> None:
    found = judge(list_runs(roots["late-prediction"]), local_design())
    by_id = {judgement.verdict.objective: judgement for judgement in found}
    for objective in (*FAULT_OBJECTIVES, LOOKUP):
        assert by_id[objective].verdict.predicted is None
        assert by_id[objective].verdict.prediction_covers is None
        assert by_id[objective].pairs == ()


def test_a_prediction_that_ends_after_the_experiment_began_never_counts(tmp_path: Path) -> None:
    design = local_design()
    write_prediction(tmp_path, design, started=EPOCH)
    write_chaos(tmp_path, design, HELD_SO_FAR, started=EPOCH + timedelta(seconds=20))
    assert judged(tmp_path)[RTO_WRITE].predicted is None


def test_each_trial_is_paired_with_the_prediction_before_it(tmp_path: Path) -> None:
    design = local_design()
    first = write_prediction(tmp_path, design, started=EPOCH, seed=1)
    write_chaos(tmp_path, design, HELD_SO_FAR, started=EPOCH + timedelta(minutes=10))
    second = write_prediction(tmp_path, design, started=EPOCH + timedelta(minutes=20), seed=2)
    write_chaos(
        tmp_path, design, replace(HELD_SO_FAR, seed=5), started=EPOCH + timedelta(minutes=30)
    )
    judgement = next(
        j for j in judge(list_runs(tmp_path), design) if j.verdict.objective == RTO_WRITE
    )
    assert [pair.prediction for pair in judgement.pairs] == [first.name, second.name]
    assert judgement.prediction == first.name, "the pooled figure: what preceded all of it"


def test_a_trial_outside_its_prediction_is_not_covered(roots: dict[str, Path]) -> None:
    found = judge(list_runs(roots["refuted"]), local_design())
    pairs = {pair.objective: pair for judgement in found for pair in judgement.pairs}
    assert not pairs[RTO_WRITE].covered
    assert pairs[RTO_READ].covered


def test_lookups_within_their_bound_hold_with_all_users(roots: dict[str, Path]) -> None:
    verdict = judged(roots["held-so-far"])[LOOKUP]
    assert verdict.verdict == "held"
    assert verdict.measured is not None
    assert verdict.measured.n == verdict.n >= (verdict.needed or 0)


def test_slow_lookups_refute(tmp_path: Path) -> None:
    slow = replace(HELD_SO_FAR, lookup_mean_s=0.3)
    write_load(tmp_path, local_design(), slow)
    assert judged(tmp_path)[LOOKUP].verdict == "refuted"


def test_fewer_users_than_promised_cannot_hold_a_latency(tmp_path: Path) -> None:
    write_load(tmp_path, local_design(), replace(HELD_SO_FAR, users=40, lookup_mean_s=0.008))
    verdict = judged(tmp_path)[LOOKUP]
    assert verdict.verdict == "inconclusive"
    assert "40 of the design's 200 users" in verdict.reason


def test_too_few_requests_are_inconclusive(tmp_path: Path) -> None:
    write_load(tmp_path, local_design(), replace(HELD_SO_FAR, users=10), duration_s=45)
    verdict = judged(tmp_path)[LOOKUP]
    assert verdict.verdict == "inconclusive"
    assert f"{verdict.n} requests, 59 are needed" in verdict.reason


def test_uptime_is_never_measured_by_a_run(roots: dict[str, Path]) -> None:
    verdict = judged(roots["held-so-far"])[UPTIME]
    assert (verdict.verdict, verdict.measured) == ("inconclusive", None)
    assert verdict.predicted is not None
    assert verdict.prediction_covers is None


def test_what_the_model_says_of_uptime_is_told_and_decides_nothing(tmp_path: Path) -> None:
    path = write_prediction(tmp_path, local_design())
    record = load_run(path).record
    year = {"confidence": 0.95, "n": 2000, "lower": 0.996, "estimate": 0.998, "upper": 0.9985}
    uptime = {
        "one_year": year, "long_run": {**year, "n": 100}, "target": 0.999,
        "probability_to_miss": {**year, "lower": 0.98, "estimate": 0.99, "upper": 1},
        "verdict": {"predicted": "refuted", "reason": "the whole 95% interval breaks the bound"},
    }  # fmt: skip
    told = record.model_copy(update={"outcome": {**record.outcome, "uptime": uptime}})
    (path / "run.json").write_text(told.model_dump_json())
    verdict = judged(tmp_path)[UPTIME]
    assert verdict.verdict == "inconclusive", "no run was a year long"
    assert verdict.runs == ()
    assert "a year misses 99.9\u00a0% with probability 0.99 (0.98 to 1)" in verdict.reason
    assert "by the model alone the promise does not hold" in verdict.reason


def test_runs_of_another_design_are_no_evidence(roots: dict[str, Path]) -> None:
    other = local_design().model_copy(update={"name": "another"})
    found = verdicts(list_runs(roots["refuted"]), other)
    assert {v.n for v in found} == {0}


def test_the_order_of_the_runs_changes_nothing(roots: dict[str, Path]) -> None:
    runs = list_runs(roots["held-so-far"])
    assert verdicts(runs, local_design()) == verdicts(runs[::-1], local_design())


def test_the_ledger_of_a_trial_balances(roots: dict[str, Path]) -> None:
    for root in roots.values():
        run = next(r for r in list_runs(root) if r.record.kind == "chaos")
        (trial,) = read_trials(run)
        account = trial.account
        assert account is not None
        rows = len(run.table("ledger"))
        assert account.acknowledged + account.unknown + account.refused == rows


@pytest.mark.parametrize(("n", "confidence"), [(1, 0.0), (2, 0.5), (6, 0.96875)])
def test_the_range_of_trials_claims_only_what_order_statistics_allow(
    n: int, confidence: float
) -> None:
    estimate = median_of_trials([float(k) for k in range(n)])
    assert estimate is not None
    assert estimate.confidence == confidence
    assert (estimate.lower, estimate.upper) == (0, n - 1)


def test_a_chaos_run_without_requests_proves_nothing(tmp_path: Path) -> None:
    path = write_chaos(tmp_path, local_design(), HELD_SO_FAR)
    table = load_run(path).table("requests")
    table.iloc[:0].to_parquet(path / "requests.parquet", index=False)
    found = judged(tmp_path)
    assert found[RTO_WRITE].reason == "no request was made"
    assert found[LOOKUP].reason == "no undisturbed request was recorded"


def test_two_trials_of_one_situation_pool(tmp_path: Path) -> None:
    write_situation(tmp_path, Situation("two"), trials=2)
    verdict = judged(tmp_path)[RTO_WRITE]
    assert verdict.n == 2
    assert len(verdict.runs) == 2

"""Burn-rate alerts for 99.9 %: what wakes somebody, what waits for the morning, what is nothing.

Each scenario is a counter of answers and one of errors, in steps of two minutes, and a list of the
alerts expected at given minutes; promtool evaluates the rendered rules.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from architecture import Design, load_design
from tests.monitoring.promtool import Expected, run_rules

ANSWERS = 'haproxy_frontend_http_responses_total{proxy="api",code="2xx"}'
ERRORS = 'haproxy_frontend_http_responses_total{proxy="api",code="5xx"}'
STEP_MIN = 2
PER_STEP = 12_000
HOUR = 60
DAY = 24 * HOUR

pytestmark = pytest.mark.servers


@pytest.fixture(scope="module")
def design() -> Design:
    return load_design("local")


def firing(window: str, severity: str, sli: str = "requests") -> dict[str, str]:
    return {"sli": sli, "severity": severity, "window": window, "objective": "B-01.availability"}


def requests(before_min: int, share: float, bad_min: int, after_min: int) -> dict[str, str]:
    """Constant traffic, of which ``share`` fails for ``bad_min`` minutes."""
    before, bad, after = (minutes // STEP_MIN for minutes in (before_min, bad_min, after_min))
    failed = round(PER_STEP * share)
    answered = PER_STEP - failed
    good = PER_STEP * before
    return {
        ERRORS: f"0x{before} {failed}+{failed}x{bad - 1} {failed * bad}x{after}",
        ANSWERS: f"0+{PER_STEP}x{before} {good + answered}+{answered}x{bad - 1} "
        f"{good + answered * bad}+{PER_STEP}x{after}",
    }


def check(design: Design, folder: Path, series: dict[str, str], *expected: Expected) -> None:
    step = f"{STEP_MIN}m"
    run_rules(
        design, folder, series, expected, files=("objectives",), interval=step, evaluation=step
    )


def test_a_failover_of_half_a_minute_pages_nobody(design: Design, tmp_path: Path) -> None:
    # A quarter of what is asked in two minutes fails; steady for a day before.
    series = requests(DAY, 0.25, STEP_MIN, 2 * HOUR)
    check(
        design,
        tmp_path,
        series,
        *(Expected("ErrorBudgetBurn", f"{DAY + after}m") for after in (2, 4, 6, 10, 30, 60, 118)),
    )


def test_a_failover_of_a_stack_five_minutes_old_pages_nobody_and_a_lasting_outage_does(
    design: Design, tmp_path: Path
) -> None:
    # Of the first samples: no hour, day or month lies behind them.
    oldest = {'prometheus_tsdb_lowest_timestamp_seconds{job="prometheus",site="edge-2"}': "0x90"}
    series = requests(6, 0.25, STEP_MIN, HOUR)
    quiet = (Expected("ErrorBudgetBurn", f"{minute}m") for minute in (8, 10, 20, 40))
    check(design, tmp_path, {**series, **oldest}, *quiet)
    lasting = requests(6, 1, 10, 2)
    alert = [firing("1h", "critical"), firing("6h", "critical"), firing("1d", "warning"),
             firing("3d", "warning")]  # fmt: skip
    check(design, tmp_path, {**lasting, **oldest}, Expected("ErrorBudgetBurn", "16m", alert))


def test_an_hour_of_two_percent_errors_wakes_somebody(design: Design, tmp_path: Path) -> None:
    series = requests(DAY, 0.02, HOUR, 2 * HOUR)
    check(
        design,
        tmp_path,
        series,
        Expected("ErrorBudgetBurn", f"{DAY + 10}m"),
        Expected("ErrorBudgetBurn", f"{DAY + HOUR}m", [firing("1h", "critical")]),
        # The short window ends it minutes after the errors end.
        Expected("ErrorBudgetBurn", f"{DAY + HOUR + 7}m"),
    )


def test_a_slow_leak_waits_for_the_morning(design: Design, tmp_path: Path) -> None:
    """0.5 % for 20 hours: too slow for a page, but more than a tenth of the month's budget."""
    series = requests(DAY, 0.005, 20 * HOUR, HOUR)
    check(
        design,
        tmp_path,
        series,
        Expected("ErrorBudgetBurn", f"{DAY + 2 * HOUR}m"),
        Expected(
            "ErrorBudgetBurn",
            f"{DAY + 20 * HOUR}m",
            [firing("1d", "warning"), firing("3d", "warning")],
        ),
    )


def test_writes_that_all_fail_wake_somebody_though_reads_go_on(
    design: Design, tmp_path: Path
) -> None:
    def attempts(path: str, outcome: str) -> str:
        return (
            f'prontuario_probe_attempts_total{{path="{path}",outcome="{outcome}",job="probe",'
            'site="edge-2"}'
        )

    steady, bad = 6 * HOUR // STEP_MIN, 5
    series = {
        attempts("read", "ok"): f"0+120x{steady + bad}",
        attempts("read", "failed"): f"0x{steady + bad}",
        attempts("write", "ok"): f"0+120x{steady} {120 * steady}x{bad}",
        attempts("write", "failed"): f"0x{steady} 120+120x{bad}",
    }
    check(
        design,
        tmp_path,
        series,
        Expected("ErrorBudgetBurn", f"{STEP_MIN * steady}m"),
        Expected(
            "ErrorBudgetBurn",
            f"{STEP_MIN * (steady + bad)}m",
            [firing("1h", "critical", "write"), firing("6h", "critical", "write"),
             firing("1d", "warning", "write"), firing("3d", "warning", "write")],
        ),
    )  # fmt: skip


def test_no_requests_are_no_errors(design: Design, tmp_path: Path) -> None:
    series = {ANSWERS: f"0x{HOUR}", ERRORS: f"0x{HOUR}"}
    check(design, tmp_path, series, Expected("ErrorBudgetBurn", f"{HOUR}m"))


def test_a_stricter_objective_pages_for_what_the_design_lets_pass(tmp_path: Path) -> None:
    """The budget is the design's: 2 % for an hour is no page at 99 %."""
    loose = load_design("local")
    objectives = [
        {**o.model_dump(), "at_least": 0.99} if o.metric == "availability" else o.model_dump()
        for o in loose.objectives
    ]
    loose = Design.model_validate({**loose.model_dump(), "objectives": objectives})
    series = requests(6 * HOUR, 0.02, HOUR, HOUR)
    check(loose, tmp_path, series, Expected("ErrorBudgetBurn", f"{7 * HOUR}m"))


@pytest.mark.parametrize(("within_100_ms", "fires"), [(99, False), (90, True)])
def test_a_slow_look_up_is_told_by_its_promised_quantile(
    within_100_ms: int, fires: bool, design: Design, tmp_path: Path
) -> None:
    def bucket(bound: str) -> str:
        return (
            f'prontuario_api_request_duration_seconds_bucket{{job="api",method="GET",le="{bound}",'
            'route="/v1/patients/{patient_id}",site="mac-1",status="200"}'
        )

    series = {
        bucket("0.1"): f"0+{within_100_ms}x40",
        bucket("0.25"): "0+100x40",
        bucket("+Inf"): "0+100x40",
    }
    labels = [{"objective": "B-17.lookup-p95", "severity": "warning"}] * fires
    check(design, tmp_path, series, Expected("LatencyObjectiveMissed", "30m", labels))

"""The alerts do what they are for, and the documents' own (B-18) do not: shown by promtool."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from architecture import Design, load_design
from reference_stack.monitoring.pace import pace
from reference_stack.monitoring.rules.mended import down_for_s
from reference_stack.monitoring.rules.objectives import BURNS
from tests.monitoring.promtool import Expected, promtool, run_rules, write_rules

MACS = ('up{job="mac-studio",site="mac-1"}', 'up{job="mac-studio",site="mac-2"}')
LITERAL = {"form": "literal", "severity": "critical"}
MENDED = {"form": "mended", "severity": "critical"}


@pytest.fixture(scope="module")
def design() -> Design:
    return load_design("local")


def run_alerts(
    design: Design, folder: Path, series: dict[str, str], *expected: Expected,
    expressions: dict[str, tuple[str, float | None]] | None = None,
) -> None:  # fmt: skip
    run_rules(
        design, folder, series, expected, files=("literal", "mended", "operations"),
        interval="5s", evaluation="1s", expressions=expressions,
    )  # fmt: skip


@pytest.mark.parametrize("name", ["local", "dual-m3-ultra", "mac-mini-cluster"])
def test_prometheus_accepts_the_rules_of_every_design(name: str, tmp_path: Path) -> None:
    paths = write_rules(load_design(name), tmp_path)
    assert paths
    check = subprocess.run(
        [promtool(), "check", "rules", "--lint-fatal", *paths],
        capture_output=True,
        text=True,
        check=False,
    )
    assert check.returncode == 0, check.stdout + check.stderr


def test_d07_the_literal_form_is_silent_with_one_of_two_macs_down_and_the_mended_is_not(
    design: Design, tmp_path: Path
) -> None:
    run_alerts(
        design,
        tmp_path,
        {MACS[0]: "1x70", MACS[1]: "1x3 0x66"},
        Expected("HAClusterDegraded", "5m", [MENDED]),
    )


def test_with_both_macs_down_both_forms_fire_where_a_count_of_those_up_would_say_nothing(
    design: Design, tmp_path: Path
) -> None:
    up = 'up{job="mac-studio"}'
    run_alerts(
        design,
        tmp_path,
        {MACS[0]: "1x3 0x66", MACS[1]: "1x3 0x66"},
        Expected("HAClusterDegraded", "5m", [MENDED, LITERAL]),
        expressions={f"count({up} == 1) / count({up}) <= 0.5": ("5m", None)},
    )


@pytest.mark.parametrize(
    ("lag_s", "literal", "mended"), [(0.05, False, False), (5, False, True), (11, True, True)]
)
def test_d08_the_literal_form_overlooks_a_lag_of_fifty_times_what_is_promised(
    lag_s: float, literal: bool, mended: bool, design: Design, tmp_path: Path
) -> None:
    labels = {"site": "mac-2", "severity": "warning"}
    firing = [{**labels, "form": "literal"}] * literal + [{**labels, "form": "mended"}] * mended
    run_alerts(
        design,
        tmp_path,
        {'pg_replication_lag{site="mac-2"}': f"0x3 {lag_s}x66"},
        Expected("DatabaseReplicationLag", "5m", firing),
    )


def test_the_clouds_asynchronous_standby_may_lag_more_than_the_hospitals(
    design: Design, tmp_path: Path
) -> None:
    cloud = 'pg_replication_lag{site="gcp"}'
    run_alerts(
        design,
        tmp_path,
        {cloud: "5x30 45x30"},
        Expected("DatabaseReplicationLag", "2m"),
        Expected("CloudStandbyBehind", "2m"),
        Expected("CloudStandbyBehind", "4m", [{"site": "gcp", "severity": "warning"}]),
    )


def test_d08_a_dead_mac_is_told_before_the_promised_failover_is_over_and_literally_only_after(
    design: Design, tmp_path: Path
) -> None:
    dead = {"job": "mac-studio", "site": "mac-2"}
    run_alerts(
        design,
        tmp_path,
        # The first failed scrape is at 20 s.
        {MACS[0]: "1x70", MACS[1]: "1x3 0x66"},
        Expected("MacStudioDown", "25s"),
        Expected("MacStudioDown", "27s", [{**dead, **MENDED}]),
        Expected("MacStudioDown", "49s", [{**dead, **MENDED}]),
        Expected("MacStudioDown", "51s", [{**dead, **MENDED}, {**dead, **LITERAL}]),
    )


def test_one_missed_scrape_wakes_nobody(design: Design, tmp_path: Path) -> None:
    run_alerts(
        design,
        tmp_path,
        {MACS[0]: "1x70", MACS[1]: "1x3 0x0 1x60"},
        *(Expected("MacStudioDown", f"{second}s") for second in range(15, 60, 2)),
    )


def test_the_mended_alert_of_a_dead_mac_fits_into_the_promised_failover() -> None:
    for checks_every_s in (1, 5, 10):
        check = f"edge.api_check={{interval_s: {checks_every_s}, timeout_s: 1, fall: 3, rise: 1}}"
        design = load_design("local", [check])
        assert design.failover is not None
        assert pace(design).alert_bound_s(down_for_s(design, pace(design))) <= (
            design.failover.promised_s
        )


def test_d11_clinicians_served_by_the_cloud_are_told_of_even_without_the_controllers_word(
    design: Design, tmp_path: Path
) -> None:
    serving = 'prontuario_serving_site{site="edge-2",serving="gcp",mode="emergency"}'
    run_alerts(
        design, tmp_path, {serving: "1x70"}, Expected("GCPFallbackActivated", "1m", [MENDED])
    )


def test_the_controllers_word_alone_fires_both_forms(design: Design, tmp_path: Path) -> None:
    active = 'gcp_fallback_active{job="fallback",site="gcp"}'
    literal = {"job": "fallback", "site": "gcp", **LITERAL}
    run_alerts(
        design,
        tmp_path,
        {active: "0x10 1x60"},
        Expected("GCPFallbackActivated", "40s"),
        Expected("GCPFallbackActivated", "1m", [MENDED, literal]),
    )


def test_no_primary_is_told_unless_the_cloud_has_taken_over(design: Design, tmp_path: Path) -> None:
    primaries = {
        'patroni_primary{scope="hospital",site="mac-1"}': "1x3 stale",
        'patroni_primary{scope="hospital",site="mac-2"}': "0x70",
    }
    alert = Expected("NoPrimaryDatabase", "2m", [{"severity": "critical"}])
    run_alerts(design, tmp_path, {**primaries, "gcp_fallback_active": "0x70"}, alert)
    run_alerts(
        design,
        tmp_path,
        {**primaries, "gcp_fallback_active": "0x12 1x60"},
        Expected("NoPrimaryDatabase", "3m"),
    )


def test_two_primaries_are_told(design: Design, tmp_path: Path) -> None:
    run_alerts(
        design,
        tmp_path,
        {
            'patroni_primary{scope="hospital",site="mac-1"}': "1x70",
            'patroni_primary{scope="hospital",site="mac-2"}': "0x10 1x60",
            'patroni_primary{scope="cloud",site="gcp"}': "1x70",
        },
        Expected("TwoPrimaryDatabases", "45s"),
        Expected("TwoPrimaryDatabases", "2m", [{"severity": "critical"}]),
    )


def test_a_lost_synchronous_standby_and_a_lost_voter_are_told(
    design: Design, tmp_path: Path
) -> None:
    run_alerts(
        design,
        tmp_path,
        {
            'patroni_sync_standby{scope="hospital",site="mac-2"}': "1x3 stale",
            'up{job="etcd",site="mac-1"}': "1x70",
            'up{job="etcd",site="mac-2"}': "1x3 0x66",
            'up{job="etcd",site="edge"}': "1x70",
            'up{job="etcd",site="gcp"}': "1x70",
            'etcd_server_has_leader{job="etcd",site="mac-1"}': "1x20 0x50",
        },
        Expected("NoSynchronousStandby", "2m", [{"severity": "warning"}]),
        Expected("EtcdNoSpareVoter", "1m", [{"severity": "warning"}]),
        Expected("EtcdNoLeader", "1m"),
        Expected("EtcdNoLeader", "2m", [{"job": "etcd", "site": "mac-1", "severity": "critical"}]),
    )


def test_a_bucket_that_gets_no_log_of_the_primary_is_told_and_a_standbys_silence_is_not(
    design: Design, tmp_path: Path
) -> None:
    age = "pg_stat_archiver_last_archive_age"
    run_alerts(
        design,
        tmp_path,
        {
            f'{age}{{site="mac-1"}}': "100+5x200",
            f'{age}{{site="mac-2"}}': "9000+5x200",
            'patroni_primary{scope="hospital",site="mac-1"}': "1x200",
            'patroni_primary{scope="hospital",site="mac-2"}': "0x200",
        },
        Expected("ArchiveBehind", "1m"),
        Expected("ArchiveBehind", "4m", [{"site": "mac-1", "severity": "warning"}]),
    )


def test_nothing_fires_while_all_is_well_but_the_watchdog(design: Design, tmp_path: Path) -> None:
    quiet = [
        "MacStudioDown", "HAClusterDegraded", "DatabaseReplicationLag", "GCPFallbackActivated",
        "NoPrimaryDatabase", "NoSynchronousStandby", "ComponentDown", "EtcdNoSpareVoter",
        "NobodyServes", "BalancerDown",
    ]  # fmt: skip
    # Of the probe's clock: promtool's begins at 0.
    success = 'prontuario_probe_last_success_timestamp_seconds{path="write"}'
    run_alerts(
        design,
        tmp_path,
        {
            **dict.fromkeys(MACS, "1x70"),
            'patroni_primary{scope="hospital",site="mac-1"}': "1x70",
            'patroni_sync_standby{scope="hospital",site="mac-2"}': "1x70",
            'pg_replication_lag{site="mac-2"}': "0x70",
            "gcp_fallback_active": "0x70",
            **{f'up{{job="etcd",site="{site}"}}': "1x70" for site in ("mac-1", "mac-2", "edge")},
            success: "0+5x70",
        },
        *(Expected(alert, "5m") for alert in quiet),
        Expected("Watchdog", "5m", [{"severity": "info"}]),
    )


def test_a_failover_within_its_promise_is_not_an_outage_and_a_longer_one_is(
    design: Design, tmp_path: Path
) -> None:
    success = 'prontuario_probe_last_success_timestamp_seconds{path="write"}'
    critical = [{"path": "write", "severity": "critical"}]
    run_alerts(
        design,
        tmp_path,
        {success: "0+5x12 60x12"},
        Expected("NobodyServes", "85s"),
        Expected("NobodyServes", "95s", critical),
    )


def test_burn_rates_are_the_workbooks() -> None:
    """Site Reliability Workbook, table 5-8, and the one-day ticket of Sloth."""
    assert [(burn.long_s, burn.short_s) for burn in BURNS] == [
        (3600, 300), (6 * 3600, 1800), (86_400, 7200), (3 * 86_400, 21_600),
    ]  # fmt: skip
    assert [burn.factor for burn in BURNS] == pytest.approx([14.4, 6, 3, 1])

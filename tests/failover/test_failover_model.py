"""Failover: the machinery, what the documents' settings do, and what clients see."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from architecture import Design, load_design
from reference_stack.api import connections
from reference_stack.database import failure_detector, keeper, patroni, silent_standby
from reference_stack.edge import keepalived
from reference_stack.fallback import controller
from reference_stack.site import init
from simulator import failover_bound_s, failover_samples
from simulator.failover import (
    FAULTS,
    Circumstances,
    FaultName,
    delays,
    draw_circumstances,
    faults_of,
    notes,
    recover,
    resolve,
)
from simulator.failover.checks import (
    all_down_s,
    detection_s,
    marked_up_s,
)
from simulator.failover.design_check import design_problems
from simulator.failover.faults import PRIMARY_FAULTS
from simulator.failover.parts import heir_patience_s
from tests.failover.worst_cases import LEASE_ALONE, LITERAL, WITHOUT_DATABASE, variant

BEST = Circumstances(lease_age=1.0, reply_age=1.0, advertisement=1.0)
WORST = Circumstances(**dict.fromkeys(Circumstances.__dataclass_fields__, 1 - 1e-09))


@pytest.fixture
def dual() -> Design:
    return load_design("dual-m3-ultra")


@pytest.fixture
def local() -> Design:
    return load_design("local")


def draws(design: Design, fault: FaultName, count: int = 400) -> list[Circumstances]:
    random = np.random.default_rng(2)
    assert fault in faults_of(design)
    return [draw_circumstances(random) for _ in range(count)]


def test_bounds_are_the_sums_one_can_do_by_hand() -> None:
    bounds = failover_bound_s(load_design("dual-m3-ultra", [WITHOUT_DATABASE]), primary="mac-1")
    # Checks: 5 + 3·2 + 2·0.5 = 12 s, then a connection attempt of 2 s and the client's pause.
    assert bounds["primary-power-loss"]["chat"] == pytest.approx(12 + 2 + 1.5)
    # The failure detector's checks: 2 + 3·2 + 2·0.5 = 9 s; half a second to revoke the lease.
    after_lease_s = 3 + 1 + 0.3 + 1.5
    assert bounds["primary-power-loss"]["write"] == pytest.approx(9 + 0.5 + 2 + after_lease_s)
    # Refused at once: 5 + 2·0.5 = 6 s, the balancer's two further tries, the client's pause.
    assert bounds["primary-crash"]["chat"] == pytest.approx(6 + 2 + 1.5)
    # The detector is through after 3 s and the new primary is there before the API's rerouting.
    assert bounds["primary-crash"]["write"] == bounds["primary-crash"]["chat"]
    # A hung API is not tried three times: its connections are closed when it is marked down.
    assert bounds["primary-hang"]["chat"] == pytest.approx(12 + 1.5)
    # 5 s of silence, a look of the keeper's 1 s later, one of Patroni's, the client's pause.
    assert bounds["standby-power-loss"] == {"read": 0.0, "write": pytest.approx(8.5), "chat": 0.0}
    # Balancers 12 s, heard of 0.5 s later, asked again 2 s, acts 1 s, promotion 3 s, the pause.
    assert bounds["both-power-loss"]["write"] == pytest.approx(12 + 0.5 + 2 + 1 + 3 + 1.5)
    # A request under way times out; the way in is left 5 + 2 + 1.5 s after the pause.
    assert bounds["site-loss"]["read"] == pytest.approx(10 + 1.5 + 8.5)
    alone = failover_bound_s(load_design("dual-m3-ultra", [LEASE_ALONE]))
    assert alone["primary-power-loss"]["write"] == pytest.approx(20 + 0.5 + 2 + after_lease_s)
    assert alone["primary-crash"]["write"] == pytest.approx(20 + 0.5 + after_lease_s)


def test_pauses_that_grow_are_bounded_by_their_longest(dual: Design) -> None:
    grown = load_design(
        "dual-m3-ultra",
        ["workload.client.retry_multiplier=2", "workload.client.retry_backoff_max_s=8"],
    )
    fault = "primary-power-loss"
    more_s = failover_bound_s(grown)[fault]["write"] - failover_bound_s(dual)[fault]["write"]
    assert more_s == pytest.approx(1.5 * 8 - 1.5)


def test_a_chat_about_a_patient_waits_for_the_database_as_a_read_does(dual: Design) -> None:
    for fault in PRIMARY_FAULTS:
        bounds = failover_bound_s(dual, [fault])[fault]
        assert bounds["chat"] == bounds["read"]
    samples = failover_samples(dual, seed=3, replications=20, faults=PRIMARY_FAULTS)
    terms = ["detect_s", "lease_s", "election_s", "promote_s", "reroute_s", "reconnect_s"]
    reads = samples[samples.operation == "read"][terms].to_numpy()
    assert (samples[samples.operation == "chat"][terms].to_numpy() == reads).all()


def test_detection_of_the_documents_checks_takes_sixteen_to_twenty_one_seconds() -> None:
    """D-03's arithmetic: 5 s × 3 with a time-out of 2 s, from the end of one check to the next."""
    design = variant("literal")
    terms = resolve(design, "primary-power-loss")
    earliest = recover(design, terms, BEST).terms.detect_s
    latest = recover(design, terms, WORST).terms.detect_s
    assert [earliest, latest] == pytest.approx([16.0, 21.0])
    assert detection_s(design.edge.database_check, silent=True) == pytest.approx(21.0)
    assert marked_up_s(design.edge.database_check) == pytest.approx(10.0)


def test_lease_ends_between_its_length_less_a_loop_and_its_length() -> None:
    design = load_design("dual-m3-ultra", [LEASE_ALONE])
    terms = resolve(design, "primary-crash")
    ends = [recover(design, terms, c).terms.lease_s for c in draws(design, "primary-crash")]
    assert 10.0 <= min(ends) < 10.5
    assert 20.0 < max(ends) <= 20.5
    # Uniform over ten seconds and half a second: mean 15.25 within four standard errors.
    assert abs(np.mean(ends) - 15.25) <= 4 * math.sqrt((100 + 0.25) / 12 / 400)


def test_a_failure_detector_ends_the_lease_after_its_checks_and_not_before(dual: Design) -> None:
    """Silent: three times 2 s and two pauses of 0.5 s after 0 to 2 s, then up to half a second."""
    terms = resolve(dual, "primary-power-loss")
    ends = [recover(dual, terms, c).terms.lease_s for c in draws(dual, "primary-power-loss")]
    assert 7.05 <= min(ends) < 7.6
    assert 9.0 < max(ends) <= 9.5


@pytest.mark.parametrize("fault", PRIMARY_FAULTS)
def test_a_detector_never_makes_an_outage_longer(dual: Design, fault: FaultName) -> None:
    """The same chance in both designs, replication by replication."""
    alone = load_design("dual-m3-ultra", [LEASE_ALONE])
    terms, without = resolve(dual, fault), resolve(alone, fault)
    for chance in draws(dual, fault, 100):
        with_detector = recover(dual, terms, chance)
        assert with_detector.writes_s <= recover(alone, without, chance).writes_s + 1e-9


def test_losing_etcds_leader_with_the_node_restarts_the_lease() -> None:
    on_primary = load_design(
        "dual-m3-ultra", ["database.consensus.preferred_leader=mac-1", LEASE_ALONE]
    )
    terms = resolve(on_primary, "primary-crash")
    assert terms.etcd_leader_risk == 1.0
    anywhere = resolve(variant("etcd-leader-anywhere"), "primary-crash")
    assert anywhere.etcd_leader_risk == pytest.approx(1 / 3)
    lost = replace(draw_circumstances(np.random.default_rng(1)), etcd_leader=0.0)
    # One to two election time-outs, then the whole lease and one more: ttl + 2 to 3 s.
    assert 22.0 <= recover(on_primary, terms, lost).terms.lease_s <= 23.5
    assert any("preferred_leader" in note for note in notes(on_primary))


@pytest.mark.parametrize("name", ["patroni-defaults", "balancer-rise-2", "literal-failover"])
def test_the_documents_literal_settings_are_flagged_before_anything_starts(name: str) -> None:
    problems = {problem.key for problem in design_problems(load_design(name))}
    assert "objectives.B-20.primary.rto-write" in problems


@pytest.mark.parametrize("name", ["dual-m3-ultra", "local"])
def test_the_tuned_settings_are_not(name: str) -> None:
    assert design_problems(load_design(name)) == []


def test_documents_settings_break_thirty_seconds_and_the_tuned_ones_hold() -> None:
    """D-03. With Patroni's defaults and rise 2 the median itself is above 30 s."""
    literal = failover_samples(
        variant("literal"), seed=9, replications=60, faults=PRIMARY_FAULTS[:2]
    )
    tuned = failover_samples(variant("tuned"), seed=9, replications=60, faults=PRIMARY_FAULTS[:2])
    for fault in PRIMARY_FAULTS[:2]:
        writes = literal[(literal.fault == fault) & (literal.operation == "write")].outage_s
        assert (writes > 30).mean() > 0.5
        held = tuned[(tuned.fault == fault) & tuned.operation.isin(["read", "write"])].outage_s
        assert held.max() < 30


def test_rise_two_alone_makes_the_worst_trials_break_thirty_seconds() -> None:
    """A lease of 20 s with B-04's checks: the median holds, some trials do not."""
    design = load_design("dual-m3-ultra", [*LITERAL[:2], LEASE_ALONE])
    samples = failover_samples(design, seed=9, replications=100, faults=["primary-crash"])
    writes = samples[samples.operation == "write"].outage_s
    assert writes.median() < 30
    assert 0.02 < (writes > 30).mean() < 0.5


def test_two_voters_cannot_elect_and_only_the_chat_comes_back() -> None:
    """D-01."""
    design = load_design(
        "dual-m3-ultra",
        ["database.consensus={voters: [mac-1, mac-2]}", WITHOUT_DATABASE],
    )
    fault: FaultName = "primary-power-loss"
    samples = failover_samples(design, seed=1, replications=8, faults=[fault])
    assert np.isinf(samples[samples.operation != "chat"].outage_s).all()
    assert samples[samples.operation == "chat"].outage_s.median() < 25
    bounds = failover_bound_s(design)
    assert (math.isinf(bounds[fault]["read"]), bounds[fault]["chat"] <= 16) == (True, True)
    assert math.isinf(bounds["standby-power-loss"]["write"])
    assert any("D-01" in note for note in notes(design))


def test_a_bound_holds_wherever_the_primary_is() -> None:
    """After one failover the standby's site is the one whose API serves."""
    local = load_design("local", [WITHOUT_DATABASE])
    fault: FaultName = "standby-power-loss"
    first, second = (
        failover_bound_s(local, [fault], primary=site)[fault] for site in local.database.sites
    )
    assert first["read"] == 0.0 < second["read"]
    assert failover_bound_s(local, [fault])[fault] == second
    samples = failover_samples(local, seed=1, replications=60, primary="mac-2", faults=[fault])
    writes = samples[samples.operation == "write"].outage_s
    assert first["write"] < writes.max() <= second["write"]


def test_chat_does_not_notice_the_loss_of_a_primary_on_the_other_site() -> None:
    """After one failover the primary is mac-2 while mac-1's API serves again."""
    local = load_design("local", [WITHOUT_DATABASE])
    samples = failover_samples(
        local, seed=1, replications=40, primary="mac-2", faults=["primary-power-loss"]
    )
    chat = samples[samples.operation == "chat"]
    writes = samples[samples.operation == "write"]
    assert (chat.detect_s == 0).all()
    assert chat.pause_s.max() == 0
    assert writes.outage_s.min() > 7


def test_terms_of_every_trial_explain_its_outage(local: Design) -> None:
    """No write before all terms are through; the rest is reconnecting and trying again."""
    samples = failover_samples(local, seed=3, replications=100, faults=PRIMARY_FAULTS)
    writes = samples[samples.operation == "write"]
    led_s = writes.lease_s + writes.election_s + writes.promote_s + writes.reroute_s
    # Of the checks, those of the database alone hold writes up; of two, the API's may end later.
    assert (writes.outage_s >= writes.detect_s).all()
    assert (writes.outage_s >= led_s + writes.reconnect_s - 1e-9).all()


def test_same_seed_gives_the_same_table(local: Design) -> None:
    faults: list[FaultName] = ["primary-crash", "site-loss"]
    first = failover_samples(local, seed=5, replications=10, faults=faults)
    second = failover_samples(local, seed=5, replications=10, faults=faults)
    assert first.equals(second)
    assert not first.equals(failover_samples(local, seed=6, replications=10, faults=faults))


def test_faults_and_primaries_that_do_not_apply_are_refused_by_name(dual: Design) -> None:
    with pytest.raises(ValueError, match="not modelled"):
        resolve(dual, "earthquake")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="mac-1, mac-2"):
        resolve(dual, "primary-crash", "edge")
    with pytest.raises(ValueError, match="mac-mini-cluster"):
        resolve(load_design("mac-mini-cluster"), "switchover")
    assert set(faults_of(dual)) == set(FAULTS)


def test_a_cut_off_primary_is_as_long_away_as_a_dead_one(dual: Design) -> None:
    """Nothing that has to act can tell one from the other; a hung one is seen as soon, too."""
    for chance in draws(dual, "primary-partition", 30):
        courses = [
            recover(dual, resolve(dual, fault), chance)
            for fault in ("primary-power-loss", "primary-partition", "primary-hang")
        ]
        assert len(set(courses)) == 1


def test_what_reads_need_survives_both_nodes_and_writes_wait_for_the_promotion(
    local: Design,
) -> None:
    samples = failover_samples(local, seed=4, replications=60, faults=["both-power-loss"])
    reads = samples[samples.operation == "read"].outage_s.to_numpy()
    writes = samples[samples.operation == "write"].outage_s.to_numpy()
    assert (reads < writes).all()
    assert reads.max() <= failover_bound_s(local)["both-power-loss"]["read"] + 10


def test_of_a_lost_site_each_client_learns_by_itself(local: Design) -> None:
    """So the recovery for good comes after the first pauses of all have ended, not at once."""
    samples = failover_samples(
        local, seed=4, replications=20, faults=["site-loss"], word_after_s=30.0
    )
    reads = samples[samples.operation == "read"]
    assert (reads.pause_s == local.workload.client.leave_after_s).all()
    assert reads.outage_s.min() > failover_bound_s(local)["site-loss"]["read"]


def test_targets_out_of_step_do_not_hold_each_other_up() -> None:
    """B-04's three checks of 2 s: two dead nodes are held for down as soon as the later one is."""
    check = load_design("local").fallback.check
    assert all_down_s(check, [0.0, 0.0]) == pytest.approx(3 * 2 + 2 * 0.5)
    assert all_down_s(check, [0.1, 0.9]) == pytest.approx(0.9 * 5 + 3 * 2 + 2 * 0.5)
    assert all_down_s(check, [1.0, 0.5, 0.2]) == pytest.approx(detection_s(check, silent=True))


def test_the_simulators_constants_are_the_stacks_own(dual: Design) -> None:
    """The two never import each other, so a test holds them together."""
    assert delays.CONNECT_TIMEOUT_S == connections.CONNECT_TIMEOUT_S
    assert pytest.approx(connections.RECONNECT_DELAY_S * 1.2) == delays.RECONNECT_S
    assert delays.CONTROLLER_RESTS_S == controller.LONGEST_PAUSE_S
    assert delays.STANDBY_SILENCE_S == silent_standby.SILENCE_S
    assert delays.KEEPER_LOOKS_EVERY_S == keeper.EVERY_S
    assert delays.RESTART_PAUSE_S == init.RESTART_PAUSE_S
    assert delays.FIRST_PRIORITY == keepalived.FIRST_PRIORITY
    assert delays.PRIORITY_STEP == keepalived.PRIORITY_STEP
    assert heir_patience_s(1.0) == keepalived.takeover_bound_s(dual, "edge-2")
    assert delays.CRASH_RECOVERY_S[2] < patroni.PRIMARY_PATIENCE_S
    # The standby has been silent for longer than this when the agent's checks are through.
    assert 3 * dual.edge.api_check.timeout_s >= failure_detector.SILENCE_S

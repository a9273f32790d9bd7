"""Failover: the machinery, its closed-form worst case, and what the documents' settings do."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest

from architecture import Design, load_design
from architecture.workload import RequestName
from simulator import failover_bound_s, failover_samples
from simulator.failover import Circumstances, draw_circumstances, recover
from simulator.failover_attempts import served_s
from simulator.failover_bound import detection_s, marked_up_s
from simulator.failover_terms import FAULTS, FaultName, notes, resolve

# B-04's checks without the tuning, and Patroni's defaults (D-03).
LITERAL = (
    "edge.api_check={interval_s: 5, timeout_s: 2, fall: 3, rise: 2}",
    "edge.database_check={interval_s: 5, timeout_s: 2, fall: 3, rise: 2}",
    "database.lease={ttl_s: 30, loop_wait_s: 10, retry_timeout_s: 10}",
    "database.failure_detector=null",
)
LEASE_ALONE = "database.failure_detector=null"
VARIANTS = {
    "tuned": ("dual-m3-ultra", ()),
    "local": ("local", ()),
    "lease-alone": ("dual-m3-ultra", (LEASE_ALONE,)),
    "literal": ("dual-m3-ultra", LITERAL),
    "open-sessions": (
        "local",
        ("edge.api_check.close_sessions_when_down=false",
         "edge.database_check.close_sessions_when_down=false"),
    ),
    "etcd-leader-anywhere": ("dual-m3-ultra", ("database.consensus.preferred_leader=null",)),
}  # fmt: skip
REQUESTS: dict[str, RequestName] = {"read": "lookup", "write": "note", "chat": "chat"}

ALMOST = 1 - 1e-9
BEST = Circumstances(
    api_check=0.0, database_check=0.0, standby_check=0.0, detector_check=0.0,
    detector_acts_s=0.05, lease_age=1.0, lease_scan=0.0,
    etcd_leader_lost=False, election=0.0, promotion_s=0.3, reconnection=0.0,
)  # fmt: skip
WORST = Circumstances(
    api_check=ALMOST, database_check=ALMOST, standby_check=ALMOST, detector_check=ALMOST,
    detector_acts_s=0.5, lease_age=0.0, lease_scan=ALMOST, etcd_leader_lost=False, election=ALMOST,
    promotion_s=3.0, reconnection=ALMOST,
)  # fmt: skip


# A chat without a patient's context: the operation that only the way to the API holds up.
WITHOUT_DATABASE = "workload.demands.chat.needs_database=false"


def variant(name: str) -> Design:
    design, overrides = VARIANTS[name]
    return load_design(design, [*overrides, WITHOUT_DATABASE])


def longest_outage_s(
    design: Design, fault: FaultName, operation: str, chance: Circumstances
) -> float:
    """Of clients whose first attempt falls anywhere in the outage, the one that waits longest.

    The outage ends for a client when it is served; it counts from the fault.
    """
    terms = resolve(design, fault)
    recovery = recover(design, terms, chance)
    if operation == "chat":
        end_s = recovery.rerouted_s
    else:
        end_s = max(recovery.rerouted_s, recovery.connected_s)
    sent = np.append(np.linspace(-0.5, end_s - 1e-6, 4000), [recovery.rerouted_s - 1e-6])
    return float(served_s(design, terms, recovery, REQUESTS[operation], sent).max())


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("operation", REQUESTS)
@pytest.mark.parametrize("name", VARIANTS)
def test_bound_is_reached_within_five_percent_by_the_worst_circumstances(
    name: str, operation: str, fault: FaultName
) -> None:
    """Corner by corner.

    The standby's check must just have missed the promotion to cost most. And the API must have been
    reached early enough: what arrives late waits in it instead of failing and trying again.
    """
    design = variant(name)
    bound_s = failover_bound_s(design)[fault][operation]
    lost = resolve(design, fault).etcd_leader_risk > 0
    longest = max(
        longest_outage_s(
            design, fault, operation,
            replace(
                WORST, api_check=api, standby_check=phase, promotion_s=promotion,
                etcd_leader_lost=lost,
            ),
        )
        for api in (0.0, ALMOST)
        for phase in np.clip(np.linspace(0, 1, 11) - 1e-6, 0, 1)
        for promotion in (2.8, 2.9, 3.0)
    )  # fmt: skip
    assert 0.95 * bound_s <= longest <= bound_s


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("name", VARIANTS)
def test_bound_is_never_exceeded(name: str, fault: FaultName) -> None:
    """300 random faults and all corners, for clients that first try at any moment."""
    design = variant(name)
    terms = resolve(design, fault)
    random = np.random.default_rng(31)
    chances = [draw_circumstances(design, terms, random) for _ in range(300)]
    corners = itertools.product((0.0, ALMOST), repeat=4)
    chances += [
        replace(BEST, api_check=a, database_check=d, standby_check=s, lease_scan=e, lease_age=0.0)
        for a, d, s, e in corners
    ]
    for operation in REQUESTS:
        bound_s = failover_bound_s(design)[fault][operation]
        longest = max(longest_outage_s(design, fault, operation, chance) for chance in chances)
        assert longest <= bound_s


def test_bounds_are_the_sums_one_can_do_by_hand() -> None:
    bounds = failover_bound_s(load_design("dual-m3-ultra", [WITHOUT_DATABASE]))
    # Checks: 5 + 3·2 + 2·0.5 = 12 s, then a connection attempt of 2 s and the client's pause.
    assert bounds["primary-power-loss"]["chat"] == pytest.approx(12 + 2 + 1)
    # The failure detector's checks: 2 + 3·2 + 2·0.5 = 9 s; half a second to revoke the lease.
    after_lease_s = 3 + 1 + 0.3 + 1
    assert bounds["primary-power-loss"]["write"] == pytest.approx(9 + 0.5 + 2 + after_lease_s)
    # Refused at once: 5 + 2·0.5 = 6 s, the balancer's two further tries, the client's pause.
    assert bounds["primary-crash"]["chat"] == pytest.approx(6 + 2 + 1)
    # The detector is through after 3 s and the new primary is there before the API's rerouting.
    assert bounds["primary-crash"]["write"] == bounds["primary-crash"]["chat"]
    alone = failover_bound_s(load_design("dual-m3-ultra", [LEASE_ALONE]))
    assert alone["primary-power-loss"]["write"] == pytest.approx(20 + 0.5 + 2 + after_lease_s)
    assert alone["primary-crash"]["write"] == pytest.approx(20 + 0.5 + after_lease_s)


def test_a_chat_about_a_patient_waits_for_the_database_as_a_read_does(dual: Design) -> None:
    for bounds in failover_bound_s(dual).values():
        assert bounds["chat"] == bounds["read"]
    samples = failover_samples(dual, seed=3, replications=20)
    terms = ["detect_s", "lease_s", "promote_s", "reroute_s"]
    reads = samples[samples.operation == "read"][terms].to_numpy()
    assert (samples[samples.operation == "chat"][terms].to_numpy() == reads).all()


def test_detection_of_the_documents_checks_takes_ten_to_twenty_one_seconds() -> None:
    """D-03's arithmetic: 5 s × 3 with a time-out of 2 s, from the end of one check to the next."""
    design = variant("literal")
    terms = resolve(design, "primary-power-loss")
    earliest = recover(design, terms, BEST).database_down_s
    latest = recover(design, terms, WORST).database_down_s
    assert (earliest, latest) == (pytest.approx(16.0), pytest.approx(21.0))
    assert detection_s(design.edge.database_check, silent=True) == pytest.approx(21.0)
    assert marked_up_s(design.edge.database_check) == pytest.approx(10.0)


def test_lease_ends_between_its_length_less_a_loop_and_its_length() -> None:
    dual = load_design("dual-m3-ultra", [LEASE_ALONE])
    terms = resolve(dual, "primary-crash")
    random = np.random.default_rng(2)
    ends = [
        recover(dual, terms, draw_circumstances(dual, terms, random)).lease_s for _ in range(400)
    ]
    assert 10.0 <= min(ends) < 10.5
    assert 20.0 < max(ends) <= 20.5
    # Uniform over ten seconds and half a second: mean 15.25 within four standard errors.
    assert abs(np.mean(ends) - 15.25) <= 4 * math.sqrt((100 + 0.25) / 12 / 400)


def test_a_failure_detector_ends_the_lease_after_its_checks_and_not_before(dual: Design) -> None:
    """Silent: three times 2 s and two pauses of 0.5 s after 0 to 2 s, then up to half a second."""
    terms = resolve(dual, "primary-power-loss")
    random = np.random.default_rng(2)
    ends = [
        recover(dual, terms, draw_circumstances(dual, terms, random)).lease_s for _ in range(400)
    ]
    assert 7.05 <= min(ends) < 7.6
    assert 9.0 < max(ends) <= 9.5


def test_a_detector_never_makes_an_outage_longer(dual: Design) -> None:
    """The same chance in both designs, replication by replication."""
    alone = load_design("dual-m3-ultra", [LEASE_ALONE])
    for fault in FAULTS:
        terms, without = resolve(dual, fault), resolve(alone, fault)
        for number in range(200):
            chance = draw_circumstances(dual, terms, np.random.default_rng(number))
            with_detector = recover(dual, terms, chance)
            assert with_detector.connected_s <= recover(alone, without, chance).connected_s + 1e-9


def test_losing_etcds_leader_with_the_node_restarts_the_lease() -> None:
    anywhere = variant("etcd-leader-anywhere")
    on_primary = load_design(
        "dual-m3-ultra", ["database.consensus.preferred_leader=mac-1", LEASE_ALONE]
    )
    terms = resolve(on_primary, "primary-crash")
    assert terms.etcd_leader_risk == 1.0
    assert resolve(anywhere, "primary-crash").etcd_leader_risk == pytest.approx(1 / 3)
    lost = draw_circumstances(on_primary, terms, np.random.default_rng(1))
    assert lost.etcd_leader_lost
    # One to two election time-outs, then the whole lease and one more: ttl + 2 to 3 s.
    assert 22.0 <= recover(on_primary, terms, lost).lease_s <= 23.5
    assert any("preferred_leader" in note for note in notes(on_primary))


def test_documents_settings_break_thirty_seconds_and_the_tuned_ones_hold() -> None:
    """D-03. With Patroni's defaults and rise 2 the median itself is above 30 s."""
    literal = failover_samples(variant("literal"), seed=9, replications=150)
    tuned = failover_samples(variant("tuned"), seed=9, replications=150)
    for fault in FAULTS:
        writes = literal[(literal.fault == fault) & (literal.operation == "write")].outage_s
        assert (writes > 30).mean() > 0.5
        held = tuned[(tuned.fault == fault) & tuned.operation.isin(["read", "write"])].outage_s
        assert held.max() < 30


def test_rise_two_alone_makes_the_worst_trials_break_thirty_seconds() -> None:
    """A lease of 20 s with B-04's checks: the median holds, some trials do not."""
    design = load_design("dual-m3-ultra", [*LITERAL[:2], LEASE_ALONE])
    samples = failover_samples(design, seed=9, replications=200, faults=["primary-crash"])
    writes = samples[samples.operation == "write"].outage_s
    assert writes.median() < 30
    assert 0.02 < (writes > 30).mean() < 0.5


def test_two_voters_cannot_elect_and_only_the_chat_comes_back() -> None:
    """D-01."""
    design = load_design(
        "dual-m3-ultra",
        ["database.consensus={voters: [mac-1, mac-2]}", WITHOUT_DATABASE],
    )
    samples = failover_samples(design, seed=1, replications=20)
    database = samples[samples.operation != "chat"].outage_s
    assert np.isinf(database).all()
    assert samples[samples.operation == "chat"].outage_s.median() < 20
    for bounds in failover_bound_s(design).values():
        assert (math.isinf(bounds["read"]), math.isinf(bounds["write"])) == (True, True)
        assert bounds["chat"] <= 15
    assert any("D-01" in note for note in notes(design))


def test_chat_does_not_notice_the_loss_of_a_primary_on_the_other_site() -> None:
    """After one failover the primary is mac-2 while mac-1's API serves again."""
    local = load_design("local", [WITHOUT_DATABASE])
    samples = failover_samples(
        local, seed=1, replications=40, primary="mac-2", faults=["primary-power-loss"]
    )
    chat = samples[samples.operation == "chat"]
    writes = samples[samples.operation == "write"]
    assert (chat.detect_s == 0).all()
    assert chat.outage_s.median() < 5
    assert writes.outage_s.min() > 7


def test_terms_of_every_trial_explain_its_outage(local: Design) -> None:
    """No write before all terms are through; the rest is reconnecting and trying again."""
    samples = failover_samples(local, seed=3, replications=150)
    writes = samples[samples.operation == "write"]
    machinery = np.maximum(writes.detect_s, writes.lease_s + writes.promote_s + writes.reroute_s)
    assert (writes.outage_s >= machinery).all()
    bounds = failover_bound_s(local)
    for fault in FAULTS:
        assert writes[writes.fault == fault].outage_s.max() <= bounds[fault]["write"]


def test_same_seed_gives_the_same_table(local: Design) -> None:
    first = failover_samples(local, seed=5, replications=20)
    second = failover_samples(local, seed=5, replications=20)
    assert first.equals(second)
    assert not first.equals(failover_samples(local, seed=6, replications=20))


def test_unknown_faults_and_primaries_are_refused(dual: Design) -> None:
    with pytest.raises(ValueError, match="not modelled"):
        resolve(dual, "site-loss")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="mac-1, mac-2"):
        resolve(dual, "primary-crash", "edge")

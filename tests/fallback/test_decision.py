"""When the cloud may take over, and when nothing may make it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from architecture.edge import HealthCheck
from architecture.services import SiteLoss
from reference_stack.fallback.decision import (
    BalancerSight,
    Verdict,
    judge,
    node_view,
    server_alive,
    silence_decides,
)
from reference_stack.fallback.sights import server_rows
from reference_stack.health_check import CheckState, after, pause_s

CHECK = HealthCheck(interval_s=5, timeout_s=2, fall=3, rise=1, fast_interval_s=0.5)
NODES = ("mac-1", "mac-2")
DEAD = {"mac-1": False, "mac-2": False}
DEAD_VIEW = BalancerSight(up=True, view=DEAD)
SILENT = BalancerSight(up=False, view=None)
VIEWS = st.fixed_dictionaries({node: st.sampled_from([True, False, None]) for node in NODES})


def run(results: list[bool]) -> list[bool]:
    state, ups = CheckState(), []
    for result in results:
        state = after(CHECK, state, success=result)
        ups.append(state.up)
    return ups


def test_a_target_falls_with_the_third_failure_in_a_row_and_rises_with_the_first_success() -> None:
    assert run([False, False, True, False, False, False, False, True]) == [
        True, True, True, True, True, False, False, True,
    ]  # fmt: skip


@given(st.lists(st.booleans(), max_size=40))
def test_a_check_only_falls_after_as_many_failures_in_a_row(results: list[bool]) -> None:
    for index, up in enumerate(run(results)):
        last = results[max(0, index - CHECK.fall + 1) : index + 1]
        if not up:
            assert not results[index]
        if not up and (index == 0 or run(results)[index - 1]):
            assert last == [False] * CHECK.fall


def test_checks_hasten_while_a_state_is_in_doubt() -> None:
    doubtful = after(CHECK, CheckState(), success=False)
    assert pause_s(CHECK, CheckState()) == 5
    assert pause_s(CHECK, doubtful) == 0.5
    assert pause_s(CHECK, CheckState(up=False)) == 5


@given(
    nodes=st.fixed_dictionaries({node: st.booleans() for node in NODES}),
    views=st.lists(VIEWS, min_size=1, max_size=2),
)
def test_a_node_is_alive_when_anyone_sees_it(
    nodes: dict[str, bool], views: list[dict[str, bool | None]]
) -> None:
    sights = {str(i): BalancerSight(up=True, view=view) for i, view in enumerate(views)}
    seen = any(nodes.values()) or any(True in view.values() for view in views)
    assert (judge(nodes, sights) is Verdict.ALIVE) == seen


def test_both_are_down_when_the_cloud_and_a_balancer_say_so() -> None:
    assert judge(DEAD, {"edge": DEAD_VIEW, "edge-2": SILENT}) is Verdict.BOTH_DOWN
    assert judge(DEAD, {"edge": DEAD_VIEW, "edge-2": DEAD_VIEW}) is Verdict.BOTH_DOWN


def test_a_cut_network_is_silence_and_never_the_loss_of_both() -> None:
    assert judge(DEAD, {"edge": SILENT, "edge-2": SILENT}) is Verdict.SILENT


def test_a_balancer_in_doubt_or_without_a_view_of_both_decides_nothing() -> None:
    in_doubt = BalancerSight(up=True, view=None)
    assert judge(DEAD, {"edge": in_doubt, "edge-2": SILENT}) is Verdict.UNSURE
    half = BalancerSight(up=True, view={"mac-1": False, "mac-2": None})
    assert judge(DEAD, {"edge": half, "edge-2": SILENT}) is Verdict.UNSURE


@pytest.mark.parametrize(
    ("status", "last_check", "alive"),
    [
        ("UP", "L7OK", True),
        ("UP 2/3", "L4CON", True),
        ("DOWN", "L7STS", True),  # a replica answers /primary with 503
        ("DOWN 1/2", "L7OK", True),
        ("DOWN", "L4CON", False),
        ("DOWN", "* L4TOUT", False),
        ("DOWN", "L7TOUT", False),
        ("MAINT", "L7OK", None),
        ("no check", "", None),
        ("DRAIN", "L7OK", True),
    ],
)
def test_what_a_server_in_haproxys_statistics_says_of_its_machine(
    status: str, last_check: str, alive: bool | None
) -> None:
    assert server_alive(status, last_check) is alive


def test_a_view_joins_all_servers_of_a_node() -> None:
    text = (
        "# pxname,svname,status,check_status\n"
        "api,FRONTEND,OPEN,\n"
        "api,mac-1,DOWN,L4CON\n"
        "database,mac-1,DOWN,L7STS\n"
        "api,mac-2,DOWN,L4CON\n"
        "database,mac-2,DOWN,L4TOUT\n"
        "api,gcp,UP,L7OK\n"
    )
    assert node_view(server_rows(text), NODES) == {"mac-1": True, "mac-2": False}


def test_silence_decides_only_where_the_design_lets_it() -> None:
    assert not silence_decides(SiteLoss(decided_by="operator", after_s=1), 1e9)
    automatic = SiteLoss(decided_by="automatic", after_s=900)
    assert not silence_decides(automatic, 899)
    assert silence_decides(automatic, 900)

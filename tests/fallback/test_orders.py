"""What becomes of an order that comes late, twice, or when the lead hangs between the two."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from architecture import load_design
from reference_stack.addresses import Endpoint
from reference_stack.errors import StackError
from reference_stack.fallback import controller as controlling
from reference_stack.fallback.controller import Controller, RefusedError
from reference_stack.fallback.gate import Gate, Instruction
from reference_stack.fallback.journal import Journal, entries
from reference_stack.fallback.patroni_control import PatroniControl
from reference_stack.fallback.procedure import Conductor
from reference_stack.fallback.reality import Reality
from reference_stack.fallback.settings import ControllerSettings, GateSettings, PlanSettings
from reference_stack.fallback.state import STEPS
from tests.fallback.simulated import NODES, Simulated


@pytest.fixture
def controller(tmp_path: Path) -> Iterator[Controller]:
    """One that has not begun to watch."""
    design = load_design("local")
    made = Controller(
        ControllerSettings(
            site="gcp", design=design, folder=tmp_path / "fallback", directory=tmp_path,
            addresses=PlanSettings(instance=0, sites=tuple(design.sites), kind="addresses"),
            data_directory=tmp_path, postgresql=tmp_path, superuser_password="x", token="right",
        )
    )  # fmt: skip
    yield made
    made.stop()
    made.run()


def obeyed(controller: Controller, order: Callable[[], object]) -> None:
    """Give an order from a thread of its own while the controller's obeys."""
    raised: list[StackError] = []

    def give() -> None:
        try:
            order()
        except StackError as error:
            raised.append(error)

    asking = threading.Thread(target=give)
    asking.start()
    while asking.is_alive():
        controller._obey_orders()
        asking.join(0.01)
    if raised:
        raise raised[0]


def cloud_leads(journal: Journal) -> None:
    journal.append("armed")
    journal.append("decided", reason="both-down")
    for step in STEPS["promotion"]:
        journal.append("begun", step)
        journal.append("done", step)


def way_back_until(journal: Journal, last: str) -> None:
    """The way back, with ``last`` begun."""
    journal.append("way-back", required=1)
    for step in STEPS["way-back"]:
        journal.append("begun", step)
        if step == last:
            return
        journal.append("done", step)


def test_an_order_whose_asker_was_told_that_nobody_listened_is_not_carried_out_later(
    controller: Controller, monkeypatch: pytest.MonkeyPatch
) -> None:
    controller._journal.append("armed")
    monkeypatch.setattr(controlling, "ANSWER_TIMEOUT_S", 0.05)
    with pytest.raises(TimeoutError):
        controller.promote(site_lost=True, force=True)
    controller._obey_orders()
    assert controller.state.phase == "hospital"


def test_a_report_of_an_earlier_emergency_does_not_count_for_one_decided_meanwhile(
    controller: Controller,
) -> None:
    journal = controller._journal
    cloud_leads(journal)
    report: dict[str, Any] = {"site": "mac-1", "epoch": 1, "tables": {}}
    failed: list[RefusedError] = []

    def tell() -> None:
        try:
            controller.gate_report("mac-1", report)
        except RefusedError as error:
            failed.append(error)

    telling = threading.Thread(target=tell)
    telling.start()
    while controller._orders.empty():
        time.sleep(0.005)
    # The hospital led again and both its nodes died before the report's turn came.
    way_back_until(journal, "promote-hospital")
    journal.append("decided", reason="both-down")
    controller._obey_orders()
    telling.join()
    assert [str(error) for error in failed] == ["the report is of epoch 1"]
    assert controller.state.unsalvaged == frozenset(NODES)


def test_an_operator_can_give_the_cloud_the_lead_when_the_hospital_does_not_take_it(
    controller: Controller,
) -> None:
    """Nobody can write while the hospital's promotion hangs; a refusal would leave it so."""
    cloud_leads(controller._journal)
    way_back_until(controller._journal, "promote-hospital")
    obeyed(controller, lambda: controller.promote(site_lost=False, force=True))
    assert (controller.state.phase, controller.state.epoch) == ("promotion.fence", 2)


def test_while_the_cloud_leads_or_is_on_its_way_an_operator_is_told_so(
    controller: Controller,
) -> None:
    cloud_leads(controller._journal)
    with pytest.raises(RefusedError, match="the cloud leads already"):
        obeyed(controller, lambda: controller.promote(site_lost=False, force=True))
    way_back_until(controller._journal, "rejoin")
    with pytest.raises(RefusedError, match="the cloud leads already"):
        obeyed(controller, lambda: controller.promote(site_lost=False, force=True))


def test_a_rival_that_can_not_be_ended_does_not_fill_the_journal(tmp_path: Path) -> None:
    class Immortal(Simulated):
        def cut_power(self, node: str) -> bool:
            return node not in self.alive

    with Journal(tmp_path, NODES) as journal:
        cloud_leads(journal)
        world = Immortal(journal=journal, cloud_is_primary=True)
        conductor = Conductor(journal, world)
        for _ in range(100):
            assert conductor.tend() == {"mac-1"}
        assert [entry.kind for entry in entries(tmp_path)].count("rival") <= len(NODES)
        assert journal.state.unsalvaged == frozenset(NODES)


def test_what_was_set_aside_is_never_taken_for_what_is_to_be_set_aside_now(
    tmp_path: Path,
) -> None:
    data = tmp_path / "postgresql"
    gate = Gate(
        GateSettings(
            site="mac-1", controller_url="", token="secret", peers={}, folder=tmp_path,
            data_directory=data, postgresql=tmp_path, targets=(), superuser_password="x",
        )
    )  # fmt: skip
    order = Instruction("set-aside", epoch=3)
    for content in ("first", "second"):
        data.mkdir()
        (data / "rows").write_text(content)
        gate._bring_over(order, by_hand=True)
        gate._bring_over(order, by_hand=True)  # the first report did not arrive
        assert not data.exists()
    kept = sorted(path.joinpath("rows").read_text() for path in tmp_path.glob("postgresql.kept-*"))
    assert kept == ["first", "second"]


def test_a_controller_that_lost_its_journal_lets_no_node_lead_beside_the_cloud(
    controller: Controller,
) -> None:
    world = Simulated(cloud_is_primary=True)
    controller._conductor.world = world
    assert controller.gate_order("mac-1")["order"] == "wait"
    world.cloud_is_primary = False
    assert controller.gate_order("mac-1")["order"] == "start"


class Cloud(PatroniControl):
    """Patroni of the cloud's site, primary already or not yet."""

    def __init__(self, *, primary: bool) -> None:
        super().__init__(Endpoint("127.0.0.1", 1))
        self._primary = primary

    def is_primary(self) -> bool:
        return self._primary

    def config(self) -> dict[str, Any]:
        return {"standby_cluster": {"host": "mac-1"}}

    def state(self) -> dict[str, Any]:
        return {}


@pytest.mark.parametrize(("primary", "mark"), [(False, 800), (True, None)])
def test_a_cloud_that_has_written_already_tells_no_mark_that_would_hide_older_rows(
    controller: Controller, monkeypatch: pytest.MonkeyPatch, primary: bool, mark: int | None
) -> None:
    """Of an unknown mark every row is compared."""
    reality = Reality(controller._settings, frozenset)
    monkeypatch.setattr(reality, "_cloud", Cloud(primary=primary))
    monkeypatch.setattr(reality, "_ask_cloud", lambda _query: "800")
    found = reality.cloud_mark()
    assert found is not None
    assert found["next_xid"] == mark

"""What the controller answers over HTTP, and to whom."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from architecture import load_design
from reference_stack.fallback.app import create_app
from reference_stack.fallback.controller import Controller
from reference_stack.fallback.settings import (
    ControllerSettings,
    PlanSettings,
    load_settings,
)
from reference_stack.fallback.state import STEPS

TOKEN = {"Authorization": "Bearer right"}


@pytest.fixture
def settings(tmp_path: Path) -> ControllerSettings:
    design = load_design("local")
    return ControllerSettings(
        site="gcp", design=design, folder=tmp_path / "fallback", directory=tmp_path,
        addresses=PlanSettings(instance=0, sites=tuple(design.sites), kind="addresses"),
        data_directory=tmp_path, postgresql=tmp_path, superuser_password="x", token="right",
    )  # fmt: skip


@pytest.fixture
def controller(settings: ControllerSettings) -> Iterator[Controller]:
    """One that has not begun to watch."""
    made = Controller(settings)
    yield made
    made.stop()
    made.run()


@pytest.fixture
def client(controller: Controller) -> TestClient:
    return TestClient(create_app(controller, "right"))


def test_settings_survive_their_file(settings: ControllerSettings, tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    path.write_text(settings.model_dump_json())
    assert load_settings(ControllerSettings, path) == settings


@pytest.mark.parametrize("path", ["/promote", "/failback", "/cancel", "/gate/mac-1"])
def test_orders_need_the_token(client: TestClient, path: str) -> None:
    assert client.post(path).status_code == 401
    assert client.post(path, headers={"Authorization": "Bearer wrong"}).status_code == 401
    assert client.post(path, headers=TOKEN, content=b"{").status_code == 422


def test_everyone_may_ask_who_leads(client: TestClient) -> None:
    assert client.get("/leadership").json() == {
        "leader": "hospital", "epoch": 0, "phase": "hospital", "since": None, "message": None,
    }  # fmt: skip


def test_a_gate_is_answered_and_a_stranger_is_no_node_that_is_back(
    client: TestClient, controller: Controller
) -> None:
    assert client.get("/gate/mac-1").json() == {"order": "start", "epoch": 0, "since_xid": None}
    assert client.get("/gate/stranger").status_code == 404
    assert controller.at_gate() == {"mac-1"}


def test_the_metrics_say_that_the_hospital_leads(client: TestClient) -> None:
    families = {f.name: f for f in text_string_to_metric_families(client.get("/metrics").text)}
    assert [s.value for s in families["gcp_fallback_active"].samples] == [0.0]
    phases = {s.labels["phase"]: s.value for s in families["fallback_phase"].samples}
    assert len(phases) == 2 + sum(len(steps) for steps in STEPS.values())
    assert [phase for phase, value in phases.items() if value] == ["hospital"]


def test_the_message_names_the_functions_left_and_the_time_of_return(
    client: TestClient, settings: ControllerSettings, controller: Controller
) -> None:
    journal = controller._journal
    journal.append("armed")
    journal.append("decided", reason="both-down")
    assert "está sendo ativado" in client.get("/leadership").json()["message"]
    for step in STEPS["promotion"]:
        journal.append("begun", step)
        journal.append("done", step)
    message = client.get("/leadership").json()["message"]
    assert "chat médico básico, consulta de pacientes em emergência, alertas críticos" in message
    assert "entre 2 e 4 horas" in message
    assert "gcp_fallback_active 1.0" in client.get("/metrics").text

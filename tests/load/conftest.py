"""A ward server, and a workload that needs seconds."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from architecture import Design, load_design
from tests.load.ward import WardServer


@pytest.fixture(scope="module")
def one_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WardServer]:
    server = WardServer(tmp_path_factory.mktemp("server"))
    yield server
    server.stop()


@pytest.fixture
def server(one_server: WardServer) -> WardServer:
    """The server, up and without notes."""
    one_server.reset()
    return one_server


@pytest.fixture
def design() -> Design:
    """The local design with think times of tenths of a second; a busy server is waited for."""
    short = "{kind: lognormal, mean: 0.3, cv: 0.6}"
    steps = "workload.journeys.ward-round.steps"
    return load_design(
        "local",
        [
            "workload.ramp_s=0.5",
            f"{steps}.1.think_s={short}",
            f"{steps}.2.think_s={short}",
            f"{steps}.3.think_s={short}",
            f"{steps}.3.probability=0.5",
            "workload.demands.chat.answer_tokens={kind: uniform, low: 8, high: 16}",
            "workload.client.timeout_s=20",
            "workload.client.retry_backoff_s=0.2",
        ],
    )


@pytest.fixture
def impatient(design: Design) -> Design:
    """Its clients wait a second for an answer: for tests in which they are to give up."""
    client = design.workload.client.model_copy(update={"timeout_s": 1.0})
    workload = design.workload.model_copy(update={"client": client})
    return design.model_copy(update={"workload": workload})

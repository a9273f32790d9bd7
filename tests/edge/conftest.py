"""The design of the edge's tests, and one edge on loopback that they share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from architecture import Design, load_design, overrides_without
from tests.edge.edge_network import Edge, running_edge, settled


@pytest.fixture(scope="session")
def edge_design() -> Design:
    """The local design with checks that see a change within tenths of a second."""
    check = "{interval_s: 0.2, timeout_s: 3, fall: 2, rise: 1}"
    return load_design(
        "local",
        [
            f"edge.api_check={check}",
            f"edge.database_check={check}",
            *overrides_without("local", "inference"),
        ],
    )


@pytest.fixture(scope="session")
def session_edge(edge_design: Design, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    with running_edge(edge_design, tmp_path_factory.mktemp("edge")) as edge:
        yield edge


@pytest.fixture
def edge(session_edge: Edge) -> Edge:
    """Two balancers on loopback, whole."""
    settled(session_edge)
    return session_edge

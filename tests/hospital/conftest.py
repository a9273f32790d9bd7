"""Designs and figures the hospital's tests share."""

from __future__ import annotations

import pytest

from architecture import Design, load_design
from simulator.figures import Figures, figures_for


@pytest.fixture(scope="session")
def pair() -> Design:
    return load_design("dual-m3-ultra")


@pytest.fixture(scope="session")
def cluster() -> Design:
    return load_design("mac-mini-cluster")


@pytest.fixture(scope="session")
def pair_figures(pair: Design) -> Figures:
    return figures_for(pair)


@pytest.fixture(scope="session")
def cluster_figures(cluster: Design) -> Figures:
    return figures_for(cluster)

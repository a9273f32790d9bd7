"""Designs whose failover times are set, so that these tests do not depend on the failover model."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from architecture import load_design
from simulator.availability.failover_means import OF_A_PAIR, OF_AN_EMERGENCY, FailoverMeans
from simulator.availability.uptime import UptimeModel

TWENTY_SECONDS = FailoverMeans(dict.fromkeys((*OF_A_PAIR, *OF_AN_EMERGENCY), 20.0))

Ready = Callable[..., UptimeModel]


@pytest.fixture(scope="session")
def ready() -> Ready:
    """A design, with overrides, whose failovers take twenty seconds."""

    def make(name: str = "dual-m3-ultra", *overrides: str) -> UptimeModel:
        return UptimeModel(load_design(name, overrides), TWENTY_SECONDS)

    return make

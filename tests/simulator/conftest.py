"""Designs the simulator's tests share."""

from __future__ import annotations

import pytest

from architecture import Design, load_design


@pytest.fixture(scope="session")
def dual() -> Design:
    return load_design("dual-m3-ultra")


@pytest.fixture(scope="session")
def local() -> Design:
    return load_design("local")

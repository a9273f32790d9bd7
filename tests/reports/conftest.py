"""Runs are written once for all tests of this folder that only read them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.reports.fixtures import SITUATIONS, write_situation


@pytest.fixture(scope="session")
def roots(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Situation's name: a root with its prediction and one experiment."""
    found = {}
    for situation in SITUATIONS:
        root = tmp_path_factory.mktemp(situation.name)
        write_situation(root, situation)
        found[situation.name] = root
    return found

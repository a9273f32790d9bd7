"""A real cache, and the API tests' hospital."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.conftest import hospital_folder, server, shared_server
from tests.cache.redis_servers import RedisSites, redis_sites

__all__ = ["hospital_folder", "server", "shared_server"]


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[RedisSites]:
    """A cache of the test's own, to be mistreated."""
    with redis_sites(tmp_path / "cache") as sites:
        yield sites


@pytest.fixture(scope="module")
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisSites]:
    with redis_sites(tmp_path_factory.mktemp("cache")) as sites:
        yield sites

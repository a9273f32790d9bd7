"""One stack without language models for all tests of this folder that need real servers."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from architecture import load_design, overrides_without
from reference_stack.bringup import running
from reference_stack.handle import StackHandle

WITHOUT_MODELS = (
    "workload.users=20",
    *overrides_without("local", "inference"),
)


def tell(message: str) -> None:
    sys.stderr.write(f"{message}\n")


@pytest.fixture(scope="package")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackHandle]:
    directory = tmp_path_factory.mktemp("fallback")
    design = load_design("local", list(WITHOUT_MODELS))
    with running(design, directory, instance=None, seed=1, progress=tell) as handle:
        yield handle

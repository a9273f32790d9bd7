"""One real stack for the tests of this folder that only look, or mend what they broke."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from architecture import load_design
from reference_stack.bringup import running
from reference_stack.handle import StackHandle


def tell(message: str) -> None:
    sys.stderr.write(f"{message}\n")


@pytest.fixture(scope="package")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackHandle]:
    """A whole stack of the local design on free addresses, gone when its last test has ended."""
    directory = tmp_path_factory.mktemp("stack")
    design = load_design("local", ["workload.users=20"])
    with running(design, directory, instance=None, seed=1, progress=tell) as handle:
        yield handle

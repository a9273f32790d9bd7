"""A tiny Whisper behind the whole service."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reference_stack.inference.blas import prepare_process
from tests.inference import tiny_model
from tests.inference.inference_bench import SCRIPT
from tests.inference.service_bench import MakeService, Service, served
from tests.speech.tiny_whisper import tiny_whisper

prepare_process(1)


@pytest.fixture(scope="session")
def whisper_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_whisper(tmp_path_factory.mktemp("whisper") / "model")


@pytest.fixture(scope="session")
def script_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model.scripted_model(tmp_path_factory.mktemp("script") / "model", SCRIPT)


@pytest.fixture
def make_service(script_dir: Path) -> Iterator[MakeService]:
    with contextlib.ExitStack() as stack:

        def make(**options: Any) -> Service:
            return stack.enter_context(served(script_dir, **options))

        yield make

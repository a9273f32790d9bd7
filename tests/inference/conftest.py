"""Tiny models, and an engine that is stopped whatever happens."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from reference_stack.inference.blas import prepare_process
from reference_stack.inference.engine import Engine
from reference_stack.inference.generation import Decoder
from reference_stack.inference.jobs import EngineLimits
from reference_stack.inference.metrics import InferenceMetrics
from tests.inference import tiny_model
from tests.inference.inference_bench import (
    DEADLINE_S,
    SCRIPT,
    Bench,
    MakeBench,
    mlx_loader,
    wait_until,
)
from tests.inference.service_bench import MakeService, Service, served
from tests.speech.tiny_whisper import tiny_whisper

prepare_process(1)


@pytest.fixture(scope="session")
def random_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model.random_model(tmp_path_factory.mktemp("random") / "model")


@pytest.fixture(scope="session")
def script_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model.scripted_model(tmp_path_factory.mktemp("script") / "model", SCRIPT)


@pytest.fixture(scope="session")
def endless_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model.scripted_model(
        tmp_path_factory.mktemp("endless") / "model", "abcdefg", endless=True
    )


@pytest.fixture(scope="session")
def whisper_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_whisper(tmp_path_factory.mktemp("whisper") / "model")


@pytest.fixture
def make_bench() -> Iterator[MakeBench]:
    with contextlib.ExitStack() as stack:

        def make(
            model: Path | Callable[[], Decoder],
            *,
            max_batch: int = 4,
            max_queue: int = 64,
            queue_timeout_s: float = DEADLINE_S,
            stall_timeout_s: float = DEADLINE_S,
            ready: bool = True,
            **options: Any,
        ) -> Bench:
            metrics = InferenceMetrics()
            limits = EngineLimits(max_batch, max_queue, queue_timeout_s, stall_timeout_s)
            load = mlx_loader(model, max_batch) if isinstance(model, Path) else model
            engine = Engine(load, limits, metrics, **options)
            stack.callback(engine.stop, DEADLINE_S)
            engine.start()
            if ready:
                wait_until(lambda: engine.health().state == "ok", "the model is loaded")
            return Bench(engine, metrics)

        yield make


@pytest.fixture
def make_service() -> Iterator[MakeService]:
    with contextlib.ExitStack() as stack:

        def make(model_dir: Path, load: Any = None, **options: Any) -> Service:
            return stack.enter_context(served(model_dir, load, **options))

        yield make

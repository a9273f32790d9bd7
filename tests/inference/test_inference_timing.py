"""Step times of a tiny model: the shape of the measurement, not the speed."""

import itertools
import json
from pathlib import Path

import pytest

from reference_stack.inference.timing import main, measure_step_times


def test_every_cell_is_measured_and_the_times_fit_into_the_clock(random_dir: Path) -> None:
    ticks = itertools.count()
    rows = measure_step_times(
        random_dir,
        batches=(1, 3),
        prompt_tokens=(4, 9),
        decode_steps=2,
        repeats=2,
        budget_s=1e9,
        clock=lambda: float(next(ticks)),
    )
    seen = [(row.kind, row.batch, row.tokens) for row in rows]
    expected = {
        (kind, batch, prompt + steps)
        for batch in (1, 3)
        for prompt in (4, 9)
        for kind, steps in (("prefill", 0), ("decode", 1), ("decode", 2))
    }
    assert set(seen) == expected
    assert all(seen.count(cell) == 2 for cell in expected)
    # One tick passes between the readings around each step.
    assert {row.seconds for row in rows} == {1.0}


def test_without_budget_every_cell_is_measured_once(random_dir: Path) -> None:
    rows = measure_step_times(
        random_dir, batches=(2,), prompt_tokens=(4, 9), decode_steps=1, budget_s=0.0
    )
    assert [(row.kind, row.tokens) for row in rows] == [
        ("prefill", 4),
        ("decode", 5),
        ("prefill", 9),
        ("decode", 10),
    ]


def test_the_command_gives_one_json_document(
    random_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--batches", "1", "--prompt-tokens", "5", "--budget-s", "0", "--json"]
    assert main(["--model-dir", str(random_dir), *options]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["blas"] in {"openblas-skinny", "openblas", "reference", "accelerate"}
    assert {row["kind"] for row in document["rows"]} == {"prefill", "decode"}

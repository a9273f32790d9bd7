"""How long the real engine's steps take, for calibrating a simulator.

Needs no server: it drives mlx-lm's batch generator in this process, the way the service does.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from reference_stack.inference.blas import Blas, prepare_process

DEFAULT_BATCHES = (1, 4, 8)
DEFAULT_PROMPT_TOKENS = (32, 128)
DEFAULT_DECODE_STEPS = 4
DEFAULT_REPEATS = 5
DEFAULT_BUDGET_S = 12.0

Clock = Callable[[], float]


@dataclass(frozen=True)
class StepTime:
    """One timed step.

    prefill: from the arrival of `batch` prompts of `tokens` tokens each in an idle engine to
    their first tokens. decode: one further token for each of `batch` sequences whose contexts
    hold `tokens` tokens each.
    """

    kind: Literal["prefill", "decode"]
    batch: int
    tokens: int
    seconds: float


def measure_step_times(
    model_dir: Path,
    *,
    batches: Sequence[int] = DEFAULT_BATCHES,
    prompt_tokens: Sequence[int] = DEFAULT_PROMPT_TOKENS,
    decode_steps: int = DEFAULT_DECODE_STEPS,
    repeats: int = DEFAULT_REPEATS,
    budget_s: float = DEFAULT_BUDGET_S,
    blas_threads: int = 1,
    seed: int = 0,
    clock: Clock = time.perf_counter,
) -> list[StepTime]:
    """Time prefill and decode for every batch size and prompt length; one row per observation.

    Every cell is measured once, then again, up to `repeats` times in all, as long as it fits into
    what is left of `budget_s` (seconds, loading not counted). Going round all cells keeps a
    disturbance of the machine from falling on one of them.
    Prompts are random tokens from `seed`: times don't depend on the words.
    """
    prepare_process(blas_threads)
    plan = _Plan(model_dir, tuple(batches), tuple(prompt_tokens), decode_steps, repeats, budget_s)
    # A thread of its own, because mlx's streams must be cleared where they were made before the
    # process ends, and the caller's thread may want to go on using mlx.
    with ThreadPoolExecutor(max_workers=1) as executor:
        return executor.submit(_measure, plan, np.random.default_rng(seed), clock).result()


@dataclass(frozen=True)
class _Plan:
    model_dir: Path
    batches: tuple[int, ...]
    prompt_tokens: tuple[int, ...]
    decode_steps: int
    repeats: int
    budget_s: float

    @property
    def cells(self) -> list[tuple[int, int]]:
        return [(batch, tokens) for batch in self.batches for tokens in self.prompt_tokens]


def _measure(plan: _Plan, random: np.random.Generator, clock: Clock) -> list[StepTime]:
    # Import mlx, so not before the BLAS is chosen.
    import mlx.core as mx  # noqa: PLC0415

    from reference_stack.inference.mlx_library import BatchGenerator, load  # noqa: PLC0415

    loaded = load(str(plan.model_dir))
    vocabulary = len(loaded[1])
    # mlx-lm is only partly typed. No stop tokens: every sequence runs its course.
    generator: Any = BatchGenerator(
        loaded[0],
        completion_batch_size=max(plan.batches),
        prefill_batch_size=max(plan.batches),
        prefill_step_size=max(plan.prompt_tokens),
    )

    def once(batch: int, tokens: int) -> list[StepTime]:
        prompts = random.integers(vocabulary, size=(batch, tokens)).tolist()
        times = list(_time_cell(generator, prompts, plan.decode_steps, clock))
        # A step started ahead must not run into the next measurement.
        mx.synchronize(generator.stream)
        return times

    rows: list[StepTime] = []
    try:
        # The first pass touches every weight and is slower than any later one.
        once(1, min(plan.prompt_tokens))
        ends_at = clock() + plan.budget_s
        cost_s = dict.fromkeys(plan.cells, 0.0)
        for repeat in range(plan.repeats):
            for cell in plan.cells:
                cell_started = clock()
                if repeat > 0 and cell_started + cost_s[cell] > ends_at:
                    continue
                rows.extend(once(*cell))
                cost_s[cell] = clock() - cell_started
    finally:
        generator.close()
        mx.clear_streams()
    return rows


def _time_cell(
    generator: Any, prompts: list[list[int]], decode_steps: int, clock: Clock
) -> Iterator[StepTime]:
    batch, tokens = len(prompts), len(prompts[0])
    last = clock()
    keys = generator.insert(prompts, max_tokens=[decode_steps + 2] * batch)
    for step in range(decode_steps + 1):
        if len(generator.next_generated()) != batch:
            raise RuntimeError(f"the generator did not decode all {batch} sequences together")
        now = clock()
        if step == 0:
            yield StepTime("prefill", batch, tokens, now - last)
        else:
            # The step fed the token before: so many were in each context when it was done.
            yield StepTime("decode", batch, tokens + step, now - last)
        last = now
    generator.remove(keys)


def summary(rows: Sequence[StepTime]) -> str:
    """A table by prompt length: median seconds, and tokens per second over the whole batch."""
    lines = [f"{'kind':8} {'batch':>5} {'tokens':>6} {'n':>3} {'median s':>9} {'tokens/s':>9}"]
    prompts = sorted({row.tokens for row in rows if row.kind == "prefill"})
    cells: dict[tuple[str, int, int], list[float]] = {}
    for row in rows:
        # Decode steps are shown under the prompt length they followed.
        prompt = max(length for length in prompts if length <= row.tokens)
        cells.setdefault((row.kind, row.batch, prompt), []).append(row.seconds)
    for (kind, batch, tokens), seconds in sorted(cells.items(), reverse=True):
        median = float(np.median(seconds))
        made = batch * (tokens if kind == "prefill" else 1)
        lines.append(
            f"{kind:8} {batch:5} {tokens:6} {len(seconds):3} {median:9.4f} {made / median:9.1f}"
        )
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure a model folder; the result goes to stdout."""
    parser = argparse.ArgumentParser(prog="python -m reference_stack.inference.timing")
    parser.add_argument("--model-dir", type=Path, required=True)
    parser.add_argument("--batches", type=int, nargs="+", default=list(DEFAULT_BATCHES))
    parser.add_argument("--prompt-tokens", type=int, nargs="+", default=list(DEFAULT_PROMPT_TOKENS))
    parser.add_argument("--repeats", type=int, default=DEFAULT_REPEATS)
    parser.add_argument("--budget-s", type=float, default=DEFAULT_BUDGET_S)
    parser.add_argument("--blas-threads", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="one JSON document")
    options = parser.parse_args(arguments)
    blas: Blas = prepare_process(options.blas_threads)
    rows = measure_step_times(
        options.model_dir,
        batches=options.batches,
        prompt_tokens=options.prompt_tokens,
        repeats=options.repeats,
        budget_s=options.budget_s,
        blas_threads=options.blas_threads,
    )
    if options.json:
        document = {
            "model": options.model_dir.name,
            "blas": blas,
            "blas_threads": options.blas_threads,
            "rows": [asdict(row) for row in rows],
        }
        sys.stdout.write(json.dumps(document) + "\n")
    else:
        sys.stdout.write(summary(rows) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""How tokens are drawn: nucleus and temperature, to the ends of their ranges."""

from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
import pytest

from reference_stack.inference.batching import make_sampler
from reference_stack.inference.generation import GenerationRequest
from tests.inference.inference_bench import mlx_loader, with_decoder

#: Four tokens, two of which hold 0.7 of the probability, three 0.9.
PROBABILITIES = np.array([0.3, 0.4, 0.1, 0.2])
DRAWS = 2000


def drawn(temperature: float, top_p: float, draws: int = DRAWS) -> np.ndarray:
    """How often each token came."""
    sampler = make_sampler(temperature, top_p, np.random.default_rng(3))
    log_probabilities = mx.array(np.log(PROBABILITIES)[None], dtype=mx.float32)
    tokens = [int(sampler(log_probabilities).item()) for _ in range(draws)]
    return np.bincount(tokens, minlength=len(PROBABILITIES))


@pytest.mark.parametrize(
    ("temperature", "top_p", "kept"),
    [
        (1.0, 1.0, [0, 1, 2, 3]),
        (1.0, 0.85, [0, 1, 3]),
        (1.0, 0.6, [0, 1]),
        (0.5, 1.0, [0, 1, 2, 3]),
    ],
)
def test_tokens_come_as_often_as_the_nucleus_at_this_temperature_says(
    temperature: float, top_p: float, kept: int
) -> None:
    """Each count within 4.5 standard errors: a right sampler fails once in 10,000 seeds."""
    weights = np.zeros(len(PROBABILITIES))
    weights[kept] = PROBABILITIES[kept] ** (1 / temperature)
    expected = weights / weights.sum()
    error = np.sqrt(DRAWS * expected * (1 - expected))
    assert np.all(np.abs(drawn(temperature, top_p) - DRAWS * expected) <= 4.5 * error + 1e-9)


@pytest.mark.parametrize(
    "options",
    [
        {"temperature": 1e-40},
        {"temperature": 5e-324},
        {"temperature": 1.0, "top_p": 1e-46},
        {"temperature": 1.0, "top_p": 0.0},
    ],
)
def test_the_least_chance_is_no_chance(random_dir: Path, options: Any) -> None:
    """What is too small for the device's 32-bit numbers must not become pure chance."""

    def ask(decoder: Any) -> list[list[str]]:
        prompt = decoder.encode_chat([{"role": "user", "content": "the fever"}])
        return [
            [_answer(decoder, GenerationRequest(prompt, 12, seed=seed, **one)) for seed in (1, 2)]
            for one in ({"temperature": 0.0}, options)
        ]

    answers = with_decoder(mlx_loader(random_dir), ask)
    assert answers[1] == answers[0]


def _answer(decoder: Any, request: GenerationRequest) -> str:
    key = decoder.add(request).key
    text = ""
    while True:
        for output in decoder.step():
            assert output.key == key
            text += output.text
            if output.finish_reason is not None:
                return text

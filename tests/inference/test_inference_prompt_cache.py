"""Prompts that were read before: less work, and the same answers."""

from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
import pytest

from reference_stack.inference.generation import GenerationRequest
from tests.inference.inference_bench import Bench, MakeBench, Receiver, mlx_loader, with_decoder

SYSTEM = "the nurse will call the doctor before the night is over"
QUESTIONS = ["who has a fever?", "and the night?", "call the nurse", "is it over"]


def _ask(bench: Bench, messages: list[dict[str, str]], max_tokens: int = 8):
    prompt = bench.engine.decoder.encode_chat(messages)
    receiver = Receiver()
    request = GenerationRequest(prompt=prompt, max_tokens=max_tokens)
    bench.engine.submit(request, receiver.events.put)
    return receiver


def _conversation(bench: Bench, questions: list[str], cached: list[tuple[int, int]]) -> list[str]:
    messages = [{"role": "system", "content": SYSTEM}]
    answers = []
    for question in questions:
        messages.append({"role": "user", "content": question})
        text, end = _ask(bench, messages).all()
        cached.append((end.cached_tokens, end.prompt_tokens))
        answers.append(text)
        messages.append({"role": "assistant", "content": text})
    return answers


def test_answers_are_the_same_with_and_without_the_cache(
    make_bench: MakeBench, random_dir: Path
) -> None:
    """48 answers of 8 tokens, in conversations of four turns, several at a time."""
    random = np.random.default_rng(5)
    plain = make_bench(mlx_loader(random_dir, prompt_cache_bytes=0))
    cached = make_bench(mlx_loader(random_dir, prompt_cache_bytes=16 * 1024**2))
    for _ in range(4):
        chats = [[{"role": "system", "content": SYSTEM}] for _ in range(3)]
        for _turn in range(4):
            for chat in chats:
                question = QUESTIONS[random.integers(4)] + "?" * int(random.integers(30))
                chat.append({"role": "user", "content": question})
            expected = [_ask(plain, chat) for chat in chats]
            found = [_ask(cached, chat) for chat in chats]
            for chat, one, other in zip(chats, expected, found, strict=True):
                text = one.all()[0]
                assert other.all()[0] == text
                chat.append({"role": "assistant", "content": text})
    assert cached.value('inference_prompt_cache_requests_total{result="hit"}') > 40
    assert plain.value('inference_prompt_cache_requests_total{result="hit"}') == 0


def test_a_next_turn_reads_only_what_is_new(make_bench: MakeBench, random_dir: Path) -> None:
    bench = make_bench(random_dir)
    cached: list[tuple[int, int]] = []
    _conversation(bench, QUESTIONS[:1], cached)
    messages = [
        {"role": "system", "content": SYSTEM},
        {"role": "user", "content": QUESTIONS[0]},
    ]
    again = _ask(bench, messages).all()[1]
    # All but the last two tokens: mlx-lm's cache never gives the end of what it is asked for.
    assert again.cached_tokens == again.prompt_tokens - 2
    assert cached[0][0] == 0


def test_another_patient_s_chat_finds_the_system_prompt(
    make_bench: MakeBench, random_dir: Path
) -> None:
    bench = make_bench(random_dir)
    decoder = bench.engine.decoder
    prompts = [
        decoder.encode_chat(
            [{"role": "system", "content": SYSTEM}, {"role": "user", "content": words}]
        )
        for words in ("patient one", "somebody else")
    ]
    shared = next(
        place for place, (one, other) in enumerate(zip(*prompts, strict=False)) if one != other
    )
    for prompt in prompts:
        receiver = Receiver()
        bench.engine.submit(GenerationRequest(prompt=prompt, max_tokens=3), receiver.events.put)
        end = receiver.all()[1]
    assert end.cached_tokens == shared
    assert bench.value("inference_prompt_cache_tokens_total") == shared


@pytest.mark.parametrize("max_bytes", [1, 200_000])
def test_memory_stays_within_its_bound(
    make_bench: MakeBench, random_dir: Path, max_bytes: int
) -> None:
    bench = make_bench(mlx_loader(random_dir, prompt_cache_bytes=max_bytes))
    largest = 0
    for number in range(12):
        words = f"{number} " + "the patient has a fever " * 6
        _ask(bench, [{"role": "user", "content": words}]).all()
        assert bench.engine.cached_bytes <= max_bytes
        largest = max(largest, bench.engine.cached_bytes)
    assert (largest > max_bytes / 4) == (max_bytes > 1)


def test_no_more_memory_is_held_than_is_counted(random_dir: Path) -> None:
    """What is kept of one conversation must not hold on to the batch that it was a part of."""

    def fill(decoder: Any) -> tuple[int, int]:
        for turn in range(6):
            prompts = [
                decoder.encode_chat([{"role": "user", "content": f"{turn} {place} has a fever"}])
                for place in range(8)
            ]
            left = {
                decoder.add(GenerationRequest(prompt, 4 + place)).key
                for place, prompt in enumerate(prompts)
            }
            if turn == 1:
                before = mx.get_active_memory(), decoder.cached_bytes
            while left:
                left -= {output.key for output in decoder.step() if output.finish_reason}
        mx.synchronize(decoder._generator.stream)
        return mx.get_active_memory() - before[0], decoder.cached_bytes - before[1]

    load = mlx_loader(random_dir, max_batch=8, prefill_chunk_tokens=64)
    held_bytes, counted_bytes = with_decoder(load, fill)
    assert held_bytes < 1.5 * counted_bytes

"""Continuous batching with mlx-lm. Import only after `blas.prepare_process`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jinja2
import mlx.core as mx
import numpy as np

from reference_stack.inference.detokenise import TextStream
from reference_stack.inference.generation import (
    FinishReason,
    GenerationRequest,
    TokenOutput,
    UnusableConversationError,
)
from reference_stack.inference.mlx_library import BatchGenerator, apply_top_p, load

Sampler = Callable[[mx.array], mx.array]


class MlxDecoder:
    """The batch on the default device: Metal on a Mac, else the CPU.

    Load and use it in the same thread: mlx's streams belong to threads.
    """

    def __init__(
        self,
        model_dir: Path,
        *,
        max_batch: int,
        prefill_chunk_tokens: int,
        random: np.random.Generator | None = None,
    ) -> None:
        """Load the model of `model_dir`; `random` gives seeds to requests without one.

        Raises FileNotFoundError or ValueError if the folder holds no model mlx-lm can run.
        """
        try:
            loaded = load(str(model_dir))
        except BaseException:
            mx.clear_streams()  # see close
            raise
        # mlx-lm is only partly typed.
        self._tokenizer: Any = loaded[1]
        self._random = random or np.random.default_rng()
        self._control_tokens = frozenset(self._tokenizer.all_special_ids)
        self._texts: dict[int, TextStream] = {}
        self._generator: Any = BatchGenerator(
            loaded[0],
            stop_tokens=[[token] for token in sorted(self._tokenizer.eos_token_ids)],
            completion_batch_size=max_batch,
            prefill_batch_size=max_batch,
            prefill_step_size=prefill_chunk_tokens,
        )

    def encode_chat(self, messages: Sequence[dict[str, str]]) -> tuple[int, ...]:
        """The conversation in the model's own chat format, ready for the answer.

        Raises UnusableConversationError when the model's template refuses it.
        """
        try:
            text = self._tokenizer.apply_chat_template(
                list(messages), tokenize=False, add_generation_prompt=True
            )
        except jinja2.TemplateError as error:
            raise UnusableConversationError(str(error)) from error
        return tuple(self._tokenizer.encode(text, add_special_tokens=False))

    def add(self, request: GenerationRequest) -> int:
        """Let a sequence join; it is prefilled by the next steps."""
        (key,) = self._generator.insert(
            [list(request.prompt)],
            max_tokens=[request.max_tokens],
            samplers=[self._sampler(request)],
        )
        self._texts[key] = TextStream(self._tokenizer.detokenizer, self._control_tokens)
        return int(key)

    def remove(self, key: int) -> None:
        """Take a sequence out, in whatever stage it is."""
        self._texts.pop(key, None)
        self._generator.remove([key])

    def step(self) -> list[TokenOutput]:
        """A token of every decoding sequence, then the next piece of the waiting prompts."""
        _, responses = self._generator.next()
        return [
            self._output(response.uid, response.token, response.finish_reason)
            for response in responses
        ]

    def close(self) -> None:
        """Wait for the step started ahead, and give back what the device reserved.

        Call it last, in the thread that used the decoder.
        """
        mx.synchronize(self._generator.stream)
        self._generator.close()
        # A thread that ends with streams of its own can abort the process while Python exits
        # (ml-explore/mlx pull requests 3395 and 4110).
        mx.clear_streams()

    def _output(self, key: int, token: int, reason: FinishReason | None) -> TokenOutput:
        text = self._texts[key]
        # The token that stops an answer is the end mark, not a part of it.
        piece = "" if reason == "stop" else text.add(token)
        if reason is not None:
            piece += text.end()
            del self._texts[key]
        return TokenOutput(key=key, text=piece, finish_reason=reason)

    def _sampler(self, request: GenerationRequest) -> Sampler | None:
        if request.temperature == 0:
            return None  # the generator's own, greedy
        seed = self._random.integers(2**63) if request.seed is None else request.seed
        return make_sampler(request.temperature, request.top_p, np.random.default_rng(seed))


def make_sampler(temperature: float, top_p: float, random: np.random.Generator) -> Sampler:
    """Draws tokens from log-probabilities of shape (1, vocabulary).

    Each request has a sampler of its own, so its answer doesn't depend on who else is in the
    batch.
    """

    def sample(log_probabilities: mx.array) -> mx.array:
        if top_p < 1:
            log_probabilities = apply_top_p(log_probabilities, top_p)
        key = mx.random.key(int(random.integers(2**63)))
        return mx.random.categorical(log_probabilities * (1 / temperature), key=key)

    return sample

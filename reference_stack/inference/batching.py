"""Continuous batching with mlx-lm. Import only after `blas.prepare_process`."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import jinja2
import mlx.core as mx
import numpy as np

from reference_stack.inference.detokenise import TextStream
from reference_stack.inference.generation import (
    Admission,
    FinishReason,
    GenerationRequest,
    TokenOutput,
    UnusableConversationError,
)
from reference_stack.inference.mlx_library import (
    BatchGenerator,
    GenerationBatch,
    apply_top_p,
    load,
)
from reference_stack.inference.prompt_cache import PromptCache
from reference_stack.inference.stopping import StopTexts

Sampler = Callable[[mx.array], mx.array]

# Below it 32-bit numbers turn a temperature's or a nucleus' certainty into pure chance.
_NO_CHANCE = 1e-6
# Joins letters without being seen; within a mark it makes ordinary letters of it.
_WORD_JOINER = "\N{WORD JOINER}"


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
        prompt_cache_bytes: int = 0,
        random: np.random.Generator | None = None,
    ) -> None:
        """Load the model of `model_dir`; `random` gives seeds to requests without one.

        `prompt_cache_bytes` 0 keeps nothing of a prompt for the next one.

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
        marks = {
            number: token.content
            for number, token in self._tokenizer.added_tokens_decoder.items()
            if token.special
        }
        self._control_tokens = frozenset((*marks, *self._tokenizer.all_special_ids))
        self._marks = re.compile("|".join(map(re.escape, marks.values())) or r"(?!)")
        self._texts: dict[int, tuple[TextStream, StopTexts]] = {}
        self._prompts = PromptCache(prompt_cache_bytes) if prompt_cache_bytes else None
        self._generator: Any = BatchGenerator(
            loaded[0],
            stop_tokens=[[token] for token in sorted(self._tokenizer.eos_token_ids)],
            completion_batch_size=max_batch,
            prefill_batch_size=max_batch,
            prefill_step_size=prefill_chunk_tokens,
        )

    def encode_chat(self, messages: Sequence[dict[str, str]]) -> tuple[int, ...]:
        """The conversation in the model's own chat format, ready for the answer.

        The marks by which the model knows turns are the template's alone: where a message spells
        one, an invisible word joiner makes letters of it, so that no text (a patient's document,
        say) forges a turn of somebody else.

        Raises UnusableConversationError when the model's template refuses it.
        """
        turns = [
            {**message, "content": self._marks.sub(_spelled, message["content"])}
            for message in messages
        ]
        try:
            text = self._tokenizer.apply_chat_template(
                turns, tokenize=False, add_generation_prompt=True
            )
        except jinja2.TemplateError as error:
            raise UnusableConversationError(str(error)) from error
        return tuple(self._tokenizer.encode(text, add_special_tokens=False))

    @property
    def cached_bytes(self) -> int:
        """Memory that the prompt cache holds."""
        return 0 if self._prompts is None else self._prompts.size_bytes

    def add(self, request: GenerationRequest) -> Admission:
        """Let a sequence join; what is new of its prompt is prefilled by the next steps."""
        states, known = (
            (None, 0) if self._prompts is None else self._prompts.nearest(request.prompt)
        )
        (key,) = self._generator.insert(
            [list(request.prompt[known:])],
            max_tokens=[request.max_tokens],
            caches=[states],
            all_tokens=[list(request.prompt[:known])],
            samplers=[self._sampler(request)],
        )
        text = TextStream(self._tokenizer.detokenizer, self._control_tokens)
        self._texts[key] = (text, StopTexts(request.stop))
        return Admission(int(key), known)

    def remove(self, key: int) -> None:
        """Take a sequence out, in whatever stage it is."""
        self._texts.pop(key, None)
        self._generator.remove([key])

    def step(self) -> list[TokenOutput]:
        """A token of every decoding sequence, then the next piece of the waiting prompts."""
        _, responses = self._generator.next()
        return [self._output(response) for response in responses]

    def close(self) -> None:
        """Wait for the step started ahead, and give back what the device reserved.

        Call it last, in the thread that used the decoder.
        """
        mx.synchronize(self._generator.stream)
        self._generator.close()
        # A thread that ends with streams of its own can abort the process while Python exits
        # (ml-explore/mlx pull requests 3395 and 4110).
        mx.clear_streams()

    def _output(self, response: GenerationBatch.Response) -> TokenOutput:
        key: int = response.uid
        # The generator gives one of these two words.
        reason = cast("FinishReason | None", response.finish_reason)
        if self._prompts is not None and response.all_tokens and response.prompt_cache:
            self._prompts.keep(response.all_tokens, response.prompt_cache)
        text, stops = self._texts[key]
        # The token that stops an answer is the end mark, not a part of it.
        readable = "" if reason == "stop" else text.add(response.token)
        if reason is not None:
            readable += text.end()
        piece, stopped = stops.add(readable)
        if stopped and reason is None:
            self._generator.remove([key])
        if stopped:
            reason = "stop"
        elif reason is not None:
            piece += stops.end()
        if reason is not None:
            del self._texts[key]
        return TokenOutput(key=key, text=piece, finish_reason=reason)

    def _sampler(self, request: GenerationRequest) -> Sampler | None:
        if request.temperature < _NO_CHANCE or request.top_p < _NO_CHANCE:
            return None  # the generator's own, greedy
        seed = self._random.integers(2**63) if request.seed is None else request.seed
        return make_sampler(request.temperature, request.top_p, np.random.default_rng(seed))


def _spelled(mark: re.Match[str]) -> str:
    return mark[0][:1] + _WORD_JOINER + mark[0][1:]


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

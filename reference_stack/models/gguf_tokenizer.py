"""The tokenizer described by a GGUF file's metadata, rebuilt with `tokenizers`."""

from __future__ import annotations

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

from reference_stack.models.errors import ConversionError
from reference_stack.models.gguf_metadata import GgufMetadata

# Token types of the GGUF specification.
_CONTROL = 3
_USER_DEFINED = 4

# How a text is cut before the merges; GGUF only names it. True: every digit stands alone.
_DIGITS_ALONE = {"smollm": True, "gpt-2": False}


def build_tokenizer(meta: GgufMetadata) -> Tokenizer:
    """A byte-level BPE tokenizer; adds nothing to what it encodes.

    Raises ConversionError for another kind of tokenizer.
    """
    kind = meta.text("tokenizer.ggml.model")
    cut = meta.text("tokenizer.ggml.pre")
    if kind != "gpt2" or cut not in _DIGITS_ALONE:
        allowed = ", ".join(sorted(_DIGITS_ALONE))
        raise ConversionError(
            f"tokenizer {kind!r} with pre-tokenizer {cut!r} is not supported, only 'gpt2' with "
            f"{allowed}"
        )
    tokens = [str(token) for token in meta.items("tokenizer.ggml.tokens")]
    merges = [_pair(str(merge)) for merge in meta.items("tokenizer.ggml.merges")]
    tokenizer = Tokenizer(
        models.BPE(vocab={token: index for index, token in enumerate(tokens)}, merges=merges)
    )
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    digits = [pre_tokenizers.Digits(individual_digits=True)] if _DIGITS_ALONE[cut] else []
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([*digits, byte_level])
    tokenizer.decoder = decoders.ByteLevel()
    types = meta.items("tokenizer.ggml.token_type")
    for token, token_type in zip(tokens, types, strict=True):
        if token_type == _CONTROL:
            tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False)])
        elif token_type == _USER_DEFINED:
            tokenizer.add_tokens([AddedToken(token, special=False, normalized=False)])
    return tokenizer


def tokenizer_config(meta: GgufMetadata) -> dict[str, object]:
    """The `tokenizer_config.json` beside it: special tokens and the chat template."""
    tokens = meta.items("tokenizer.ggml.tokens")
    config: dict[str, object] = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": meta.integer("llama.context_length"),
        "clean_up_tokenization_spaces": False,
        "chat_template": meta.text("tokenizer.chat_template"),
    }
    for name, key in (("bos", "bos"), ("eos", "eos"), ("unk", "unknown"), ("pad", "padding")):
        full_key = f"tokenizer.ggml.{key}_token_id"
        if meta.has(full_key):
            config[f"{name}_token"] = tokens[meta.integer(full_key)]
    return config


def _pair(merge: str) -> tuple[str, str]:
    left, _, right = merge.partition(" ")
    return left, right

"""A GGUF file becomes an mlx-lm folder in 32-bit floats.

Packed weights would be smaller, but mlx on a CPU is slower with them and doesn't gain from
batching; on a Mac a folder made for it is used instead (profile kind `folder`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from gguf import GGUFReader
from gguf.quants import dequantize
from numpy.typing import NDArray
from safetensors.numpy import save_file

from reference_stack.models.errors import ConversionError
from reference_stack.models.gguf_metadata import GgufMetadata
from reference_stack.models.gguf_tokenizer import build_tokenizer, tokenizer_config

# Raised whenever the folder made from the same GGUF file changes, so that old ones are rebuilt.
CONVERTER_VERSION = 1

_TOP = {
    "token_embd": "model.embed_tokens",
    "output_norm": "model.norm",
    "output": "lm_head",
}
_BLOCK = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
# Tables for stretched contexts, which only some llama files have.
_DERIVED = {"rope_freqs.weight"}


def convert_gguf(gguf: Path, into: Path, *, licence: str) -> None:
    """Write model.safetensors, config.json, tokenizer.json and tokenizer_config.json.

    Supports the architecture `llama` with a byte-level BPE tokenizer.
    Raises ConversionError.
    """
    try:
        reader = GGUFReader(gguf)
    except (ValueError, IndexError, KeyError) as error:
        raise ConversionError(f"{gguf.name}: not a GGUF file: {error}") from error
    meta = GgufMetadata({key: field.contents() for key, field in reader.fields.items()}, gguf.name)
    architecture = meta.text("general.architecture")
    if architecture != "llama":
        raise ConversionError(
            f"{gguf.name}: architecture {architecture!r} is not supported, only 'llama'"
        )
    config = model_config(meta)
    weights = _weights(reader, config)
    config["tie_word_embeddings"] = "lm_head.weight" not in weights
    config["license"] = licence
    _check_shapes(weights, config, gguf.name)
    save_file(weights, into / "model.safetensors", metadata={"format": "mlx"})
    # save_file makes it private; the service may run as another user than the one who fetched.
    (into / "model.safetensors").chmod(0o644)
    (into / "config.json").write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")
    build_tokenizer(meta).save(str(into / "tokenizer.json"))
    (into / "tokenizer_config.json").write_text(
        json.dumps(tokenizer_config(meta), indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
    )


def model_config(meta: GgufMetadata) -> dict[str, object]:
    """The `config.json` mlx-lm reads for a llama model."""
    heads = meta.integer("llama.attention.head_count")
    hidden = meta.integer("llama.embedding_length")
    return {
        "model_type": "llama",
        "hidden_size": hidden,
        "num_hidden_layers": meta.integer("llama.block_count"),
        "intermediate_size": meta.integer("llama.feed_forward_length"),
        "num_attention_heads": heads,
        "num_key_value_heads": meta.integer("llama.attention.head_count_kv"),
        "head_dim": hidden // heads,
        "rms_norm_eps": meta.number("llama.attention.layer_norm_rms_epsilon"),
        "rope_theta": meta.number("llama.rope.freq_base"),
        "max_position_embeddings": meta.integer("llama.context_length"),
        "vocab_size": len(meta.items("tokenizer.ggml.tokens")),
        "bos_token_id": meta.integer("tokenizer.ggml.bos_token_id"),
        "eos_token_id": meta.integer("tokenizer.ggml.eos_token_id"),
        "torch_dtype": "float32",
    }


def unpermute(weight: NDArray[np.float32], heads: int) -> NDArray[np.float32]:
    """Undo the row order GGUF files use for the query and key weights of llama models.

    GGUF interleaves the two halves of each head's rotary dimensions; mlx-lm, like the original
    checkpoint, wants the halves one after the other. Shape (heads · head_dim, hidden), kept.
    """
    rows = weight.shape[0]
    paired = weight.reshape(heads, rows // heads // 2, 2, *weight.shape[1:])
    return np.ascontiguousarray(paired.swapaxes(1, 2).reshape(weight.shape))


def _mlx_name(name: str) -> str:
    parts = name.split(".")
    try:
        if parts[0] == "blk":
            return f"model.layers.{int(parts[1])}.{_BLOCK[parts[2]]}.{parts[3]}"
        return f"{_TOP[parts[0]]}.{parts[1]}"
    except (KeyError, IndexError, ValueError):
        raise ConversionError(f"tensor {name} has no place in a llama model") from None


def _weights(reader: GGUFReader, config: Mapping[str, object]) -> dict[str, NDArray[np.float32]]:
    permuted = {
        "attn_q": config["num_attention_heads"],
        "attn_k": config["num_key_value_heads"],
    }
    weights = {}
    for tensor in reader.tensors:
        if tensor.name in _DERIVED:
            continue
        # GGUF lists dimensions fastest first.
        shape = tuple(int(size) for size in reversed(tensor.shape))
        values = dequantize(tensor.data, tensor.tensor_type).reshape(shape).astype(np.float32)
        heads = permuted.get(tensor.name.split(".")[-2])
        if isinstance(heads, int):
            values = unpermute(values, heads)
        weights[_mlx_name(tensor.name)] = values
    return weights


def _check_shapes(
    weights: Mapping[str, NDArray[np.float32]], config: Mapping[str, object], file_name: str
) -> None:
    layers = config["num_hidden_layers"]
    wanted = {"model.embed_tokens.weight", "model.norm.weight"}
    if isinstance(layers, int):
        wanted |= {
            f"model.layers.{layer}.{part}.weight"
            for layer in range(layers)
            for part in _BLOCK.values()
        }
    if missing := sorted(wanted - weights.keys()):
        raise ConversionError(
            f"{file_name}: {len(missing)} tensors are missing, the first is {missing[0]}"
        )
    embedding = weights["model.embed_tokens.weight"].shape
    expected = (config["vocab_size"], config["hidden_size"])
    if embedding != expected:
        raise ConversionError(f"{file_name}: embedding is {embedding}, metadata says {expected}")

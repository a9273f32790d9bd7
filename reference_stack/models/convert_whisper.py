"""A Whisper model in CTranslate2's format becomes an mlx-whisper folder in 32-bit floats.

CTranslate2 keeps query, key and value of a layer as one matrix, may keep weights as 8-bit integers
with a scale a row, and has the convolutions' axes in PyTorch's order (out, in, width); mlx wants
(out, width, in). Its file format is that of `ctranslate2/specs/model_spec.py` (binary version 6):
everything little-endian; strings with a 16-bit length that counts their closing zero.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO, Final, Literal

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

from reference_stack.models.errors import ConversionError

# Raised whenever the folder made from the same file changes, so that old ones are rebuilt.
WHISPER_CONVERTER_VERSION = 1

_TYPES: Final = {0: "<f4", 1: "<i1", 2: "<i2", 3: "<i4", 4: "<f2"}
_WHISPER_SPEC = "WhisperSpec"
# Every Whisper has heads of this size, and hears 1,500 steps of 20 ms at a time.
_HEAD_SIZE = 64
_AUDIO_STEPS = 1500
_TEXT_TOKENS = 448

Floats = NDArray[np.float32]
Tensors = Mapping[str, NDArray[np.generic]]


def convert_whisper(model_bin: Path, into: Path) -> None:
    """Write weights.safetensors and config.json. Raises ConversionError."""
    try:
        tensors = _read(model_bin)
        weights = _Converter(tensors).weights()
    except (struct.error, UnicodeDecodeError, ValueError) as error:
        raise ConversionError(f"{model_bin.name}: not a CTranslate2 model: {error}") from error
    except KeyError as error:
        raise ConversionError(f"{model_bin.name}: no tensor {error.args[0]}") from error
    _write(weights, into)


def random_whisper(size: Literal["tiny", "base", "small"], seed: int, into: Path) -> None:
    """Write a folder of the named multilingual size with random weights.

    Sizes from OpenAI's model card: states and layers of 384 and 4, 512 and 6, 768 and 12.
    """
    state, layers = {"tiny": (384, 4), "base": (512, 6), "small": (768, 12)}[size]
    random = np.random.default_rng(seed)

    def draw(*shape: int) -> Floats:
        values = random.standard_normal(shape, dtype=np.float32)
        return values / np.float32(np.sqrt(shape[-1]))

    weights: dict[str, Floats] = {
        "encoder.conv1.weight": draw(state, 3, 80),
        "encoder.conv1.bias": np.zeros(state, np.float32),
        "encoder.conv2.weight": draw(state, 3, state),
        "encoder.conv2.bias": np.zeros(state, np.float32),
        "decoder.token_embedding.weight": draw(51865, state),
        "decoder.positional_embedding": draw(_TEXT_TOKENS, state),
    }
    norms = ["encoder.ln_post", "decoder.ln"]
    for side in ("encoder", "decoder"):
        for layer in range(layers):
            block = f"{side}.blocks.{layer}"
            attentions = ["attn"] if side == "encoder" else ["attn", "cross_attn"]
            norms += [f"{block}.{name}_ln" for name in (*attentions, "mlp")]
            for attention in attentions:
                for part in ("query", "key", "value", "out"):
                    weights[f"{block}.{attention}.{part}.weight"] = draw(state, state)
                    if part != "key":
                        weights[f"{block}.{attention}.{part}.bias"] = np.zeros(state, np.float32)
            for name, shape in (("mlp1", (4 * state, state)), ("mlp2", (state, 4 * state))):
                weights[f"{block}.{name}.weight"] = draw(*shape)
                weights[f"{block}.{name}.bias"] = np.zeros(shape[0], np.float32)
    for norm in norms:
        weights[f"{norm}.weight"] = np.ones(state, np.float32)
        weights[f"{norm}.bias"] = np.zeros(state, np.float32)
    _write(weights, into)


class _Converter:
    """Renames and reshapes the tensors of one model."""

    def __init__(self, tensors: Tensors) -> None:
        self._tensors = tensors
        self._made: dict[str, Floats] = {}

    def weights(self) -> dict[str, Floats]:
        for side in ("encoder", "decoder"):
            for layer in range(self._layers(side)):
                self._block(side, f"{side}/layer_{layer}", f"{side}.blocks.{layer}")
        for number in (1, 2):
            convolution = f"encoder.conv{number}"
            kernel = self._floats(f"encoder/conv{number}/weight")
            self._made[f"{convolution}.weight"] = kernel.swapaxes(1, 2)
            self._made[f"{convolution}.bias"] = self._floats(f"encoder/conv{number}/bias")
        self._norm("encoder.ln_post", "encoder/layer_norm")
        self._norm("decoder.ln", "decoder/layer_norm")
        made = self._made
        made["decoder.token_embedding.weight"] = self._floats("decoder/embeddings/weight")
        made["decoder.positional_embedding"] = self._floats("decoder/position_encodings/encodings")
        return made

    def _layers(self, side: str) -> int:
        prefix = f"{side}/layer_"
        numbers = {
            name.removeprefix(prefix).split("/")[0]
            for name in self._tensors
            if name.startswith(prefix)
        }
        return sum(number.isdecimal() for number in numbers)

    def _block(self, side: str, source: str, target: str) -> None:
        self._split(f"{target}.attn", f"{source}/self_attention", 0, ("query", "key", "value"))
        self._linear(f"{target}.attn.out", f"{source}/self_attention", 1)
        self._norm(f"{target}.attn_ln", f"{source}/self_attention/layer_norm")
        if side == "decoder":
            cross = f"{source}/attention"
            self._split(f"{target}.cross_attn", cross, 0, ("query",))
            self._split(f"{target}.cross_attn", cross, 1, ("key", "value"))
            self._linear(f"{target}.cross_attn.out", cross, 2)
            self._norm(f"{target}.cross_attn_ln", f"{cross}/layer_norm")
        self._linear(f"{target}.mlp1", f"{source}/ffn", 0)
        self._linear(f"{target}.mlp2", f"{source}/ffn", 1)
        self._norm(f"{target}.mlp_ln", f"{source}/ffn/layer_norm")

    def _split(self, target: str, source: str, number: int, parts: tuple[str, ...]) -> None:
        weights = np.split(self._floats(f"{source}/linear_{number}/weight"), len(parts))
        biases = np.split(self._floats(f"{source}/linear_{number}/bias"), len(parts))
        for part, weight, bias in zip(parts, weights, biases, strict=True):
            self._made[f"{target}.{part}.weight"] = weight
            if part != "key":
                self._made[f"{target}.{part}.bias"] = bias
            elif bias.any():
                raise ConversionError(f"{source}: keys have a bias, which Whisper's don't")

    def _linear(self, target: str, source: str, number: int) -> None:
        self._made[f"{target}.weight"] = self._floats(f"{source}/linear_{number}/weight")
        self._made[f"{target}.bias"] = self._floats(f"{source}/linear_{number}/bias")

    def _norm(self, target: str, source: str) -> None:
        self._made[f"{target}.weight"] = self._floats(f"{source}/gamma")
        self._made[f"{target}.bias"] = self._floats(f"{source}/beta")

    def _floats(self, name: str) -> Floats:
        values = self._tensors[name]
        if values.dtype == np.int8:
            scale = self._tensors[f"{name}_scale"].astype(np.float32)
            return values.astype(np.float32) / scale[:, None]
        return values.astype(np.float32)


def _read(path: Path) -> dict[str, NDArray[np.generic]]:
    tensors: dict[str, NDArray[np.generic]] = {}
    with path.open("rb") as file:
        _number(file, "I")  # the format's version
        spec = _string(file)
        if spec != _WHISPER_SPEC:
            raise ConversionError(f"{path.name}: a {spec}, only {_WHISPER_SPEC} is supported")
        _number(file, "I")  # the specification's revision
        for _ in range(_number(file, "I")):
            name = _string(file)
            shape = [_number(file, "I") for _ in range(_number(file, "B"))]
            kind = _TYPES.get(_number(file, "B"))
            if kind is None:
                raise ConversionError(f"{path.name}: {name} has an unknown type of numbers")
            content = file.read(_number(file, "I"))
            tensors[name] = np.frombuffer(content, kind).reshape(shape)
        for _ in range(_number(file, "I")):
            alias, name = _string(file), _string(file)
            tensors[alias] = tensors[name]
    return tensors


def _number(file: BinaryIO, form: str) -> int:
    (value,) = struct.unpack(f"<{form}", file.read(struct.calcsize(f"<{form}")))
    return int(value)


def _string(file: BinaryIO) -> str:
    return file.read(_number(file, "H")).rstrip(b"\0").decode("utf-8")


def _write(weights: Mapping[str, Floats], into: Path) -> None:
    vocabulary, state = weights["decoder.token_embedding.weight"].shape
    config = {
        "model_type": "whisper",
        "n_mels": weights["encoder.conv1.weight"].shape[2],
        "n_audio_ctx": _AUDIO_STEPS,
        "n_audio_state": state,
        "n_audio_head": state // _HEAD_SIZE,
        "n_audio_layer": _blocks(weights, "encoder"),
        "n_vocab": vocabulary,
        "n_text_ctx": weights["decoder.positional_embedding"].shape[0],
        "n_text_state": state,
        "n_text_head": state // _HEAD_SIZE,
        "n_text_layer": _blocks(weights, "decoder"),
    }
    whole = {name: np.ascontiguousarray(value) for name, value in weights.items()}
    save_file(whole, into / "weights.safetensors", metadata={"format": "mlx"})
    # save_file makes it private; the service may run as another user than the one who fetched.
    (into / "weights.safetensors").chmod(0o644)
    (into / "config.json").write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")


def _blocks(weights: Mapping[str, Floats], side: str) -> int:
    return 1 + max(
        int(name.split(".")[2]) for name in weights if name.startswith(f"{side}.blocks.")
    )

"""A Whisper of a few layers with random weights, and the same model as CTranslate2 writes it."""

import struct
from pathlib import Path
from typing import Any

import numpy as np

from reference_stack.models.convert_whisper import convert_whisper

STATE, VOCABULARY, TEXT_TOKENS = 64, 51864, 24


def _draw(random: Any, *shape: Any):
    return (random.normal(size=shape) / np.sqrt(shape[-1])).astype(np.float32)


def ct2_tensors(seed: int = 3) -> dict[str, np.ndarray]:
    """One layer a side, as an English model's CTranslate2 file names them."""
    random = np.random.default_rng(seed)
    tensors: dict[str, np.ndarray] = {}

    def linear(name: str, rows: int, columns: int) -> None:
        tensors[f"{name}/weight"] = _draw(random, rows, columns)
        tensors[f"{name}/bias"] = _draw(random, rows)

    def norm(name: str) -> None:
        tensors[f"{name}/gamma"] = np.ones(STATE, np.float32)
        tensors[f"{name}/beta"] = _draw(random, STATE)

    def no_key_bias(name: str, first: int) -> None:
        tensors[f"{name}/bias"][first : first + STATE] = 0

    for number, inputs in ((1, 80), (2, STATE)):
        tensors[f"encoder/conv{number}/weight"] = _draw(random, STATE, inputs, 3)
        tensors[f"encoder/conv{number}/bias"] = _draw(random, STATE)
    for side in ("encoder", "decoder"):
        block = f"{side}/layer_0"
        linear(f"{block}/self_attention/linear_0", 3 * STATE, STATE)
        no_key_bias(f"{block}/self_attention/linear_0", STATE)
        linear(f"{block}/self_attention/linear_1", STATE, STATE)
        norm(f"{block}/self_attention/layer_norm")
        if side == "decoder":
            linear(f"{block}/attention/linear_0", STATE, STATE)
            linear(f"{block}/attention/linear_1", 2 * STATE, STATE)
            no_key_bias(f"{block}/attention/linear_1", 0)
            linear(f"{block}/attention/linear_2", STATE, STATE)
            norm(f"{block}/attention/layer_norm")
        linear(f"{block}/ffn/linear_0", 4 * STATE, STATE)
        linear(f"{block}/ffn/linear_1", STATE, 4 * STATE)
        norm(f"{block}/ffn/layer_norm")
        norm(f"{side}/layer_norm")
    tensors["decoder/embeddings/weight"] = _draw(random, VOCABULARY, STATE)
    tensors["decoder/position_encodings/encodings"] = _draw(random, TEXT_TOKENS, STATE)
    return tensors


def quantised(tensors: dict[str, np.ndarray], names: set[str]) -> dict[str, np.ndarray]:
    """Some weights as 8-bit integers with a scale a row."""
    made = dict(tensors)
    for name in names:
        scale = 127 / np.abs(tensors[name]).max(axis=1)
        made[name] = np.round(tensors[name] * scale[:, None]).astype(np.int8)
        made[f"{name}_scale"] = scale.astype(np.float32)
    return made


_KINDS = {np.dtype(np.float32): 0, np.dtype(np.int8): 1, np.dtype(np.float16): 4}


def write_ct2(path: Path, tensors: dict[str, np.ndarray], spec: str = "WhisperSpec") -> Path:
    def text(words: str) -> bytes:
        content = words.encode() + b"\0"
        return struct.pack("<H", len(content)) + content

    with path.open("wb") as file:
        file.write(struct.pack("<I", 6) + text(spec) + struct.pack("<I", 3))
        file.write(struct.pack("<I", len(tensors)))
        for name, values in tensors.items():
            file.write(text(name) + struct.pack("<B", values.ndim))
            file.write(struct.pack(f"<{values.ndim}I", *values.shape))
            file.write(struct.pack("<BI", _KINDS[values.dtype], values.nbytes))
            file.write(np.ascontiguousarray(values).tobytes())
        file.write(struct.pack("<I", 0))
    return path


def tiny_whisper(folder: Path) -> Path:
    """An mlx-whisper folder that hears nothing and always says something, quickly."""
    folder.mkdir(parents=True)
    tensors = ct2_tensors()
    convert_whisper(write_ct2(folder / "model.bin", tensors), folder)
    (folder / "model.bin").unlink()
    return folder

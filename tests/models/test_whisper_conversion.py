"""CTranslate2's file becomes mlx-whisper's folder, without torch."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from reference_stack.models import ConversionError
from reference_stack.models.convert_whisper import convert_whisper, random_whisper
from tests.speech.tiny_whisper import STATE, ct2_tensors, quantised, write_ct2


def converted(folder: Path, tensors: Any, **options: Any):
    convert_whisper(write_ct2(folder / "model.bin", tensors, **options), folder)
    return load_file(folder / "weights.safetensors"), json.loads(
        (folder / "config.json").read_text()
    )


def test_fused_matrices_are_parted_and_convolutions_turned(tmp_path: Path) -> None:
    tensors = ct2_tensors()
    weights, config = converted(tmp_path, tensors)
    fused = tensors["decoder/layer_0/self_attention/linear_0/weight"]
    for place, part in enumerate(("query", "key", "value")):
        np.testing.assert_array_equal(
            weights[f"decoder.blocks.0.attn.{part}.weight"],
            fused[place * STATE : (place + 1) * STATE],
        )
    np.testing.assert_array_equal(
        weights["encoder.conv1.weight"], tensors["encoder/conv1/weight"].transpose(0, 2, 1)
    )
    assert "encoder.blocks.0.attn.key.bias" not in weights
    assert (config["n_audio_state"], config["n_mels"], config["n_text_layer"]) == (STATE, 80, 1)


def test_eight_bit_weights_are_scaled_back(tmp_path: Path) -> None:
    tensors = ct2_tensors()
    names = {name for name in tensors if name.endswith("ffn/linear_0/weight")}
    weights, _ = converted(tmp_path, quantised(tensors, names))
    original = tensors["encoder/layer_0/ffn/linear_0/weight"]
    # Half a step of 1/127 of each row's largest number.
    bound = np.abs(original).max(axis=1, keepdims=True) / 127 / 2 * 1.001
    assert (np.abs(weights["encoder.blocks.0.mlp1.weight"] - original) <= bound).all()


def test_half_precision_is_widened(tmp_path: Path) -> None:
    tensors = ct2_tensors()
    halves = {name: values.astype(np.float16) for name, values in tensors.items()}
    weights, _ = converted(tmp_path, halves)
    assert {values.dtype for values in weights.values()} == {np.dtype(np.float32)}


def test_the_folder_is_what_mlx_whisper_reads(tmp_path: Path) -> None:
    from mlx_whisper.load_models import load_model  # noqa: PLC0415

    converted(tmp_path, ct2_tensors())
    model = load_model(str(tmp_path))
    expected = ct2_tensors()["decoder/embeddings/weight"]
    np.testing.assert_array_equal(np.array(model.decoder.token_embedding.weight), expected)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"spec": "TransformerSpec"}, "TransformerSpec"),
        ({"drop": "decoder/embeddings/weight"}, "decoder/embeddings/weight"),
        ({"key_bias": True}, "keys have a bias"),
        ({"truncate": True}, "not a CTranslate2 model"),
    ],
)
def test_what_is_no_whisper_is_refused_by_name(tmp_path: Path, change: Any, words: str) -> None:
    tensors = ct2_tensors()
    tensors.pop(change.get("drop"), None)
    if change.get("key_bias"):
        tensors["encoder/layer_0/self_attention/linear_0/bias"][:] = 1
    path = write_ct2(tmp_path / "model.bin", tensors, change.get("spec", "WhisperSpec"))
    if change.get("truncate"):
        path.write_bytes(path.read_bytes()[:100_000])
    with pytest.raises(ConversionError, match=words):
        convert_whisper(path, tmp_path)


def test_random_weights_have_the_true_size(tmp_path: Path) -> None:
    """OpenAI's model card: tiny has 39 million parameters; encoder positions aren't stored."""
    random_whisper("tiny", 0, tmp_path)
    weights = load_file(tmp_path / "weights.safetensors")
    count = sum(values.size for values in weights.values())
    assert count == pytest.approx(39e6, rel=0.06)
    config = json.loads((tmp_path / "config.json").read_text())
    assert (config["n_audio_state"], config["n_audio_layer"], config["n_vocab"]) == (384, 4, 51865)

"""A GGUF file with known weights becomes an mlx-lm folder with the same weights."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file
from tokenizers import Tokenizer

from reference_stack.models import ConversionError
from reference_stack.models.convert import convert_gguf, unpermute
from tests.models import tiny_gguf

TEXTS = ["the patient has 37 graus", "não tem dor 🩺", "<|im_start|>fever<|im_end|>", "  a\n\tb"]


@pytest.fixture(scope="module")
def converted(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("gguf")
    expected = tiny_gguf.write_gguf(folder / "tiny.gguf")
    made = folder / "made"
    made.mkdir()
    convert_gguf(folder / "tiny.gguf", made, licence="Apache-2.0")
    return made, expected


def test_every_weight_is_the_original_up_to_its_packing(converted: Any) -> None:
    made, expected = converted
    weights = load_file(made / "model.safetensors")
    assert weights.keys() == expected.keys()
    for name, weight in weights.items():
        # Q8_0 stores blocks of 32 with a step of max/127: half a step of error, and a
        # half-precision step size.
        packed = name.endswith("down_proj.weight")
        tolerance = np.abs(expected[name]).max() / 127 * 0.52 if packed else 0.0
        assert weight.dtype == np.float32
        np.testing.assert_allclose(weight, expected[name], rtol=0, atol=tolerance)


def test_unpermute_undoes_the_interleaving_of_gguf() -> None:
    weight = np.arange(48 * 5, dtype=np.float32).reshape(48, 5)
    for heads in (1, 2, 3, 6):
        np.testing.assert_array_equal(unpermute(tiny_gguf.interleave(weight, heads), heads), weight)


def test_the_tokenizer_cuts_and_joins_like_the_original(converted: Any) -> None:
    made, _ = converted
    ours = Tokenizer.from_file(str(made / "tokenizer.json"))
    original = tiny_gguf.reference_tokenizer()
    for text in TEXTS:
        ids = ours.encode(text).ids
        assert ids == original.encode(text).ids
        assert ours.decode(ids, skip_special_tokens=False) == text


def test_config_and_chat_template_come_from_the_metadata(converted: Any) -> None:
    made, _ = converted
    config = json.loads((made / "config.json").read_text())
    assert config["model_type"] == "llama"
    assert config["tie_word_embeddings"] is True
    assert (config["num_attention_heads"], config["num_key_value_heads"]) == (4, 2)
    assert config["eos_token_id"] == 2
    tokenizer_config = json.loads((made / "tokenizer_config.json").read_text())
    assert tokenizer_config["eos_token"] == "<|im_end|>"
    assert tokenizer_config["chat_template"] == tiny_gguf.CHAT_TEMPLATE


@pytest.mark.parametrize(
    ("options", "names"), [({"architecture": "gpt2"}, "'gpt2'"), ({"pre": "qwen2"}, "'qwen2'")]
)
def test_an_unsupported_file_is_refused_by_name(tmp_path: Path, options: Any, names: str) -> None:
    tiny_gguf.write_gguf(tmp_path / "tiny.gguf", **options)
    with pytest.raises(ConversionError, match=names):
        convert_gguf(tmp_path / "tiny.gguf", tmp_path, licence="x")


def test_a_file_that_is_no_gguf_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.gguf").write_bytes(b"hello" * 100)
    with pytest.raises(ConversionError, match=r"x\.gguf"):
        convert_gguf(tmp_path / "x.gguf", tmp_path, licence="x")

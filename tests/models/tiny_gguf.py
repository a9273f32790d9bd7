"""A GGUF file of a few dozen kilobytes with known weights, and a wheel around it."""

import hashlib
import json
import zipfile
from pathlib import Path

import numpy as np
from gguf import GGMLQuantizationType, GGUFWriter, TokenType
from gguf.quants import quantize
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

HIDDEN, INNER, HEADS, KV_HEADS, LAYERS = 64, 96, 4, 2, 2
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
CHAT_TEMPLATE = "{% for m in messages %}<|im_start|>{{ m.content }}<|im_end|>{% endfor %}"
CORPUS = ["the patient has a fever, não tem dor, 37 graus"] * 3


def reference_tokenizer() -> Tokenizer:
    """What the converted tokenizer must do: digits alone, byte-level BPE."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=320,
        special_tokens=SPECIAL,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    return tokenizer


def interleave(weight: np.ndarray, heads: int) -> np.ndarray:
    """Row order of query and key weights in GGUF files: row i of a head's first half, then row i
    of its second half."""
    head_dim = weight.shape[0] // heads
    order = [
        head * head_dim + half * (head_dim // 2) + row
        for head in range(heads)
        for row in range(head_dim // 2)
        for half in (0, 1)
    ]
    return weight[order]


def write_gguf(path: Path, *, architecture: str = "llama", pre: str = "smollm") -> dict:
    """Write the file; returns the weights under the names an mlx-lm folder gives them."""
    random = np.random.default_rng(3)
    tokenizer = reference_tokenizer()
    vocabulary = sorted(tokenizer.get_vocab(), key=tokenizer.token_to_id)
    merges = json.loads(tokenizer.to_str())["model"]["merges"]
    writer = GGUFWriter(path, architecture)
    writer.add_context_length(256)
    writer.add_embedding_length(HIDDEN)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(10000.0)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    writer.add_token_list(vocabulary)
    writer.add_token_types(
        [TokenType.CONTROL if token in SPECIAL else TokenType.NORMAL for token in vocabulary]
    )
    writer.add_token_merges([" ".join(pair) for pair in merges])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_chat_template(CHAT_TEMPLATE)
    expected = {}

    def add(gguf_name: str, mlx_name: str, shape: tuple[int, ...], heads: int = 0) -> None:
        weight = random.normal(size=shape).astype(np.float32)
        expected[f"{mlx_name}.weight"] = weight
        stored = interleave(weight, heads) if heads else weight
        writer.add_tensor(f"{gguf_name}.weight", stored)

    add("token_embd", "model.embed_tokens", (len(vocabulary), HIDDEN))
    add("output_norm", "model.norm", (HIDDEN,))
    kv = HIDDEN // HEADS * KV_HEADS
    for index in range(LAYERS):
        here, there = f"blk.{index}.", f"model.layers.{index}."
        add(here + "attn_norm", there + "input_layernorm", (HIDDEN,))
        add(here + "attn_q", there + "self_attn.q_proj", (HIDDEN, HIDDEN), HEADS)
        add(here + "attn_k", there + "self_attn.k_proj", (kv, HIDDEN), KV_HEADS)
        add(here + "attn_v", there + "self_attn.v_proj", (kv, HIDDEN))
        add(here + "attn_output", there + "self_attn.o_proj", (HIDDEN, HIDDEN))
        add(here + "ffn_norm", there + "post_attention_layernorm", (HIDDEN,))
        add(here + "ffn_gate", there + "mlp.gate_proj", (INNER, HIDDEN))
        add(here + "ffn_up", there + "mlp.up_proj", (INNER, HIDDEN))
    # One packed tensor, whose rounding is known.
    for index in range(LAYERS):
        weight = random.normal(size=(HIDDEN, INNER)).astype(np.float32)
        packed = quantize(weight, GGMLQuantizationType.Q8_0)
        writer.add_tensor(
            f"blk.{index}.ffn_down.weight", packed, raw_dtype=GGMLQuantizationType.Q8_0
        )
        expected[f"model.layers.{index}.mlp.down_proj.weight"] = weight
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return expected


def write_wheel(folder: Path, gguf: Path, package: str, version: str = "1.0") -> Path:
    """A valid wheel whose one payload is the GGUF file."""
    module = package.replace("-", "_")
    wheel = folder / f"{module}-{version}-py3-none-any.whl"
    info = f"{module}-{version}.dist-info"
    texts = {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/RECORD": "",
    }
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.write(gguf, f"{module}/tiny.gguf")
        for name, text in texts.items():
            archive.writestr(name, text)
    return wheel


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()

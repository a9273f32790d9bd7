"""Llama models of a few hundred kilobytes, run by the real engine.

The random one has attention that matters, so its answers depend on the whole prompt. The scripted
one says a given text whatever it is asked: its embedding is the identity and its head maps every
token to the next one of the script.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

END, ASSISTANT = "<|end|>", "<|assistant|>"
SPECIAL = [END, ASSISTANT, "<|user|>", "<|system|>"]
CHAT_TEMPLATE = (
    "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
# ASCII only: every other character stays several tokens, one per byte.
CORPUS = ["the patient has a fever and the nurse will call the doctor before the night is over"]
HEADS = 4


def tiny_tokenizer() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=len(SPECIAL) + 256 + 40,
        special_tokens=SPECIAL,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    return tokenizer


def _write(folder: Path, config: dict[str, object], weights: dict[str, np.ndarray]) -> Path:
    folder.mkdir(parents=True)
    tokenizer = tiny_tokenizer()
    tokenizer.save(str(folder / "tokenizer.json"))
    tokenizer_config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": END,
        "chat_template": CHAT_TEMPLATE,
        "clean_up_tokenization_spaces": False,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(tokenizer_config))
    full = {
        "model_type": "llama",
        "num_attention_heads": HEADS,
        "num_key_value_heads": HEADS,
        "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0,
        "vocab_size": tokenizer.get_vocab_size(),
        "eos_token_id": tokenizer.token_to_id(END),
        "tie_word_embeddings": False,
        **config,
    }
    (folder / "config.json").write_text(json.dumps(full))
    save_file(
        {name: np.ascontiguousarray(value, dtype=np.float32) for name, value in weights.items()},
        folder / "model.safetensors",
        metadata={"format": "mlx"},
    )
    return folder


def _layer(index: int, hidden: int, inner: int, draw: Any) -> dict[str, np.ndarray]:
    shapes = {
        **{f"self_attn.{name}_proj": (hidden, hidden) for name in "qkvo"},
        "mlp.gate_proj": (inner, hidden),
        "mlp.up_proj": (inner, hidden),
        "mlp.down_proj": (hidden, inner),
    }
    weights = {f"model.layers.{index}.{name}.weight": draw(shape) for name, shape in shapes.items()}
    for norm in ("input_layernorm", "post_attention_layernorm"):
        weights[f"model.layers.{index}.{norm}.weight"] = np.ones(hidden)
    return weights


def random_model(folder: Path, seed: int = 7) -> Path:
    hidden, inner, layers = 64, 128, 2
    vocabulary = tiny_tokenizer().get_vocab_size()
    random = np.random.default_rng(seed)

    def draw(shape: tuple[int, int]) -> np.ndarray:
        return random.normal(scale=2 / np.sqrt(shape[1]), size=shape)

    weights = {
        "model.embed_tokens.weight": random.normal(size=(vocabulary, hidden)),
        "model.norm.weight": np.ones(hidden),
        "lm_head.weight": draw((vocabulary, hidden)),
    }
    for index in range(layers):
        weights |= _layer(index, hidden, inner, draw)
    config = {
        "hidden_size": hidden,
        "intermediate_size": inner,
        "num_hidden_layers": layers,
    }
    return _write(folder, config, weights)


def scripted_model(folder: Path, text: str, *, endless: bool = False) -> Path:
    """Says `text` and ends, or with `endless` says it again and again."""
    tokenizer = tiny_tokenizer()
    script = tokenizer.encode(text).ids
    if len(set(script)) != len(script):
        raise ValueError("a scripted text can't contain a token twice")
    vocabulary = tokenizer.get_vocab_size()
    hidden = -(-vocabulary // (2 * HEADS)) * 2 * HEADS
    follows = dict(zip([tokenizer.token_to_id(ASSISTANT), *script], script, strict=False))
    follows[script[-1]] = script[0] if endless else tokenizer.token_to_id(END)
    head = np.zeros((vocabulary, hidden))
    for token, following in follows.items():
        head[following, token] = 1
    weights = {
        "model.embed_tokens.weight": np.eye(vocabulary, hidden),
        "model.norm.weight": np.ones(hidden),
        "lm_head.weight": head,
        **_layer(0, hidden, 8, np.zeros),
    }
    config = {"hidden_size": hidden, "intermediate_size": 8, "num_hidden_layers": 1}
    return _write(folder, config, weights)

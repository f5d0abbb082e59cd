"""A tiny checkpoint and conversations to train on."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from qwen_vl.checkpoint import DEMO_FOLDER, save_checkpoint
from qwen_vl.config import QwenVLConfig
from qwen_vl.model import random_model
from qwen_vl.tokenizer import Tokenizer

VOCABULARY = DEMO_FOLDER / "qwen.tiktoken"


def config() -> QwenVLConfig:
    """Sizes for the demo model's vocabulary: 4 rows per image, one layer of everything."""
    tokenizer = Tokenizer.from_file(VOCABULARY, 4)
    return QwenVLConfig.from_dict(
        {
            "vocab_size": tokenizer.n_vocab,
            "hidden_size": 128,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "kv_channels": 16,
            "intermediate_size": 64,
            "layer_norm_epsilon": 1e-6,
            "rotary_emb_base": 10000,
            "seq_length": 128,
            "no_bias": True,
            "use_dynamic_ntk": True,
            "use_logn_attn": True,
            "visual": {
                "image_size": 28,
                "patch_size": 14,
                "width": 16,
                "layers": 1,
                "heads": 1,
                "mlp_ratio": 2.0,
                "output_dim": 128,
                "image_start_id": tokenizer.image_start_id,
                "n_queries": 4,
            },
        }
    )


def checkpoint(folder: Path) -> Path:
    """A fresh checkpoint of that size in float32."""
    save_checkpoint(random_model(config(), seed=3, std=0.1), VOCABULARY, folder, torch.float32)
    return folder


def row(user: str, assistant: str, *more: str) -> dict[str, Any]:
    """A conversation of one or several pairs of turns."""
    turns = [
        {"from": ("user", "assistant")[i % 2], "value": text}
        for i, text in enumerate((user, assistant, *more))
    ]
    return {"id": user, "conversations": turns}


def conversations(folder: Path, pictures: int = 4) -> Path:
    """Pictures, some questions each, and a question without a picture."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    rows = [row("no picture here Answer:", " none")]
    for number in range(pictures):
        pixels = np.full((20, 24, 3), (60 * number, 255 - 60 * number, 90), np.uint8)
        Image.fromarray(pixels, "RGB").save(folder / f"{number}.png")
        for question in range(2 + number % 3):
            text = f"<img>{number}.png</img>What is {question}? Answer:"
            rows.append(row(text, f" thing {rng.integers(100)}"))
        rows.append(row(f"<img>{number}.png</img><ref>it</ref><box>", "(12,34),(56,78)</box>"))
    path = folder / "talks.json"
    path.write_text(json.dumps(rows), encoding="utf-8")
    return path

"""The tiny reference model and its recorded outputs, built once per session.

One set of weights serves three configs: 300 MB, because the vocabulary has the official size.
"""

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from qwen_vl.config import QwenVLConfig
from qwen_vl.model import QwenVL, empty_model
from qwen_vl.resampler import sincos_positions
from qwen_vl.tokenizer import Tokenizer
from qwen_vl.weights import assign

SHARED = Path(__file__).parents[2].parent / "shared" / "reference"
POS_EMBED = "transformer.visual.attn_pool.pos_embed"


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Matrices this small only wait for each other on several threads, for minutes where cores are busy."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def reference() -> Path:
    """The folder of recorded reference outputs."""
    if not SHARED.is_dir():
        pytest.skip(f"needs the recorded reference outputs in {SHARED}")
    return SHARED


@pytest.fixture(scope="session")
def cases(reference: Path) -> dict[str, Any]:
    """Every recorded case by name."""
    found: dict[str, Any] = json.loads((reference / "goldens" / "cases.json").read_text(encoding="utf-8"))
    return found


@pytest.fixture(scope="session")
def arrays(reference: Path) -> Callable[[str], dict[str, Any]]:
    """The recorded arrays of a case."""
    return lambda case: dict(np.load(reference / "goldens" / f"{case}.npz"))


@pytest.fixture(scope="session")
def tokenizer(reference: Path) -> Tokenizer:
    """The official vocabulary."""
    return Tokenizer.from_file(reference / "qwen.tiktoken")


@pytest.fixture(scope="session")
def tiny_weights(reference: Path) -> dict[str, Tensor]:
    """The weights behind the recorded outputs, by their official names."""
    spec = importlib.util.spec_from_file_location("tiny_weights", reference / "tiny_weights.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    config = QwenVLConfig.from_file(reference / "config.json")
    shapes = {name: tuple(tensor.shape) for name, tensor in empty_model(config).state_dict().items()}
    generated = {name: torch.from_numpy(module.weight(name, shape)) for name, shape in shapes.items()}
    generated[POS_EMBED] = sincos_positions(16, config.visual.output_dim)
    return generated


@pytest.fixture(scope="session")
def tiny(reference: Path, tiny_weights: dict[str, Tensor]) -> Callable[[str], QwenVL]:
    """The tiny model under one of the recorded configs (s112, s448, seq128); the weights are shared."""
    files = {"s112": "config.json", "s448": "config_s448.json", "seq128": "config_seq128.json"}
    built: dict[str, QwenVL] = {}

    def model(name: str) -> QwenVL:
        if name not in built:
            built[name] = empty_model(QwenVLConfig.from_file(reference / files[name]))
            for parameter, tensor in tiny_weights.items():
                assign(built[name], parameter, tensor)
        return built[name]

    return model


@pytest.fixture(scope="session")
def tiny_config() -> QwenVLConfig:
    """A model small enough for a test without recorded outputs: 9 rows per image, 64 positions."""
    return QwenVLConfig.from_dict(
        {
            "vocab_size": 480,
            "hidden_size": 128,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "kv_channels": 32,
            "intermediate_size": 128,
            "layer_norm_epsilon": 1e-6,
            "rotary_emb_base": 10000,
            "seq_length": 64,
            "no_bias": True,
            "use_dynamic_ntk": True,
            "use_logn_attn": True,
            "visual": {
                "image_size": 28,
                "patch_size": 14,
                "width": 32,
                "layers": 1,
                "heads": 2,
                "mlp_ratio": 2.0,
                "output_dim": 128,
                "image_start_id": 470,
                "n_queries": 9,
            },
        }
    )

"""Models to measure: the bundled demo checkpoint, and random weights of two sizes, since speed needs no
download.
"""

import torch

from qwen_vl.checkpoint import DEMO_FOLDER, load
from qwen_vl.config import QwenVLConfig
from qwen_vl.errors import CheckpointError
from qwen_vl.memory import free_memory
from qwen_vl.model import QwenVL, random_model
from qwen_vl.profiling.arithmetic import image_flop, logits_flop, parameters, token_flop

SMALL = {
    "vocab_size": 151936,
    "hidden_size": 512,
    "num_hidden_layers": 8,
    "num_attention_heads": 8,
    "kv_channels": 64,
    "intermediate_size": 2816,
    "layer_norm_epsilon": 1e-6,
    "rotary_emb_base": 10000,
    "seq_length": 2048,
    "no_bias": True,
    "use_dynamic_ntk": True,
    "use_logn_attn": True,
    "visual": {
        "image_size": 224,
        "patch_size": 14,
        "width": 256,
        "layers": 8,
        "heads": 4,
        "mlp_ratio": 4.0,
        "output_dim": 512,
        "image_start_id": 151857,
    },
}
OFFICIAL = SMALL | {
    "hidden_size": 4096,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "kv_channels": 128,
    "intermediate_size": 22016,
    "visual": {
        "image_size": 448,
        "patch_size": 14,
        "width": 1664,
        "layers": 48,
        "heads": 16,
        "mlp_ratio": 4.9231,
        "output_dim": 4096,
        "image_start_id": 151857,
    },
}
RANDOM = {"small": SMALL, "qwen-vl-7b": OFFICIAL}
DEMO = "demo"
MOST = 0.9
"""Of the free memory, what the weights may take."""


def size_of(name: str) -> QwenVLConfig:
    """The sizes of a model by its name."""
    if name == DEMO:
        return QwenVLConfig.from_file(DEMO_FOLDER / "config.json")
    return QwenVLConfig.from_dict(RANDOM[name], name)


def make(name: str, device: torch.device, dtype: torch.dtype) -> QwenVL:
    """The demo checkpoint, or random weights of a size, always the same."""
    if name == DEMO:
        return load(DEMO_FOLDER, str(device), str(dtype).removeprefix("torch.")).model
    return random_model(size_of(name), 0, device=device, dtype=dtype)


def check_memory(name: str, device: torch.device, dtype: torch.dtype) -> None:
    """CheckpointError where the weights do not fit into the memory that is free."""
    config, free = size_of(name), free_memory(device)
    needed = parameters(config) * dtype.itemsize
    if needed <= MOST * free:
        return
    half = "--dtype bfloat16 or " if dtype == torch.float32 and needed / 2 <= MOST * free else ""
    question = config.visual.n_queries + 2 + 12
    once = (image_flop(config) + question * token_flop(config, question / 2)) / 1e12
    every = question * logits_flop(config) / 1e12
    raise CheckpointError(
        f"config {name}: {needed / 1e9:.1f} GB of weights, {free / 1e9:.1f} GB of memory are free; take "
        f"{half}--config small. By arithmetic a picture with its question is {once:.1f} TFLOP, and "
        f"{every:.1f} more with logits at all positions"
    )

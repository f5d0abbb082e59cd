"""Which functions torch.compile makes one kernel of: those of text.py between the matrix products.

    in half precision:   rms_norm   8 kernels become 1     place   16 become 1     gate   2 become 1

The products themselves, attention and the whole of the vision tower stay as they are: its norms and its GELU
are one kernel each already. Functions are compiled, not modules, with sizes that may change from step to
step. In float32 the results are those of the plain functions but for rounding; in half precision they are
rounded once at the end, not after every operation.

Off by default: compiling needs a C++ compiler on the CPU (triton on a GPU) and takes half a minute the first
time, and what it gains is written in benchmarks/engine/README.md.
"""

from typing import Any

import torch
from torch import Tensor

from qwen_vl.model import QwenVL
from qwen_vl.text import MLP, Attention, RMSNorm, gate, place, rms_norm

PARTS: dict[type, tuple[str, Any]] = {
    RMSNorm: ("normalise", rms_norm),
    Attention: ("place", place),
    MLP: ("gate", gate),
}
"""Module -> its attribute that holds the function, and the function."""


def compile_parts(model: QwenVL) -> str | None:
    """Lets the decoder of this model use compiled functions. Where they cannot be made, the model stays as it
    is, and the reason comes back in one line.
    """
    made = {kind: torch.compile(function, dynamic=True) for kind, (_, function) in PARTS.items()}
    try:
        _try(model, made)
    except (RuntimeError, OSError) as error:  # torch's own are RuntimeErrors; OSError: no place for its files
        return str(error).strip().partition("\n")[0]
    for module in model.modules():
        if type(module) in made:
            setattr(module, PARTS[type(module)][0], made[type(module)])
    return None


@torch.inference_mode()
def _try(model: QwenVL, made: dict[type, Any]) -> None:
    """Calls each function once: torch compiles at the first call, not before."""
    config, norm = model.config, model.transformer.ln_f

    def rows(*shape: int) -> Tensor:
        return torch.ones(2, *shape, device=model.device, dtype=model.dtype)

    made[RMSNorm](rows(config.hidden_size), norm.weight, norm.epsilon)
    made[MLP](rows(config.mlp_width), rows(config.mlp_width))
    heads = rows(config.num_attention_heads, config.kv_channels)
    made[Attention](heads, heads, model.rotation(torch.arange(2, device=model.device), 1.0))

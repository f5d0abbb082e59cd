"""The decoder's blocks (`transformer.h`): RMSNorm, attention with rotary positions, gated MLP.

Follows the published `modeling_qwen.py` (https://huggingface.co/Qwen/Qwen-VL). The blocks know neither
batches nor caches: rows come in any leading shape X ((B, T) padded, (T,) packed), their positions as a
`Rotation`, and attention as a function `Attend` that also keeps the keys and values. What lies between the
matrix products is three functions, which compiled.py may replace.

Traps: `c_attn` has a bias whatever `no_bias` says; the SiLU is on `w2`; the norm's weight is applied after
the cast back; keys are kept rotated and before the logn scale, which touches queries only.

Shapes: X leading shape, C hidden_size, H heads, D kv_channels, M mlp_width.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from qwen_vl.attention import Attend
from qwen_vl.config import QwenVLConfig
from qwen_vl.rope import Rotation, rotate


def rms_norm(x_XC: Tensor, weight_C: Tensor, epsilon: float) -> Tensor:
    """Each row over its root mean square, in float32; cast back, times weight."""
    x32_XC = x_XC.float()
    scale = torch.rsqrt(x32_XC.pow(2).mean(-1, keepdim=True) + epsilon)
    return (x32_XC * scale).to(x_XC.dtype) * weight_C


def place(q_XHD: Tensor, k_XHD: Tensor, tables: Rotation) -> tuple[Tensor, Tensor]:
    """Queries and keys turned to their positions, and the queries scaled."""
    q_XHD, k_XHD = rotate(q_XHD, tables), rotate(k_XHD, tables)
    return q_XHD * tables.logn_X11.to(q_XHD.dtype), k_XHD


def gate(x_XM: Tensor, gate_XM: Tensor) -> Tensor:
    """The product of x and silu(gate)."""
    return x_XM * F.silu(gate_XM)


class RMSNorm(nn.Module):
    """Normalises rows by `rms_norm`."""

    normalise: Callable[[Tensor, Tensor, float], Tensor] = staticmethod(rms_norm)

    def __init__(self, dim: int, epsilon: float) -> None:
        super().__init__()
        self.epsilon = epsilon
        self.weight = nn.Parameter(torch.empty(dim))

    def forward(self, x_XC: Tensor) -> Tensor:
        """(X, C) to (X, C)."""
        return self.normalise(x_XC, self.weight, self.epsilon)


class Attention(nn.Module):
    """Projections and positions; the mixing itself is the caller's `Attend`."""

    place: Callable[[Tensor, Tensor, Rotation], tuple[Tensor, Tensor]] = staticmethod(place)

    def __init__(self, config: QwenVLConfig, layer: int) -> None:
        super().__init__()
        self.layer, self.heads = layer, config.num_attention_heads
        self.c_attn = nn.Linear(config.hidden_size, 3 * config.projection_size)
        self.c_proj = nn.Linear(config.projection_size, config.hidden_size, bias=not config.no_bias)

    def forward(self, x_XC: Tensor, tables: Rotation, attend: Attend) -> Tensor:
        """Mix rows by `attend`."""
        q_XHD, k_XHD, v_XHD = (
            part.unflatten(-1, (self.heads, -1)) for part in self.c_attn(x_XC).chunk(3, dim=-1)
        )
        q_XHD, k_XHD = self.place(q_XHD, k_XHD, tables)
        return self.c_proj(attend(self.layer, q_XHD, k_XHD, v_XHD).flatten(-2))


class MLP(nn.Module):
    """c_proj(w1(x) * silu(w2(x)))."""

    gate: Callable[[Tensor, Tensor], Tensor] = staticmethod(gate)

    def __init__(self, config: QwenVLConfig) -> None:
        super().__init__()
        bias = not config.no_bias
        self.w1 = nn.Linear(config.hidden_size, config.mlp_width, bias=bias)
        self.w2 = nn.Linear(config.hidden_size, config.mlp_width, bias=bias)
        self.c_proj = nn.Linear(config.mlp_width, config.hidden_size, bias=bias)

    def forward(self, x_XC: Tensor) -> Tensor:
        """Row by row."""
        return self.c_proj(self.gate(self.w1(x_XC), self.w2(x_XC)))


class Block(nn.Module):
    """A pre-norm decoder block."""

    def __init__(self, config: QwenVLConfig, layer: int) -> None:
        super().__init__()
        self.ln_1 = RMSNorm(config.hidden_size, config.layer_norm_epsilon)
        self.attn = Attention(config, layer)
        self.ln_2 = RMSNorm(config.hidden_size, config.layer_norm_epsilon)
        self.mlp = MLP(config)

    def forward(self, x_XC: Tensor, tables: Rotation, attend: Attend) -> Tensor:
        """(X, C) to (X, C)."""
        x_XC = x_XC + self.attn(self.ln_1(x_XC), tables, attend)
        return x_XC + self.mlp(self.ln_2(x_XC))

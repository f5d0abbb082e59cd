"""The resampler (`transformer.visual.attn_pool`): learned queries read the patches by one cross-attention.

Follows the published `visual.py` (https://huggingface.co/Qwen/Qwen-VL). Queries and keys carry 2-D sin-cos
positions (MAE, https://arxiv.org/abs/2111.06377), values do not. No residual and no MLP. The table is a
stored tensor; its first half encodes the COLUMN and the second half the ROW, though the published names say
the opposite.

Shapes: N images, P patches, W tower width, Q n_queries, E output_dim, H heads, D = 128, G grid side.
"""

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from qwen_vl.attention import attend_fused
from qwen_vl.config import VisionConfig

EPSILON = 1e-6  # of every LayerNorm in the tower and here


def resized_positions(table_QE: Tensor, grid: int) -> Tensor:
    """Position rows of a square grid, resized to (grid * grid, E): bicubic, in float32."""
    side = math.isqrt(table_QE.shape[0])
    assert side * side == table_QE.shape[0], table_QE.shape
    if side == grid:
        return table_QE
    table_1EGG = table_QE.float().reshape(1, side, side, -1).permute(0, 3, 1, 2)
    resized = F.interpolate(table_1EGG, size=(grid, grid), mode="bicubic", align_corners=False)
    return resized.permute(0, 2, 3, 1).flatten(0, 2).to(table_QE.dtype)


def sincos_positions(side: int, dim: int) -> Tensor:
    """The 2-D table of a fresh model, float32 (side * side, dim): sin, cos of the column, then of the row."""
    assert dim % 4 == 0, dim
    omega = 1.0 / 10000 ** (np.arange(dim // 4, dtype=np.float32) / np.float32(dim / 4))
    rows_GG, columns_GG = np.mgrid[:side, :side].astype(np.float32)
    angles = [place.reshape(-1, 1) * omega for place in (columns_GG, rows_GG)]
    return torch.from_numpy(np.concatenate([f(angle) for angle in angles for f in (np.sin, np.cos)], axis=1))


class CrossAttention(nn.Module):
    """Multi-head attention under the parameter names of torch's nn.MultiheadAttention: q, k, v stacked."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.in_proj_weight = nn.Parameter(torch.empty(3 * dim, dim))
        self.in_proj_bias = nn.Parameter(torch.empty(3 * dim))
        self.out_proj = nn.Linear(dim, dim)

    def forward(self, q_1QE: Tensor, k_NPE: Tensor, v_NPE: Tensor) -> Tensor:
        """Queries (1, Q, E), the same for every image, read keys and values (N, P, E)."""
        weights, biases = self.in_proj_weight.chunk(3), self.in_proj_bias.chunk(3)
        q_1QHD, k_NPHD, v_NPHD = (
            F.linear(x, weight, bias).unflatten(-1, (self.heads, -1))
            for x, weight, bias in zip((q_1QE, k_NPE, v_NPE), weights, biases, strict=True)
        )
        q_NQHD = q_1QHD.expand(k_NPHD.shape[0], -1, -1, -1)
        return self.out_proj(attend_fused(q_NQHD, k_NPHD, v_NPHD).flatten(-2))


class Resampler(nn.Module):
    """Patches (N, P, W) to features (N, Q, E)."""

    def __init__(self, config: VisionConfig) -> None:
        super().__init__()
        dim = config.output_dim
        self.grid = config.grid
        self.pos_embed = nn.Parameter(torch.empty(config.n_queries, dim), requires_grad=False)
        self.query = nn.Parameter(torch.empty(config.n_queries, dim))
        same = config.width == dim
        self.kv_proj = nn.Identity() if same else nn.Linear(config.width, dim, bias=False)
        self.attn = CrossAttention(dim, config.resampler_heads)
        self.ln_q = nn.LayerNorm(dim, eps=EPSILON)
        self.ln_kv = nn.LayerNorm(dim, eps=EPSILON)

    def forward(self, x_NPW: Tensor) -> Tensor:
        """Read the patches of each image."""
        v_NPE = self.ln_kv(self.kv_proj(x_NPW))
        k_NPE = v_NPE + resized_positions(self.pos_embed, self.grid)
        q_QE = self.ln_q(self.query) + self.pos_embed
        return self.attn(q_QE[None], k_NPE, v_NPE)

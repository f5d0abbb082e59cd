"""The vision tower (`transformer.visual`): a ViT (OpenCLIP's ViT-bigG, https://arxiv.org/abs/2212.07143)
whose patches a resampler turns into a fixed number of rows.

    pixels -> patches + positions -> ln_pre -> blocks -> resampler -> ln_post -> @ proj

Follows the published `visual.py` (https://huggingface.co/Qwen/Qwen-VL). Traps: there is no class token and no
norm between the last block and the resampler; the positions are stored for a 16 x 16 grid and resized to the
image's grid; `in_proj` holds q, k, v head by head ([q0 k0 v0 q1 k1 v1 ...]), not [all q, all k, all v];
`proj` is used untransposed. Deviation: a fused attention kernel without the published assertion on NaN
inputs.

Shapes: N images, S image_size, P patches, W width, H heads, D head width, Q n_queries, E output_dim.
"""

from collections import OrderedDict

import torch
from torch import Tensor, nn

from qwen_vl.attention import attend_fused
from qwen_vl.config import VisionConfig
from qwen_vl.resampler import EPSILON, Resampler, resized_positions

N_POSITIONS = 256  # a 16 x 16 grid, whatever the image size


class VisionAttention(nn.Module):
    """Self-attention over patches with q, k, v interleaved per head in one projection."""

    def __init__(self, config: VisionConfig) -> None:
        super().__init__()
        self.heads = config.heads
        self.in_proj = nn.Linear(config.width, 3 * config.width)
        self.out_proj = nn.Linear(config.width, config.width)

    def forward(self, x_NPW: Tensor) -> Tensor:
        """(N, P, W) to (N, P, W)."""
        q_NPHD, k_NPHD, v_NPHD = self.in_proj(x_NPW).unflatten(-1, (self.heads, -1)).chunk(3, dim=-1)
        return self.out_proj(attend_fused(q_NPHD, k_NPHD, v_NPHD).flatten(-2))


class VisionBlock(nn.Module):
    """A pre-norm transformer block."""

    def __init__(self, config: VisionConfig) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(config.width, eps=EPSILON)
        self.ln_2 = nn.LayerNorm(config.width, eps=EPSILON)
        self.attn = VisionAttention(config)
        layers = OrderedDict[str, nn.Module]()
        layers["c_fc"] = nn.Linear(config.width, config.mlp_width)
        layers["gelu"] = nn.GELU()  # the exact one, with erf
        layers["c_proj"] = nn.Linear(config.mlp_width, config.width)
        self.mlp = nn.Sequential(layers)

    def forward(self, x_NPW: Tensor) -> Tensor:
        """(N, P, W) to (N, P, W)."""
        x_NPW = x_NPW + self.attn(self.ln_1(x_NPW))
        return x_NPW + self.mlp(self.ln_2(x_NPW))


class VisionBlocks(nn.Module):
    """The stack of blocks; the checkpoint calls them visual.transformer.resblocks.N."""

    def __init__(self, config: VisionConfig) -> None:
        super().__init__()
        self.resblocks = nn.ModuleList(VisionBlock(config) for _ in range(config.layers))

    def forward(self, x_NPW: Tensor) -> Tensor:
        """(N, P, W) to (N, P, W)."""
        for block in self.resblocks:
            x_NPW = block(x_NPW)
        return x_NPW


class VisionTower(nn.Module):
    """Pixels (N, 3, S, S) to features (N, Q, E)."""

    def __init__(self, config: VisionConfig) -> None:
        super().__init__()
        patch = config.patch_size
        self.grid = config.grid
        self.conv1 = nn.Conv2d(3, config.width, kernel_size=patch, stride=patch, bias=False)
        self.positional_embedding = nn.Parameter(torch.empty(N_POSITIONS, config.width))
        self.ln_pre = nn.LayerNorm(config.width, eps=EPSILON)
        self.transformer = VisionBlocks(config)
        self.attn_pool = Resampler(config)
        self.ln_post = nn.LayerNorm(config.output_dim, eps=EPSILON)
        self.proj = nn.Parameter(torch.empty(config.output_dim, config.output_dim))

    def forward(self, pixels_N3SS: Tensor) -> Tensor:
        """Encode normalised pixels, cast to the weights' dtype first."""
        pixels_N3SS = pixels_N3SS.to(self.conv1.weight.dtype)
        x_NPW = self.conv1(pixels_N3SS).flatten(2).transpose(1, 2)
        x_NPW = self.ln_pre(x_NPW + resized_positions(self.positional_embedding, self.grid))
        return self.ln_post(self.attn_pool(self.transformer(x_NPW))) @ self.proj

"""Where a token stands: rotary angles, their stretch beyond the trained length, and the logn scale of
queries.

Rotary embedding (RoFormer, https://arxiv.org/abs/2104.09864) in NeoX halves, and Qwen's two ways to read more
than `seq_length` tokens without training on them:

- dynamic NTK: the base of the angles grows with the length n of the prompt,
      alpha = 2 ** ceil(log2(n / seq_length) + 1) - 1     n <= S: 1   <= 2S: 3   <= 4S: 7   <= 8S: 15
  One alpha holds for a whole prompt and for everything generated after it from the cache.
- logn: the query at position p is scaled by log(p + 1) / log(seq_length) where p + 1 > seq_length.

Kept from the published code (https://huggingface.co/Qwen/Qwen-VL, `modeling_qwen.py`): alpha is not raised
while decoding, so an answer that crosses seq_length differs between cached and uncached generation.
Deviation: the published logn table ends at 32767 positions, this one is computed and has no end.

Shapes: X any leading shape of positions, D kv_channels, F = D / 2 frequencies.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor


class Rotation(NamedTuple):
    """What the decoder needs to know of the positions of its rows; float32, broadcast over heads."""

    cos_X1D: Tensor
    sin_X1D: Tensor
    logn_X11: Tensor


def ntk_alpha(length: int, seq_length: int) -> float:
    """The stretch for a prompt of this length: 1 up to seq_length, then 3, 7, 15, ..."""
    assert length > 0, length
    return float(max(2 ** math.ceil(math.log2(length / seq_length) + 1) - 1, 1))


def inverse_frequencies(dim: int, base: float, alpha: float, device: torch.device | None = None) -> Tensor:
    """The angle per position of each pair of channels, float32 (F,)."""
    stretched = base * alpha ** (dim / (dim - 2))
    exponents_F = torch.arange(0, dim, 2, device=device).float() / dim
    return 1.0 / (stretched**exponents_F)


def logn_scale(positions_X: Tensor, seq_length: int) -> Tensor:
    """The factor of each query, float32 (X,): 1 inside the trained length."""
    ratio_X = torch.log(positions_X.double() + 1) / math.log(seq_length)
    return torch.where(positions_X >= seq_length, ratio_X, 1.0).float()


def rotation(positions_X: Tensor, inverse_XF: Tensor, logn_seq_length: int | None) -> Rotation:
    """Tables for rows at these positions.

    inverse_XF: (F,) for all rows, or (X, F) where rows belong to sequences of different alpha.
    logn_seq_length: the trained length, or None for a model without logn.
    """
    angles_XF = positions_X.to(torch.float32)[..., None] * inverse_XF
    angles_X1D = torch.cat((angles_XF, angles_XF), dim=-1)[..., None, :]
    if logn_seq_length is None:
        logn_X = torch.ones_like(positions_X, dtype=torch.float32)
    else:
        logn_X = logn_scale(positions_X, logn_seq_length)
    return Rotation(angles_X1D.cos(), angles_X1D.sin(), logn_X[..., None, None])


def rotate(heads_XHD: Tensor, tables: Rotation) -> Tensor:
    """Turn queries or keys (X, H, D) by their angles, in float32, and cast back."""
    values = heads_XHD.float()
    first, second = values.chunk(2, dim=-1)
    turned = torch.cat((-second, first), dim=-1)
    return (values * tables.cos_X1D + turned * tables.sin_X1D).to(heads_XHD.dtype)

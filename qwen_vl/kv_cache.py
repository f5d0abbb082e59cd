"""Keys and values of all layers in two stores: blocks hold prefixes, slots what follows them (rows.py).

Each store is one tensor. What lies behind the end of a prefix or a slot is left over from others or zero, and
is never given weight; a row whose numbers are not finite is wiped, since zero weight times NaN is NaN.

Shapes: L layers, N places, H heads, S tokens of a place, D head width, M moves.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from qwen_vl.config import QwenVLConfig
from qwen_vl.rows import Shape


def bytes_per_token(config: QwenVLConfig, dtype: torch.dtype) -> int:
    """What one token takes in the cache."""
    return 2 * config.num_hidden_layers * config.projection_size * dtype.itemsize


class Store:
    """N places for S tokens each, of every layer."""

    def __init__(self, config: QwenVLConfig, device: torch.device, dtype: torch.dtype, heads_first: bool):
        self._layers, self._heads = config.num_hidden_layers, config.num_attention_heads
        self._width, self._heads_first = config.kv_channels, heads_first
        self._tensor = torch.empty(0, device=device, dtype=dtype)
        self.resize(0, 0)

    def resize(self, places: int, tokens: int) -> None:
        """Makes room; what is there stays where it is, as far as it fits."""
        shape = (places, self._heads, tokens) if self._heads_first else (places, tokens, self._heads)
        if self._tensor.shape[2:-1] == shape:
            return
        old, self._tensor = self._tensor, self._tensor.new_zeros(self._layers, 2, *shape, self._width)
        if old.numel():
            common = tuple(slice(min(sizes)) for sizes in zip(old.shape, self._tensor.shape, strict=True))
            self._tensor[common] = old[common]

    def layer(self, number: int) -> tuple[Tensor, Tensor]:
        """Keys and values of a layer as (N, H, S, D), to read and to write."""
        keys, values = self._tensor[number]
        if self._heads_first:
            return keys, values
        return keys.transpose(1, 2), values.transpose(1, 2)

    def move(self, moves: Sequence[tuple[int, int]]) -> None:
        """Copies places (from, to), all at once."""
        if moves:
            sources, targets = (list(places) for places in zip(*moves, strict=True))
            self._tensor[:, :, targets] = self._tensor[:, :, sources]

    def wipe(self, places: Sequence[int]) -> None:
        """Zeros, where numbers were not finite."""
        if places:
            self._tensor[:, :, list(places)] = 0.0


class KVCache:
    """Both stores."""

    def __init__(self, config: QwenVLConfig, device: torch.device, dtype: torch.dtype, heads_first: bool):
        self.slots = Store(config, device, dtype, heads_first)
        self.blocks = Store(config, device, dtype, heads_first)

    def resize(self, shape: Shape) -> None:
        """Follows the scheduler."""
        self.slots.resize(shape.slots, shape.slot_tokens)
        self.blocks.resize(shape.blocks, shape.block_tokens)

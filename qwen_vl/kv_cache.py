"""Keys and values of all layers in two stores: blocks hold prefixes, slots what follows them (rows.py).

A store has a tensor for each layer, which grow one after another: only one layer is ever held twice. What
lies behind the end of a prefix or a slot is never given weight; but zero weight times NaN is NaN, so whoever
writes into a place zeroes the rest of it (packed.py), and new room is zero.

Shapes: N places, H heads, S tokens of a place, D head width.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from qwen_vl.budget import Shape
from qwen_vl.config import QwenVLConfig


def bytes_per_token(config: QwenVLConfig, dtype: torch.dtype) -> int:
    """What one token takes in the cache."""
    return 2 * config.num_hidden_layers * config.projection_size * dtype.itemsize


class Store:
    """N places for S tokens each, of every layer."""

    def __init__(self, config: QwenVLConfig, device: torch.device, dtype: torch.dtype, heads_first: bool):
        self._heads, self._heads_first = config.num_attention_heads, heads_first
        empty = torch.empty(2, 0, 0, 0, config.kv_channels, device=device, dtype=dtype)
        self._layers = [
            empty
        ] * config.num_hidden_layers  # keys and values: (2, N, H, S, D) or (2, N, S, H, D)

    def resize(self, places: int, tokens: int) -> None:
        """Makes room; what is there stays where it is, as far as it fits."""
        shape = (places, self._heads, tokens) if self._heads_first else (places, tokens, self._heads)
        if self._layers[0].shape[1:-1] == shape:
            return
        for number, old in enumerate(self._layers):
            new = old.new_zeros(2, *shape, old.shape[-1])
            common = tuple(slice(min(sizes)) for sizes in zip(old.shape, new.shape, strict=True))
            new[common] = old[common]
            self._layers[number] = new

    def layer(self, number: int) -> tuple[Tensor, Tensor]:
        """Keys and values of a layer as (N, H, S, D), to read and to write."""
        keys, values = self._layers[number]
        if self._heads_first:
            return keys, values
        return keys.transpose(1, 2), values.transpose(1, 2)

    def move(self, moves: Sequence[tuple[int, int]]) -> None:
        """Copies places (from, to), all at once."""
        if moves:
            sources, targets = (list(places) for places in zip(*moves, strict=True))
            for layer in self._layers:
                layer[:, targets] = layer[:, sources]


class KVCache:
    """Both stores."""

    def __init__(self, config: QwenVLConfig, device: torch.device, dtype: torch.dtype, heads_first: bool):
        self.slots = Store(config, device, dtype, heads_first)
        self.blocks = Store(config, device, dtype, heads_first)

    def resize(self, shape: Shape) -> None:
        """Follows the scheduler."""
        self.slots.resize(shape.slots, shape.slot_tokens)
        self.blocks.resize(shape.blocks, shape.block_tokens)

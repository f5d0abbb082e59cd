"""The stores: growth keeps what is there, moves happen at once, both layouts mean the same."""

import pytest
import torch

from qwen_vl.budget import Shape
from qwen_vl.config import QwenVLConfig
from qwen_vl.kv_cache import KVCache, Store, bytes_per_token


@pytest.fixture(params=[True, False])
def store(tiny_config: QwenVLConfig, request: pytest.FixtureRequest) -> Store:
    """Four places for three tokens, each holding its own number."""
    made = Store(tiny_config, torch.device("cpu"), torch.float32, heads_first=request.param)
    made.resize(4, 3)
    for layer in range(tiny_config.num_hidden_layers):
        for part, sign in zip(made.layer(layer), (1, -1), strict=True):
            for place in range(4):
                part[place] = sign * (10 * layer + place)
    return made


def held(store: Store, layer: int = 1) -> list[float]:
    keys, values = store.layer(layer)
    assert torch.equal(keys, -values)
    return [float(place.flatten()[0]) for place in keys]


def test_layers_are_views(tiny_config: QwenVLConfig, store: Store) -> None:
    """(N, H, S, D) in either layout; a copy would be written to in vain."""
    assert store.layer(0)[0].shape == (4, tiny_config.num_attention_heads, 3, tiny_config.kv_channels)
    assert held(store) == [10, 11, 12, 13]


def test_growth_and_shrinking_keep_what_fits(store: Store) -> None:
    """A cache that grows while rows are in it; new room is zero, since garbage may be NaN."""
    store.resize(6, 5)
    keys, _ = store.layer(1)
    assert keys.shape[0] == 6
    assert keys[3, :, :3].eq(13).all()
    assert keys[:, :, 3:].eq(0).all()
    assert keys[4:].eq(0).all()
    store.resize(2, 2)
    assert held(store) == [10, 11]


def test_moves_at_once(store: Store) -> None:
    """Two rows that change places in one call must not overwrite each other first."""
    store.move([(3, 0), (0, 3)])
    assert held(store) == [13, 11, 12, 10]
    store.move([])
    assert held(store) == [13, 11, 12, 10]


def test_both_stores_follow_the_scheduler(tiny_config: QwenVLConfig) -> None:
    """Slots and blocks are not mixed up."""
    cache = KVCache(tiny_config, torch.device("cpu"), torch.float32, heads_first=True)
    cache.resize(Shape(2, 8, 3, 64))
    assert cache.slots.layer(0)[0].shape[::2] == (2, 8)
    assert cache.blocks.layer(0)[0].shape[::2] == (3, 64)
    assert bytes_per_token(tiny_config, torch.float32) == 2 * 2 * 128 * 4

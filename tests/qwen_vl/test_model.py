"""The whole model: official names and shapes, recorded weights, recorded logits."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from qwen_vl.config import QwenVLConfig
from qwen_vl.generate import DenseCache, image_features, left_pad
from qwen_vl.model import QwenVL, empty_model, random_model
from tests.qwen_vl.golden import ATOL, FORWARD, FORWARD_BEYOND, Arrays, prompts


def test_official_names_and_shapes(reference: Path) -> None:
    """A name that differs makes the official checkpoint unloadable; 853 tensors, none more."""
    lines = (reference / "official_params.txt").read_text(encoding="utf-8").splitlines()
    expected = dict(line.split("\t") for line in lines if not line.startswith("#"))
    state = empty_model(QwenVLConfig.from_file(reference / "official_config.json")).state_dict()
    assert {name: str(tuple(tensor.shape)) for name, tensor in state.items()} == expected
    assert len(state) == 853
    assert sum(tensor.numel() for tensor in state.values()) == 9_656_935_168
    index = json.loads((reference / "pytorch_model.bin.index.json").read_text(encoding="utf-8"))
    assert set(index["weight_map"]) == set(state)


def test_tiny_weights_are_the_recorded_ones(reference: Path, tiny_weights: dict[str, Tensor]) -> None:
    """All other recorded numbers mean nothing if the weights differ; this also fixes the sin-cos table."""
    recorded = json.loads((reference / "tiny_params.json").read_text(encoding="utf-8"))
    assert {entry["name"] for entry in recorded} == set(tiny_weights)
    for entry in recorded:
        tensor = tiny_weights[entry["name"]]
        assert list(tensor.shape) == entry["shape"]
        assert hashlib.sha256(tensor.numpy().tobytes()).hexdigest() == entry["sha256"], entry["name"]


def forward(
    reference: Path, model: QwenVL, case: dict[str, Any], recorded: dict[str, Any]
) -> tuple[Tensor, Tensor, DenseCache]:
    """Hidden rows (B, T, C), keep (B, T) and the cache of a recorded forward pass, padded as recorded."""
    rows = prompts(reference, case, recorded)
    ids_BT, keep_BT = left_pad([row.ids for row in rows], model.device)
    features_NQC = image_features(model, [image for row in rows for image in row.images])
    cache = DenseCache(model)
    with torch.inference_mode():
        return cache.advance(ids_BT, features_NQC, keep_BT), keep_BT, cache


@pytest.mark.parametrize("name", FORWARD + FORWARD_BEYOND)
def test_recorded_logits(
    reference: Path, tiny: Callable[[str], QwenVL], cases: dict[str, Any], arrays: Arrays, name: str
) -> None:
    """Logits of the last row, and the best id and the normaliser of every row, within and beyond
    seq_length.
    """
    case, recorded = cases[name], arrays(name)
    model = tiny(case["config"])
    hidden_BTC, keep_BT, cache = forward(reference, model, case, recorded)
    assert cache.alpha == case["ntk_alpha"]
    if "final_hidden" in recorded:
        np.testing.assert_allclose(hidden_BTC, recorded["final_hidden"], rtol=0, atol=ATOL)
    for row, keep_T in enumerate(keep_BT):
        with torch.inference_mode():
            logits_TV = model.lm_head(hidden_BTC[row, keep_T])
        np.testing.assert_allclose(logits_TV[-1], recorded["logits_last"][row], rtol=0, atol=ATOL)
        sums = recorded["logsumexp"][row][keep_T.numpy()]
        np.testing.assert_allclose(logits_TV.logsumexp(dim=-1), sums, rtol=0, atol=ATOL)
        assert logits_TV.argmax(dim=-1).tolist() == recorded["argmax"][row][keep_T.numpy()].tolist()


def test_recorded_layers_and_cache(
    reference: Path, tiny: Callable[[str], QwenVL], cases: dict[str, Any], arrays: Arrays
) -> None:
    """The input of every layer, and what the cache holds: keys rotated and without the logn scale."""
    recorded, model = arrays("a_forward_img"), tiny("s112")
    inputs: list[Tensor] = []
    hooks = [
        block.register_forward_pre_hook(lambda module, arguments: inputs.append(arguments[0]))
        for block in model.transformer.h
    ]
    cache = forward(reference, model, cases["a_forward_img"], recorded)[2]
    for hook in hooks:
        hook.remove()
    for layer, hidden_BTC in enumerate(inputs):
        np.testing.assert_allclose(hidden_BTC, recorded[f"hidden_{layer}"], rtol=0, atol=ATOL)
    np.testing.assert_allclose(cache.keys_BSHD[0], recorded["k0"], rtol=0, atol=ATOL)
    np.testing.assert_allclose(cache.values_BSHD[0], recorded["v0"], rtol=0, atol=ATOL)


def test_bfloat16(
    reference: Path, tiny: Callable[[str], QwenVL], cases: dict[str, Any], arrays: Arrays
) -> None:
    """In half precision only closeness can be asked: norms in float32, everything else in the weights'
    dtype.
    """
    case, recorded = cases["g_bf16_forward_img"], arrays("g_bf16_forward_img")
    model = empty_model(tiny("s112").config)
    state = {name: tensor.to(torch.bfloat16) for name, tensor in tiny("s112").state_dict().items()}
    model.load_state_dict(state, assign=True)
    hidden_BTC = forward(reference, model, case, recorded)[0]
    with torch.inference_mode():
        logits_V = model.lm_head(hidden_BTC[0, -1])
    assert logits_V.dtype == torch.bfloat16
    np.testing.assert_allclose(logits_V.float(), recorded["logits_last"][0], rtol=0, atol=0.15)


def test_image_counts_are_checked(tiny_config: QwenVLConfig) -> None:
    """Features assigned to the wrong image answer the wrong question, in silence."""
    model = random_model(tiny_config, seed=0)
    start, rows = tiny_config.visual.image_start_id, tiny_config.visual.n_queries
    image = [start, *[start + 2] * rows, start + 1]
    features = torch.ones(1, rows, 128)
    with pytest.raises(AssertionError, match="2 <img> in the ids, features of 1 images"):
        model.embed(torch.tensor([image + image]), features)
    with pytest.raises(AssertionError, match=r"no </img> 10 rows after <img> at \[1\]"):
        model.embed(torch.tensor([[5, *image[:-1]]]), features)
    with pytest.raises(AssertionError, match="no </img>"):  # a span must not run on into the next row
        model.embed(torch.tensor([[5, 5, *image[:6]], [*image[6:], 5, 5, 5]]), features)


def test_features_go_to_their_images(tiny_config: QwenVLConfig) -> None:
    """Two images, two rows, packed or not: each gets its own features in order of appearance."""
    model = random_model(tiny_config, seed=0)
    start, rows = tiny_config.visual.image_start_id, tiny_config.visual.n_queries
    image = [start, *[start + 2] * rows, start + 1]
    ids = torch.tensor([[7, *image, 8], [*image, 9, 9]])
    features = torch.arange(2.0)[:, None, None].expand(2, rows, 128) + 1
    embedded = model.embed(ids, features)
    plain = model.embed(ids)
    assert torch.equal(embedded[0, 2 : 2 + rows], features[0])
    assert torch.equal(embedded[1, 1 : 1 + rows], features[1])
    inside = ids == start + 2
    assert torch.equal(embedded[~inside], plain[~inside])
    assert torch.equal(model.embed(ids.flatten(), features), embedded.flatten(0, 1))


def test_random_model_is_a_function_of_its_seed(tiny_config: QwenVLConfig) -> None:
    """A global generator would make the demo checkpoint depend on what ran before."""
    torch.manual_seed(1)
    first = random_model(tiny_config, seed=3).state_dict()
    torch.manual_seed(2)
    second, other = (random_model(tiny_config, seed=seed).state_dict() for seed in (3, 4))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["lm_head.weight"], other["lm_head.weight"])
    assert float(first["transformer.visual.ln_post.weight"].min()) == 1.0
    assert float(first["transformer.h.0.attn.c_attn.bias"].abs().max()) == 0.0

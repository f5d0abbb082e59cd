"""The vision tower against the recorded intermediates and features."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from qwen_vl.model import QwenVL
from qwen_vl.resampler import resized_positions
from tests.qwen_vl.golden import ATOL, Arrays, pixels


def test_features(reference: Path, tiny: Callable[[str], QwenVL], arrays: Arrays) -> None:
    """Every kind of image file, one by one and all in one batch."""
    recorded = arrays("vision_s112")
    names = [key[5:] for key in recorded if key.startswith("feat_")]
    assert len(names) == 9
    model = tiny("s112")
    batch = torch.stack([pixels(reference / "images" / name, 112) for name in names])
    with torch.inference_mode():
        together = model.encode_images(batch)
        for row, name in enumerate(names):
            expected = recorded[f"feat_{name}"]
            np.testing.assert_allclose(model.encode_images(batch[row][None])[0], expected, rtol=0, atol=ATOL)
            np.testing.assert_allclose(together[row], expected, rtol=0, atol=ATOL)


def test_intermediates(reference: Path, tiny: Callable[[str], QwenVL], arrays: Arrays) -> None:
    """Where the tower goes wrong, if it does: a wrong q, k, v layout shows first in block0."""
    recorded, visual = arrays("vision_s112"), tiny("s112").transformer.visual
    seen: dict[str, Tensor] = {}

    def keep(name: str) -> Callable[[nn.Module, object, Tensor], None]:
        return lambda module, inputs, output: seen.update({name: output})

    places = {
        "conv1": visual.conv1,
        "ln_pre": visual.ln_pre,
        "attn_pool": visual.attn_pool,
        "ln_post": visual.ln_post,
    }
    places |= {f"block{i}": block for i, block in enumerate(visual.transformer.resblocks)}
    hooks = [module.register_forward_hook(keep(name)) for name, module in places.items()]
    with torch.inference_mode():
        visual(pixels(reference / "images" / "a.png", 112)[None])
    for hook in hooks:
        hook.remove()
    for name in places:
        np.testing.assert_allclose(seen[name], recorded[f"inter_{name}"], rtol=0, atol=ATOL, err_msg=name)


def test_resized_positions(tiny: Callable[[str], QwenVL], arrays: Arrays) -> None:
    """Positions of a 16 x 16 grid resized to 8 x 8; antialiasing or aligned corners would move them."""
    recorded, visual = arrays("vision_s112"), tiny("s112").transformer.visual
    for key, table in {"abs": visual.positional_embedding, "resampler": visual.attn_pool.pos_embed}.items():
        np.testing.assert_allclose(
            resized_positions(table, 8), recorded[f"{key}_pos_interp"], rtol=0, atol=1e-6
        )


def test_larger_images(reference: Path, tiny: Callable[[str], QwenVL]) -> None:
    """The official image size: positions are enlarged, the number of rows stays."""
    with torch.inference_mode():
        features = tiny("s448").encode_images(pixels(reference / "images" / "a.png", 448)[None])
    assert features.shape == (1, 256, 256)
    assert bool(features.isfinite().all())

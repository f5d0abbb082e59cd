"""Positions: the stretch beyond the trained length and the scale of queries."""

import math

import pytest
import torch

from qwen_vl.rope import inverse_frequencies, logn_scale, ntk_alpha, rotate, rotation


@pytest.mark.parametrize(
    ("length", "alpha"),
    [(1, 1), (127, 1), (128, 1), (129, 3), (256, 3), (257, 7), (512, 7), (513, 15), (1025, 31)],
)
def test_ntk_alpha(length: int, alpha: int) -> None:
    """Off by one at a power of two changes every angle of the prompt."""
    assert ntk_alpha(length, 128) == alpha


def test_logn_scale_beyond_the_published_table() -> None:
    """The published table ends at 32767 positions; ours goes on, and is 1 exactly inside the trained
    length.
    """
    scale = logn_scale(torch.tensor([0, 2046, 2047, 2048, 40_000, 100_000]), 2048)
    expected = [1, 1, 1, math.log(2049, 2048), math.log(40_001, 2048), math.log(100_001, 2048)]
    torch.testing.assert_close(scale, torch.tensor(expected), rtol=0, atol=1e-6)
    assert scale[:3].tolist() == [1, 1, 1]


def test_rotation_depends_on_distance_only() -> None:
    """The property that makes left padding harmless within the trained length."""
    inverse = inverse_frequencies(16, 10_000.0, 1.0)
    q, k = torch.randn(2, 1, 16, generator=torch.Generator().manual_seed(0))

    def score(i: int, j: int) -> float:
        turned = [rotate(x[None], rotation(torch.tensor([p]), inverse, None)) for x, p in ((q, i), (k, j))]
        return float((turned[0] * turned[1]).sum())

    assert score(7, 3) == pytest.approx(score(107, 103), abs=1e-4)
    assert score(7, 3) != pytest.approx(score(8, 3), abs=1e-4)


def test_rows_of_several_prompts() -> None:
    """Packed rows carry one stretch each; the tables must equal those of each prompt alone."""
    inverse = torch.stack([inverse_frequencies(16, 10_000.0, alpha) for alpha in (1.0, 3.0)])
    positions = torch.tensor([5, 200])
    packed = rotation(positions, inverse, 128)
    for row in range(2):
        alone = rotation(positions[row : row + 1], inverse[row], 128)
        for ours, theirs in zip(packed, alone, strict=True):
            assert torch.equal(ours[row : row + 1], theirs)

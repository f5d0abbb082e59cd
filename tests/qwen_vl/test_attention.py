"""Masks and kernels of attention."""

import torch

from qwen_vl.attention import attend_dense, attend_fused, dense_mask

MIN = torch.finfo(torch.float32).min


def test_mask_drawn_in_the_docstring() -> None:
    """Causal and padding masks are summed; a clamp or a maximum would change padded batches beyond repair."""
    keep = torch.tensor([[False, False, True, True, True]])
    inf = -torch.inf
    expected = [
        [MIN, inf, MIN, MIN, MIN],
        [MIN, MIN, MIN, MIN, MIN],
        [MIN, MIN, 0, MIN, MIN],
        [MIN, MIN, 0, 0, MIN],
        [MIN, MIN, 0, 0, 0],
    ]
    assert dense_mask(5, keep, torch.float32)[0, 0].tolist() == expected
    decoding = torch.cat((keep, torch.tensor([[True]])), dim=1)
    assert dense_mask(1, decoding, torch.float32)[0, 0].tolist() == [[MIN, MIN, 0, 0, 0, 0]]


def test_dense_equals_fused() -> None:
    """The vision tower's kernel and the decoder's reference are the same mathematics."""
    q, k, v = torch.randn(3, 2, 6, 4, 8, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(attend_dense(q, k, v, None), attend_fused(q, k, v), rtol=0, atol=1e-6)


def test_no_weight_on_padding_or_future() -> None:
    """What a masked position holds must not change any other row, be it huge."""
    q, k, v = torch.randn(3, 1, 5, 2, 8, generator=torch.Generator().manual_seed(1))
    keep = torch.tensor([[False, True, True, True, True]])
    mask = dense_mask(5, keep, torch.float32)
    before = attend_dense(q, k, v, mask)
    k[:, [0, 4]], v[:, [0, 4]] = 1e4, 1e6
    assert torch.equal(before[:, 1:4], attend_dense(q, k, v, mask)[:, 1:4])

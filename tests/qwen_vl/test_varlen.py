"""The CUDA kernel's offsets, checked on the CPU with a plain form of torch's varlen attention.

torch has no such kernel for the CPU, so it is replaced by what its documentation says it computes.
"""

from typing import Any

import pytest
import torch
from torch import Tensor

from qwen_vl.config import QwenVLConfig
from qwen_vl.model import QwenVL, random_model
from qwen_vl.varlen import VarlenKernel, is_usable
from tests.qwen_vl.test_engine import ask, assert_same, mixture, oracle


def plain_varlen(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    cu_seq_q: Tensor,
    cu_seq_k: Tensor,
    max_q: int,
    max_k: int,
    *,
    return_aux: Any = None,
    window_size: tuple[int, int] = (-1, -1),
    seqused_k: Tensor | None = None,
) -> Any:
    """`varlen_attn` as documented: ragged rows, causal aligned to the last key, log-sum-exp (T, H)."""
    assert cu_seq_q.dtype == cu_seq_k.dtype == torch.int32
    assert len(cu_seq_q) == len(cu_seq_k)
    assert int(cu_seq_q[-1]) == len(query)
    mixed, lse = torch.zeros_like(query), torch.zeros(query.shape[:2])
    for row in range(len(cu_seq_q) - 1):
        queries = slice(int(cu_seq_q[row]), int(cu_seq_q[row + 1]))
        used = int(cu_seq_k[row + 1] - cu_seq_k[row]) if seqused_k is None else int(seqused_k[row])
        count = queries.stop - queries.start
        assert count <= max_q
        assert used <= max_k or not count
        keys = slice(int(cu_seq_k[row]), int(cu_seq_k[row]) + used)
        scores = torch.einsum("thd,shd->hts", query[queries], key[keys]) / query.shape[-1] ** 0.5
        if window_size == (-1, 0):
            scores += torch.full((count, used), -torch.inf).triu(used - count + 1)
        else:
            assert window_size == (-1, -1)
        mixed[queries] = torch.einsum("hts,shd->thd", scores.softmax(-1), value[keys])
        lse[queries] = scores.logsumexp(-1).T
    return (mixed, lse) if return_aux is not None else mixed


@pytest.fixture(scope="module")
def small(tiny_config: QwenVLConfig) -> QwenVL:
    return random_model(tiny_config, seed=5, std=0.2)


@pytest.mark.parametrize("slots", [1, 7, 64])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_same_answers(small: QwenVL, seed: int, slots: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """An offset of the wrong store or row reads a neighbour's keys."""
    monkeypatch.setattr("torch.nn.attention.varlen.varlen_attn", plain_varlen)
    queries = mixture(small.config, seed)
    found = ask(small, queries, slots=slots, step_tokens=60, kernel=VarlenKernel())
    assert_same(found, [oracle(small, query) for query in queries], tolerance=2e-5)


def test_a_kernel_that_does_not_work_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another torch may lack an option of it, or compute something else: found out on a few rows, in time."""
    arguments = (torch.device("cpu"), torch.float32, 2, 16)
    monkeypatch.setattr("torch.nn.attention.varlen.varlen_attn", plain_varlen)
    assert is_usable(*arguments)

    def missing(*_: Any, **__: Any) -> Any:
        raise RuntimeError("seqused_k is not supported")

    def in_base_two(*rest: Any, **options: Any) -> Any:
        mixed, lse = plain_varlen(*rest, **options)
        return mixed, lse / torch.log(torch.tensor(2.0))

    for broken in (missing, in_base_two):
        monkeypatch.setattr("torch.nn.attention.varlen.varlen_attn", broken)
        assert not is_usable(*arguments)

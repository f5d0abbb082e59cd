"""The CUDA kernel's offsets, checked on the CPU with a plain form of torch's varlen attention.

torch has no such kernel for the CPU, so it is replaced by what its documentation says it computes, with the
log-sum-exp as documented, (T, H), or as torch 2.13 returns it, (H, T).
"""

import operator
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from qwen_vl.attention import Readers, pick_kernel
from qwen_vl.config import QwenVLConfig
from qwen_vl.forked import DenseKernel
from qwen_vl.model import QwenVL, random_model
from qwen_vl.queries import Query
from qwen_vl.varlen import VarlenKernel, is_heads_first, usable_kernel
from tests.qwen_vl.test_engine import ask, assert_same, mixture, oracle, span


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


def heads_first(*rest: Any, **options: Any) -> Any:
    """The log-sum-exp as (H, T)."""
    mixed, lse = plain_varlen(*rest, **options)
    return mixed, lse.T


@pytest.fixture(scope="module")
def small(tiny_config: QwenVLConfig) -> QwenVL:
    return random_model(tiny_config, seed=5, std=0.2)


@pytest.mark.parametrize("slots", [1, 7, 64])
@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("varlen", [plain_varlen, heads_first])
def test_the_same_answers(
    small: QwenVL, varlen: Callable[..., Any], seed: int, slots: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An offset of the wrong store or row reads a neighbour's keys; with as many rows as heads (4) the
    log-sum-exp in the other order has the right shape and the wrong numbers. It is for half precision, so in
    float32 twice the usual difference will do.
    """

    def attend(*rest: Any, **options: Any) -> Any:
        if options.get("return_aux") is None:
            return plain_varlen(*rest, **options)
        return varlen(*rest, **options)

    monkeypatch.setattr("torch.nn.attention.varlen.varlen_attn", attend)
    kernel = usable_kernel(small.device, small.dtype, 4, 32)
    queries = mixture(small.config, seed)
    found = ask(small, queries, slots=slots, step_tokens=60, kernel=kernel)
    assert_same(found, [oracle(small, query) for query in queries], tolerance=2e-5)


def test_offsets_are_made_once_a_pass(small: QwenVL, monkeypatch: pytest.MonkeyPatch) -> None:
    """Made in every layer, they were moved to the GPU in every layer, and each time it was waited for."""
    offsets: list[Tensor] = []

    def attend(*rest: Any, **options: Any) -> Any:
        offsets.append(rest[3])
        return plain_varlen(*rest, **options)

    kernel = VarlenKernel(lse_heads_first=False)
    monkeypatch.setattr("torch.nn.attention.varlen.varlen_attn", attend)
    ask(small, [Query(0, (*span(small.config), 1, 2), (1,))], kernel=kernel)
    prefix, own, shared = offsets[:3]
    layers = small.config.num_hidden_layers
    assert len(offsets) == 3 * layers
    assert all(map(operator.is_, offsets, [prefix, own, shared] * layers))


def test_the_shapes_of_this_torch() -> None:
    """Its documentation has the log-sum-exp the other way round, so the kernel failed on every GPU and was
    never chosen. Shapes alone, as torch has them for its kernel on any device.
    """
    device = torch.device("cpu")
    with FakeTensorMode():
        kernel = VarlenKernel(is_heads_first(torch.empty(5, 4, 16, dtype=torch.bfloat16, device=device)))
        rows = torch.empty(3, 4, 16, dtype=torch.bfloat16, device=device)
        store = torch.empty(3, 64, 4, 16, dtype=torch.bfloat16, device=device).transpose(1, 2)
        plan = kernel.prepare(Readers([1, 1, 1], [2, 0, 2], [9, 7, 9], [40, 1, 64]), device)
        assert kernel.forked(rows, (store, store), (store, store), plan).shape == rows.shape


def test_a_kernel_that_does_not_work_is_not_used(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Another torch may lack an option of it, or compute something else: found out on a few rows, in time,
    and said.
    """
    arguments = (torch.device("cpu"), torch.float32, 2, 16)
    monkeypatch.setattr("torch.nn.attention.varlen.varlen_attn", plain_varlen)
    assert isinstance(usable_kernel(*arguments), VarlenKernel)

    def missing(*_: Any, **__: Any) -> Any:
        raise RuntimeError("seqused_k is not supported")

    def in_base_two(*rest: Any, **options: Any) -> Any:
        mixed, lse = plain_varlen(*rest, **options)
        return mixed, lse / torch.log(torch.tensor(2.0))

    for broken, said in ((missing, "not supported"), (in_base_two, "off by")):
        monkeypatch.setattr("torch.nn.attention.varlen.varlen_attn", broken)
        with pytest.raises(RuntimeError, match=said):
            usable_kernel(*arguments)

    def refused(*_: Any) -> Any:
        raise RuntimeError("no kernel image")

    monkeypatch.setattr("qwen_vl.varlen.usable_kernel", refused)
    assert isinstance(pick_kernel(torch.device("cuda"), torch.bfloat16, 2, 16), DenseKernel)
    assert "no kernel image" in caplog.text

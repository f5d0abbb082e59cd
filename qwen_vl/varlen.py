"""Attention of rows that share prefixes by torch's varlen kernel, for CUDA in half precision.

The cache is read where it lies: a store is one packed sequence of places of equal length, `seqused_k` says
how much of each counts. A query's two parts, prefix and own keys, are merged by their log-sum-exp:

    out = (out_1 e^lse_1 + out_2 e^lse_2) / (e^lse_1 + e^lse_2)

Options of several tokens need a mask the kernel does not have; such passes go to the dense kernel.

torch documents the log-sum-exp as (T, H) and (2.13) returns (H, T): which it is, is seen on a few rows.

Shapes: T queries, H heads, D head width, N places of a store, S tokens of a place.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.attention import varlen

from qwen_vl.attention import KeysValues, Readers
from qwen_vl.forked import DenseKernel, DensePlan

CAUSAL = (-1, 0)
"""The window of the kernel: all keys before; the last query sees the last key."""
ALL = (-1, -1)
TOLERANCE = 0.05  # of mixed standard normal values in half precision


def usable_kernel(device: torch.device, dtype: torch.dtype, heads: int, width: int) -> "VarlenKernel":
    """The kernel, tried on a few rows: RuntimeError or TypeError where this torch, on this device, does not
    have it or does not compute what the dense kernel does.
    """
    generator = torch.Generator(device).manual_seed(0)

    def numbers(*shape: int) -> Tensor:
        return torch.randn(*shape, heads, width, generator=generator, device=device).to(dtype)

    dense, kernel = DenseKernel(), VarlenKernel(is_heads_first(numbers(heads + 1)))
    blocks, slots = ((numbers(3, 64).transpose(1, 2), numbers(3, 64).transpose(1, 2)) for _ in range(2))
    new = Readers([3, 2, 4], [-1, 0, 2], [0, 60, 9], [3, 2, 4], [[], [], []])
    going_on = Readers([1, 1, 1], [2, -1, 2], [9, 0, 9], [40, 1, 64])
    for readers, own in ((new, (numbers(9), numbers(9))), (going_on, slots)):
        queries = numbers(sum(readers.queries))
        expected = dense.forked(queries, blocks, own, dense.prepare(readers, device))
        found = kernel.forked(queries, blocks, own, kernel.prepare(readers, device))
        if not torch.allclose(found.float(), expected.float(), atol=TOLERANCE):
            raise RuntimeError(f"it is off by {float((found.float() - expected.float()).abs().max()):.2g}")
    return kernel


def is_heads_first(rows_THD: Tensor) -> bool:
    """Whether the kernel returns log-sum-exps as (H, T), not (T, H); T and H must differ."""
    n_rows, n_heads, _ = rows_THD.shape
    assert n_rows != n_heads, n_rows
    offsets = _offsets([n_rows], rows_THD.device)
    _, lse = _attend(rows_THD, rows_THD, rows_THD, offsets, offsets, n_rows, n_rows, offsets[1:])
    return lse.shape == (n_heads, n_rows)


class CausalPlan(NamedTuple):
    """Offsets of rows, int32, and the length of the longest."""

    offsets: Tensor
    longest: int


class VarlenPlan(NamedTuple):
    """Offsets, int32. Queries are sorted by block by `order_T`."""

    order_T: Tensor
    back_T: Tensor
    shared_offsets: Tensor | None  # of the queries of blocks 0 .. n - 1; None without any prefix
    shared_used: Tensor
    most_shared: int  # queries of one block
    longest: int  # prefix
    own_offsets: Tensor
    own_used: Tensor
    most_own: int  # queries of one row
    longest_own: int
    first_shared: int  # sorted queries before this have no prefix


class VarlenKernel:
    """Flash attention over ragged rows."""

    heads_first = False

    def __init__(self, lse_heads_first: bool) -> None:
        """lse_heads_first: the log-sum-exp comes as (H, T), not (T, H)."""
        self._dense, self._lse_heads_first = DenseKernel(), lse_heads_first

    def prepare_causal(self, lengths: Sequence[int], device: torch.device) -> CausalPlan:
        """Offsets, made once: to move them to the device is to wait for it."""
        return CausalPlan(_offsets(lengths, device), max(lengths))

    def causal(self, q_THD: Tensor, k_THD: Tensor, v_THD: Tensor, plan: CausalPlan) -> Tensor:
        """Packed rows, each seeing itself."""
        offsets, longest = plan
        mixed = varlen.varlen_attn(
            q_THD, k_THD, v_THD, offsets, offsets, longest, longest, window_size=CAUSAL
        )
        assert isinstance(mixed, Tensor)
        return mixed

    def prepare(self, readers: Readers, device: torch.device) -> VarlenPlan | DensePlan:
        """Offsets of both parts; masks where options have several tokens."""
        if any(tails and max(tails) > 0 for tails in readers.tails):
            return self._dense.prepare(readers, device)
        queries, blocks = np.array(readers.queries), np.repeat(readers.blocks, readers.queries)
        order = np.argsort(blocks, kind="stable")
        n_blocks = max(readers.blocks) + 1
        used = np.zeros(max(n_blocks, 0), dtype=np.int32)
        for block, length in zip(readers.blocks, readers.prefixes, strict=True):
            if length:
                used[block] = length
        per_block = np.bincount(blocks[blocks >= 0], minlength=n_blocks)
        return VarlenPlan(
            order_T=torch.from_numpy(order).to(device),
            back_T=torch.from_numpy(np.argsort(order)).to(device),
            shared_offsets=_offsets(per_block, device) if n_blocks > 0 else None,
            shared_used=torch.from_numpy(used).to(device),
            most_shared=int(per_block.max(initial=0)),
            longest=max(readers.prefixes),
            own_offsets=_offsets(queries, device),
            own_used=torch.tensor(readers.own, dtype=torch.int32, device=device),
            most_own=int(queries.max()),
            longest_own=max(readers.own),
            first_shared=int((blocks < 0).sum()),
        )

    def forked(
        self, q_THD: Tensor, blocks: KeysValues, own: KeysValues, plan: VarlenPlan | DensePlan
    ) -> Tensor:
        """Both parts by the kernel, merged."""
        if isinstance(plan, DensePlan):
            return self._dense.forked(q_THD, blocks, own, plan)
        if own[0].ndim == 3:
            keys, values, offsets = *own, plan.own_offsets
        else:
            n_rows = len(plan.own_used)
            (keys, values), offsets = _packed(own, n_rows), _steps(own, n_rows)
        mixed, weight = _attend(
            q_THD, keys, values, plan.own_offsets, offsets, plan.most_own, plan.longest_own, plan.own_used
        )
        if plan.shared_offsets is None:
            return mixed
        n_blocks = len(plan.shared_used)
        shared, shared_weight = _attend(
            q_THD[plan.order_T][plan.first_shared :],
            *_packed(blocks, n_blocks),
            plan.shared_offsets,
            _steps(blocks, n_blocks),
            plan.most_shared,
            plan.longest,
            plan.shared_used,
            window=ALL,
        )
        nothing = (plan.first_shared, *shared.shape[1:])
        shared = torch.cat((shared.new_zeros(nothing), shared))[plan.back_T]
        if self._lse_heads_first:
            weight, shared_weight = weight.T, shared_weight.T
        unseen = shared_weight.new_full(nothing[:2], -torch.inf)
        shared_weight = torch.cat((unseen, shared_weight))[plan.back_T]
        part_TH1 = torch.sigmoid(shared_weight - weight)[..., None]
        return (mixed.float() * (1 - part_TH1) + shared.float() * part_TH1).to(q_THD.dtype)


def _attend(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    q_offsets: Tensor,
    k_offsets: Tensor,
    most_q: int,
    most_k: int,
    used: Tensor,
    window: tuple[int, int] = CAUSAL,
) -> tuple[Tensor, Tensor]:
    """Mixed values (T, H, D) and their log-sum-exp, float32, (T, H) or (H, T)."""
    found = varlen.varlen_attn(
        q,
        k,
        v,
        q_offsets,
        k_offsets,
        most_q,
        most_k,
        return_aux=varlen.AuxRequest(lse=True),
        window_size=window,
        seqused_k=used,
    )
    assert isinstance(found, tuple)
    return found


def _packed(store: KeysValues, n_places: int) -> tuple[Tensor, Tensor]:
    """The first places of a store as one sequence (N * S, H, D), a view."""
    keys, values = (part_NHSD[:n_places].transpose(1, 2).flatten(0, 1) for part_NHSD in store)
    return keys, values


def _steps(store: KeysValues, n_places: int) -> Tensor:
    """Where the places of a store begin."""
    tokens = store[0].shape[2]
    return torch.arange(n_places + 1, dtype=torch.int32, device=store[0].device) * tokens


def _offsets(lengths: Sequence[int] | np.ndarray, device: torch.device) -> Tensor:
    """Where packed rows of these lengths begin, and the end."""
    return torch.from_numpy(np.append(0, np.cumsum(lengths)).astype(np.int32)).to(device)

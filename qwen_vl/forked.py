"""Attention of rows that share prefixes, in plain products: for every device and dtype.

Each query sees the whole prefix of its row, which stands in a block of the cache, and what follows it in its
own row:

    block 0     P P P P
    row 0               a b c          c sees P P P P a b c
    row 1               d e f | x x | y    options x x and y see the row d e f, not each other

Queries are sorted by block, so that neighbouring blocks with equally many queries are one batched product
with the cache as it lies: a prefix is read once for all its queries, nothing is copied or padded to the
largest family. Scores of both parts go through one softmax in float32.

Shapes: T queries, H heads, D head width, S keys; N blocks or slots, P keys of a prefix; G blocks in a run, R
queries of each; M rows of a rectangle, L its columns.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from qwen_vl.attention import KeysValues, Readers, attend_fused


class Run(NamedTuple):
    """Neighbouring blocks with equally many queries."""

    queries: slice
    blocks: slice
    length: int  # of the longest prefix


class DensePlan(NamedTuple):
    """Indices and masks; True in a mask where a query does not see a key, None where all see all. Queries are
    sorted by block.
    """

    order_T: Tensor | None
    back_T: Tensor | None
    runs: tuple[Run, ...]
    longest: int  # prefix
    unseen_T1P: Tensor | None
    rectangle: tuple[int, int]
    longest_own: int
    places_T: Tensor | None  # row * L + column; None where every row has one query
    unseen_M1LS: Tensor | None


class DenseKernel:
    """Explicit products and one softmax, in float32, over both parts."""

    heads_first = True

    def prepare_causal(self, lengths: Sequence[int], device: torch.device) -> list[int]:
        """The lengths."""
        return list(lengths)

    def causal(self, q_THD: Tensor, k_THD: Tensor, v_THD: Tensor, plan: list[int]) -> Tensor:
        """One batch if all are as long, else one after another."""
        if len(set(plan)) == 1:
            parts = (part.unflatten(0, (len(plan), -1)) for part in (q_THD, k_THD, v_THD))
            return attend_fused(*parts, causal=True).flatten(0, 1)
        rows = zip(*(part.split(plan) for part in (q_THD, k_THD, v_THD)), strict=True)
        return torch.cat([attend_fused(q[None], k[None], v[None], causal=True)[0] for q, k, v in rows])

    def prepare(self, readers: Readers, device: torch.device) -> DensePlan:
        """Sorts, finds runs, draws masks."""
        queries, blocks = np.array(readers.queries), np.array(readers.blocks)
        prefixes, single = np.array(readers.prefixes), bool((queries == 1).all())
        order = np.argsort(blocks, kind="stable")
        assert single or bool((order == np.arange(len(order))).all()), "rows are not sorted by block"
        seen_by_T = np.repeat(prefixes[order], queries[order])
        longest = int(prefixes.max())
        rows, columns = len(queries), int(queries.max())
        starts = np.cumsum(queries) - queries
        column_T = np.arange(queries.sum()) - np.repeat(starts, queries)
        if single:
            unseen = np.arange(max(readers.own)) >= np.array(readers.own)[:, None, None]
        else:
            unseen = np.broadcast_to(~np.tri(columns, dtype=bool), (rows, columns, columns)).copy()
            for row, tails in enumerate(readers.tails):
                start = suffix = int(queries[row]) - sum(tails)
                for tail in tails:
                    unseen[row, start : start + tail, suffix:start] = True
                    start += tail
        sorted_already = bool((order == np.arange(rows)).all())

        def tensor(values: np.ndarray) -> Tensor:
            return torch.from_numpy(values).to(device)

        unseen_prefix = np.arange(longest) >= seen_by_T[:, None, None]
        return DensePlan(
            order_T=None if sorted_already else tensor(order),
            back_T=None if sorted_already else tensor(np.argsort(order)),
            runs=_runs(queries[order], blocks[order], prefixes[order]),
            longest=longest,
            unseen_T1P=tensor(unseen_prefix) if unseen_prefix.any() else None,
            rectangle=(rows, columns),
            longest_own=unseen.shape[-1],
            places_T=None if single else tensor(np.repeat(np.arange(rows) * columns, queries) + column_T),
            unseen_M1LS=tensor(unseen[:, None]) if unseen.any() else None,
        )

    def forked(self, q_THD: Tensor, blocks: KeysValues, own: KeysValues, plan: DensePlan) -> Tensor:
        """Scores of both parts, softmax, values of both parts."""
        q_THD = q_THD * q_THD.shape[-1] ** -0.5
        if own[0].ndim == 3:
            keys_MHSD, values_MHSD = (_spread(part, plan).transpose(1, 2) for part in own)
        else:
            n_rows, n_keys = plan.rectangle[0], plan.longest_own
            keys_MHSD, values_MHSD = (part[:n_rows, :, :n_keys] for part in own)
        scores_MHLS = _spread(q_THD, plan).transpose(1, 2) @ keys_MHSD.transpose(-1, -2)
        if plan.unseen_M1LS is not None:
            scores_MHLS.masked_fill_(plan.unseen_M1LS, -torch.inf)
        scores_THS = _gather(scores_MHLS, plan)
        n_shared = plan.longest
        if n_shared:
            scores_THS = torch.cat((self._shared_scores(q_THD, blocks[0], plan), scores_THS), dim=-1)
        weights_THS = scores_THS.softmax(dim=-1, dtype=torch.float32).to(q_THD.dtype)
        weights_MHLS = _spread(weights_THS[..., n_shared:], plan).transpose(1, 2)
        mixed_THD = _gather(weights_MHLS @ values_MHSD, plan)
        if n_shared:
            mixed_THD = mixed_THD + self._shared_values(weights_THS[..., :n_shared], blocks[1], plan)
        return mixed_THD

    def _shared_scores(self, q_THD: Tensor, keys_NHPD: Tensor, plan: DensePlan) -> Tensor:
        if plan.order_T is not None:
            q_THD = q_THD.index_select(0, plan.order_T)
        n_queries, n_heads, _ = q_THD.shape

        def scores(run: Run) -> Tensor:
            return _by_block(q_THD, run) @ keys_NHPD[run.blocks, :, : run.length].transpose(-1, -2)

        if _is_whole(plan.runs, n_queries):
            scores_THP = scores(plan.runs[0]).transpose(1, 2).flatten(0, 1)
        else:
            scores_THP = q_THD.new_full((n_queries, n_heads, plan.longest), -torch.inf)
            for run in plan.runs:
                _by_block(scores_THP[..., : run.length], run).copy_(scores(run))
        if plan.unseen_T1P is not None:
            scores_THP.masked_fill_(plan.unseen_T1P, -torch.inf)
        return scores_THP if plan.back_T is None else scores_THP.index_select(0, plan.back_T)

    def _shared_values(self, weights_THP: Tensor, values_NHPD: Tensor, plan: DensePlan) -> Tensor:
        if plan.order_T is not None:
            weights_THP = weights_THP.index_select(0, plan.order_T)

        def mixed(run: Run) -> Tensor:
            return _by_block(weights_THP[..., : run.length], run) @ values_NHPD[run.blocks, :, : run.length]

        if _is_whole(plan.runs, len(weights_THP)):
            mixed_THD = mixed(plan.runs[0]).transpose(1, 2).flatten(0, 1)
        else:
            mixed_THD = weights_THP.new_zeros(*weights_THP.shape[:2], values_NHPD.shape[-1])
            for run in plan.runs:
                _by_block(mixed_THD, run).copy_(mixed(run))
        return mixed_THD if plan.back_T is None else mixed_THD.index_select(0, plan.back_T)


def _runs(queries: np.ndarray, blocks: np.ndarray, prefixes: np.ndarray) -> tuple[Run, ...]:
    """Runs of rows that are sorted by block; rows without a prefix are in none."""
    found: list[Run] = []
    names, firsts = np.unique(blocks, return_index=True)
    ends = np.append(np.cumsum(queries), 0)[np.append(firsts[1:], len(blocks)) - 1]
    start = 0
    for block, first, end in zip(names.tolist(), firsts.tolist(), ends.tolist(), strict=True):
        if prefixes[first] > 0:
            last = found[-1] if found else None
            if (
                last is not None
                and last.blocks.stop == block
                and last.queries.stop == start
                and (last.queries.stop - last.queries.start)
                == (end - start) * (last.blocks.stop - last.blocks.start)
            ):
                found[-1] = Run(
                    slice(last.queries.start, end),
                    slice(last.blocks.start, block + 1),
                    max(last.length, int(prefixes[first])),
                )
            else:
                found.append(Run(slice(start, end), slice(block, block + 1), int(prefixes[first])))
        start = end
    return tuple(found)


def _is_whole(runs: Sequence[Run], n_queries: int) -> bool:
    """Whether one run has all queries, as a single row has."""
    return len(runs) == 1 and runs[0].queries == slice(0, n_queries)


def _by_block(x_THS: Tensor, run: Run) -> Tensor:
    """A view (G, H, R, S) of the queries of a run."""
    n_blocks = run.blocks.stop - run.blocks.start
    return x_THS[run.queries].unflatten(0, (n_blocks, -1)).transpose(1, 2)


def _spread(x_THS: Tensor, plan: DensePlan) -> Tensor:
    """Packed rows as a rectangle (M, L, H, S), zeros behind the end of a row."""
    if plan.places_T is None:
        return x_THS[:, None]
    rows, columns = plan.rectangle
    empty = x_THS.new_zeros(rows * columns, *x_THS.shape[1:])
    return empty.index_copy(0, plan.places_T, x_THS).unflatten(0, (rows, columns))


def _gather(x_MHLS: Tensor, plan: DensePlan) -> Tensor:
    """The inverse of `_spread`."""
    x_MLHS = x_MHLS.transpose(1, 2)
    if plan.places_T is None:
        return x_MLHS[:, 0]
    return x_MLHS.flatten(0, 1).index_select(0, plan.places_T)

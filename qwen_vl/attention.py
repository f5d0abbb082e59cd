"""The one place where an attention kernel is chosen.

`attend_fused` is what the vision tower, the resampler and training use: torch's fused kernel.
`attend_dense` is the reference of the decoder: scores, additive mask, softmax, all explicit and in the
compute dtype, as the published code does it. The decoder itself takes any function of the type `Attend`, so a
faster kernel or another cache does not touch the model.

`dense_mask` is causal. Five rows, 2 of padding (p), `.` = 0, `m` = the dtype's minimum, `i` = m + m = -inf:

                 keys  p p a b c           decoding one row d:    p p a b c d
    query p (pad)      m i m m m                query d           m m . . . .
    query p (pad)      m m m m m
    query a            m m . m m
    query b            m m . . m
    query c            m m . . .

The published code SUMS the causal and the padding mask; that is kept. A padding query then sees all its keys
at the same `m` and its row is finite garbage, never to be read. No other query gives padding any weight.

The engine's rows share prefixes (rows.py): each query sees the whole prefix of its row and, causally,
what follows it in its own row. `pick_kernel` chooses who computes that: `forked.DenseKernel`, or on CUDA in
half precision `varlen.VarlenKernel`.

Shapes: B rows, T queries, S keys, H heads, D head width; N places of the cache's stores, P keys of a prefix.
"""

import logging
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

log = logging.getLogger(__name__)


class Attend(Protocol):
    """Attention of one decoder layer: stores the new keys and values as it likes and mixes the values for the
    queries.

    q, k, v: (X, H, D), rotated and scaled; X is whatever leading shape the caller gave the decoder. Returns
    (X, H, D).
    """

    def __call__(self, layer: int, q_XHD: Tensor, k_XHD: Tensor, v_XHD: Tensor) -> Tensor:
        """Store keys and values, return the mixed values."""
        ...


def attend_fused(
    q_BTHD: Tensor,
    k_BSHD: Tensor,
    v_BSHD: Tensor,
    *,
    mask_TS: Tensor | None = None,
    causal: bool = False,
) -> Tensor:
    """Attention by torch's fused kernel, scale 1 / sqrt(D); returns (B, T, H, D).

    mask_TS: True where a query sees a key; without it, and unless `causal`, every row sees every row.
    """
    q_BHTD, k_BHSD, v_BHSD = (part.transpose(1, 2) for part in (q_BTHD, k_BSHD, v_BSHD))
    mixed = F.scaled_dot_product_attention(q_BHTD, k_BHSD, v_BHSD, attn_mask=mask_TS, is_causal=causal)
    return mixed.transpose(1, 2)


def attend_dense(q_BTHD: Tensor, k_BSHD: Tensor, v_BSHD: Tensor, mask_B1TS: Tensor | None) -> Tensor:
    """Attention as the published decoder computes it; returns (B, T, H, D)."""
    scores_BHTS = q_BTHD.transpose(1, 2) @ k_BSHD.permute(0, 2, 3, 1)
    scores_BHTS = scores_BHTS / q_BTHD.shape[-1] ** 0.5
    if mask_B1TS is not None:
        scores_BHTS = scores_BHTS + mask_B1TS
    return (scores_BHTS.softmax(dim=-1) @ v_BSHD.transpose(1, 2)).transpose(1, 2)


def dense_mask(n_queries: int, keep_BS: Tensor, dtype: torch.dtype) -> Tensor:
    """The additive mask (B, 1, T, S) of the last T positions; keep_BS marks the real tokens."""
    lowest = torch.finfo(dtype).min
    n_keys = keep_BS.shape[1]
    key_S = torch.arange(n_keys, device=keep_BS.device)
    query_T = key_S[n_keys - n_queries :]
    future_TS = (key_S > query_T[:, None]).to(dtype) * lowest
    padding_BS = (~keep_BS).to(dtype) * lowest
    return future_TS + padding_BS[:, None, None, :]


KeysValues = tuple[Tensor, Tensor]


class Readers(NamedTuple):
    """Rows whose queries see a prefix and their own keys; rows are sorted by block unless all have one query.

    Numbers per row: its queries, the block of its prefix (below 0: none), the prefix's length, its own keys
    with the new ones. `tails` are the lengths of options behind the suffix, which do not see one another.
    """

    queries: Sequence[int]
    blocks: Sequence[int]
    prefixes: Sequence[int]
    own: Sequence[int]
    tails: Sequence[Sequence[int]] = ()


class Kernel(Protocol):
    """How the engine attends. The layout of the cache is (N, H, S, D) in memory if `heads_first`."""

    heads_first: bool

    def prepare_causal(self, lengths: Sequence[int], device: torch.device) -> Any:
        """What all layers share of rows of these lengths, each seeing itself."""
        ...

    def causal(self, q_THD: Tensor, k_THD: Tensor, v_THD: Tensor, plan: Any) -> Tensor:
        """Such rows, packed end to end."""
        ...

    def prepare(self, readers: Readers, device: torch.device) -> Any:
        """What all layers share of readers."""
        ...

    def forked(self, q_THD: Tensor, blocks: KeysValues, own: KeysValues, plan: Any) -> Tensor:
        """Queries of readers over the blocks (N, H, P, D) and their own keys, either packed (T, H, D) or, for
        readers of one query each, the first of the slots (N, H, S, D).
        """
        ...


def pick_kernel(device: torch.device, dtype: torch.dtype, heads: int, width: int) -> Kernel:
    """The kernel of the engine: varlen on CUDA in half precision, if it works there, else the dense one."""
    # Imported late: both are made of what stands above.
    from qwen_vl import varlen
    from qwen_vl.forked import DenseKernel

    half = dtype in (torch.bfloat16, torch.float16)
    if device.type == "cuda" and half:
        try:
            return varlen.usable_kernel(device, dtype, heads, width)
        except (RuntimeError, TypeError, ValueError) as error:  # NotImplementedError is one of the first
            log.warning(
                "torch's varlen attention does not work here (%s): going on with plain products", error
            )
    return DenseKernel()

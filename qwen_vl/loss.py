"""The training loss of a batch: next-token cross-entropy over what is learned, each picture and prefix once.

Training mode as published: the rotary stretch is 1 and queries are not scaled by logn. What a suffix sees
(packing.py), for a row with a prefix of three tokens and three of its own:

                  keys  P P P a b c
        query a         . . . . m m        . = seen, m = masked
        query b         . . . . . m
        query c         . . . . . .

Rows are gathered by index_select and index_copy alone, whose gradients add up in a fixed order, so that a run
on the CPU can be repeated bit for bit.

Shapes: G groups, R rows, P prefix length, L longest suffix, T packed suffix tokens, H heads, D head width, C
hidden_size, N images, Q n_queries, S image_size, M learned tokens.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from qwen_vl.attention import attend_fused
from qwen_vl.model import QwenVL
from qwen_vl.packing import Batch, images_of
from qwen_vl.rope import Rotation, inverse_frequencies, rotation


class Suffixes(NamedTuple):
    """The suffixes of a batch packed end to end, and where each token belongs."""

    ids_T: Tensor
    positions_T: Tensor
    slots_T: Tensor  # row * L + column in the padded rectangle
    groups_R: Tensor
    rectangle: tuple[int, int]  # R, L
    sources_M: Tensor  # the packed token that predicts
    targets_M: Tensor  # the id it should predict


def batch_loss(model: QwenVL, batch: Batch, pixels: Mapping[Path, Tensor]) -> Tensor:
    """The summed loss, float32 in nats, over all learned tokens of a batch; divide by their number for the
    mean.

    pixels: (3, S, S) of every picture of the batch. All groups have the same prefix length.
    """
    prefix, device = batch[0].prefix, model.device
    assert all(group.prefix == prefix for group in batch), [group.prefix for group in batch]
    paths = images_of(batch)
    features: dict[Path, Tensor] = {}
    if paths:
        encoded_NQC = model.encode_images(torch.stack([pixels[path] for path in paths]))
        features = dict(zip(paths, encoded_NQC, strict=True))
    heads = [group.rows[0] for group in batch]
    num_images = [int((row.ids[:prefix] == model.config.visual.image_start_id).sum()) for row in heads]
    attend = _Attend(model.config.num_hidden_layers)
    if prefix:
        ids_GP = torch.from_numpy(np.stack([row.ids[:prefix] for row in heads])).long().to(device)
        shown = [path for row, count in zip(heads, num_images, strict=True) for path in row.images[:count]]
        positions_P = torch.arange(prefix, device=device)
        hidden_GPC = model.embed(ids_GP, _stack(features, shown))
        model.decode(hidden_GPC, _tables(model, positions_P), attend.prefix)
    suffixes = pack(batch, device)
    shown = [
        path
        for group, count in zip(batch, num_images, strict=True)
        for row in group.rows
        for path in row.images[count:]
    ]
    attend.begin(suffixes)
    hidden_TC = model.embed(suffixes.ids_T, _stack(features, shown))
    hidden_TC = model.decode(hidden_TC, _tables(model, suffixes.positions_T), attend.suffix)
    logits_MV = model.lm_head(hidden_TC.index_select(0, suffixes.sources_M))
    return F.cross_entropy(logits_MV.float(), suffixes.targets_M, reduction="sum")


def pack(batch: Batch, device: torch.device) -> Suffixes:
    """The suffixes of all rows of a batch, in order."""
    prefix = batch[0].prefix
    rows = [row for group in batch for row in group.rows]
    lengths = np.array([len(row.ids) - prefix for row in rows])
    longest, starts = int(lengths.max()), np.cumsum(lengths) - lengths
    columns = np.concatenate([np.arange(length) for length in lengths])
    row_of = np.repeat(np.arange(len(rows)), lengths)
    learned = [np.flatnonzero(row.learned) for row in rows]
    assert all(at[0] > prefix for at in learned), (
        "the first token of a suffix has none before it to predict it"
    )
    sources = [start + at - prefix - 1 for start, at in zip(starts, learned, strict=True)]
    targets = [row.ids[at] for row, at in zip(rows, learned, strict=True)]

    def tensor(values: Sequence[int] | np.ndarray) -> Tensor:
        return torch.from_numpy(np.asarray(values, dtype=np.int64)).to(device)

    return Suffixes(
        ids_T=tensor(np.concatenate([row.ids[prefix:] for row in rows])),
        positions_T=tensor(columns + prefix),
        slots_T=tensor(row_of * longest + columns),
        groups_R=tensor([number for number, group in enumerate(batch) for _ in group.rows]),
        rectangle=(len(rows), longest),
        sources_M=tensor(np.concatenate(sources)),
        targets_M=tensor(np.concatenate(targets)),
    )


class _Attend:
    """Attention over prefixes, which are kept, and then over suffixes, which see them."""

    def __init__(self, num_layers: int) -> None:
        self.kept: list[tuple[Tensor, Tensor] | None] = [None] * num_layers

    def prefix(self, layer: int, q_XHD: Tensor, k_XHD: Tensor, v_XHD: Tensor) -> Tensor:
        self.kept[layer] = (k_XHD, v_XHD)
        return attend_fused(q_XHD, k_XHD, v_XHD, causal=True)

    def begin(self, suffixes: Suffixes) -> None:
        """Says where the tokens of the coming suffixes belong."""
        self.suffixes = suffixes
        longest = suffixes.rectangle[1]
        kept = self.kept[0]
        prefix = 0 if kept is None else kept[0].shape[1]
        seen_LL = torch.ones(longest, longest, dtype=torch.bool, device=suffixes.ids_T.device).tril()
        self.seen_LS = F.pad(seen_LL, (prefix, 0), value=True)

    def suffix(self, layer: int, q_XHD: Tensor, k_XHD: Tensor, v_XHD: Tensor) -> Tensor:
        keys_RSHD, values_RSHD = self._padded(k_XHD), self._padded(v_XHD)
        kept = self.kept[layer]
        if kept is not None:
            k_RPHD, v_RPHD = (part.index_select(0, self.suffixes.groups_R) for part in kept)
            keys_RSHD = torch.cat((k_RPHD, keys_RSHD), dim=1)
            values_RSHD = torch.cat((v_RPHD, values_RSHD), dim=1)
        mixed_RLHD = attend_fused(self._padded(q_XHD), keys_RSHD, values_RSHD, mask_TS=self.seen_LS)
        return mixed_RLHD.flatten(0, 1).index_select(0, self.suffixes.slots_T)

    def _padded(self, heads_THD: Tensor) -> Tensor:
        """(T, H, D) to (R, L, H, D), zeros behind the end of a row, where nothing is read."""
        rows, longest = self.suffixes.rectangle
        empty = heads_THD.new_zeros(rows * longest, *heads_THD.shape[1:])
        return empty.index_copy(0, self.suffixes.slots_T, heads_THD).unflatten(0, (rows, longest))


def _tables(model: QwenVL, positions_X: Tensor) -> Rotation:
    config = model.config
    inverse_F = inverse_frequencies(config.kv_channels, config.rotary_emb_base, 1.0, positions_X.device)
    return rotation(positions_X, inverse_F, logn_seq_length=None)


def _stack(features: Mapping[Path, Tensor], paths: Sequence[Path]) -> Tensor | None:
    return torch.stack([features[path] for path in paths]) if paths else None

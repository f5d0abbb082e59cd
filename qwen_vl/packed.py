"""One packed pass of the model: what a step of the scheduler reads, end to end and without padding.

    rows   | prefixes of new families | suffixes (and options) of new rows | one token of every active row |
    see      themselves                 their prefix, themselves             their prefix, their slot

Everything a step needs goes through the weights together, a new row's prefix, its suffix and other rows'
decoding alike: in each layer keys and values are written before anyone reads them.

Shapes: T rows of the pass, H heads, D head width, C hidden_size, E rows whose logits are wanted.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from qwen_vl.attention import Kernel, Readers
from qwen_vl.kv_cache import KVCache
from qwen_vl.model import QwenVL
from qwen_vl.pictures import Pictures
from qwen_vl.rope import Rotation, inverse_frequencies, rotation
from qwen_vl.rows import NOWHERE, Row, Step


class PackedPass:
    """Rows of a step, their positions, and attention over the cache."""

    def __init__(self, model: QwenVL, step: Step, cache: KVCache, kernel: Kernel) -> None:
        self._model, self._cache, self._kernel = model, cache, kernel
        self._prefixes = step.prefixes
        self._starts = sorted(step.starts, key=lambda row: row.family.block)
        self._active = step.active
        self._lengths = [family.length for family in step.prefixes]
        if step.prefixes:
            self._prefix_plan = kernel.prepare_causal(self._lengths, model.device)
            new_blocks = [family.block for family in step.prefixes]
            self._new_blocks = torch.tensor(new_blocks, dtype=torch.int64, device=model.device)
        sizes = (sum(self._lengths), sum(row.num_tokens for row in self._starts), len(self._active))
        self._sizes = sizes
        self._lay_out_starts()
        self._lay_out_active()

    @torch.inference_mode()
    def hidden(self, pictures: Pictures) -> Tensor:
        """The last hidden rows (E, C) of the rows whose logits are wanted: see `wanted`."""
        ids = [token for row in self._starts for part in (row.suffix, *row.tails()) for token in part]
        ids += [row.answer[row.known - 1] for row in self._active]
        parts = [*self._embedded_prefixes(pictures)]
        parts.append(self._model.embed(torch.tensor(ids, device=self._model.device)))
        hidden_TC = self._model.decode(torch.cat(parts), self._rotation(), self._attend)
        ends: list[int] = []
        start = self._sizes[0]
        for row in self._starts:
            suffix = len(row.suffix)
            ends += range(start + suffix - 1, start + row.num_tokens if row.options else start + suffix)
            start += row.num_tokens
        ends += range(start, start + len(self._active))
        return hidden_TC.index_select(0, torch.tensor(ends, device=self._model.device))

    def wanted(self) -> list[tuple[Row, int]]:
        """Rows in the order of `hidden`, and how many of its rows are theirs: one, and with options one for
        each token of theirs that is read.
        """
        starts = [(row, 1 + sum(len(tail) for tail in row.tails())) for row in self._starts]
        return starts + [(row, 1) for row in self._active]

    def _embedded_prefixes(self, pictures: Pictures) -> Iterator[Tensor]:
        """Word embeddings and pictures of all prefixes at once, then row by row. A prompt may end with a
        picture: its </img> is no part of the prefix, and yet wanted where pictures are put in.
        """
        if not self._prefixes:
            return
        parts = [family.first.ids[: max(family.length, family.image_end)] for family in self._prefixes]
        keys = [key for family in self._prefixes for key in family.images]
        ids = torch.tensor([token for part in parts for token in part], device=self._model.device)
        rows = self._model.embed(ids, pictures.features(keys) if keys else None)
        for family, row in zip(self._prefixes, rows.split([len(part) for part in parts]), strict=True):
            yield row[: family.length]

    def _rotation(self) -> Rotation:
        positions, alphas = [], []
        for family in self._prefixes:
            positions.append(np.arange(family.length))
            alphas.append((family.alpha, family.length))
        for row in self._starts:
            positions += [np.arange(row.family.length, row.end)]
            positions += [np.arange(row.end, row.end + len(tail)) for tail in row.tails()]
            alphas.append((row.family.alpha, row.num_tokens))
        for row in self._active:
            positions.append(np.array([row.end - 1]))
            alphas.append((row.family.alpha, 1))
        config, device = self._model.config, self._model.device
        positions_T = torch.from_numpy(np.concatenate(positions)).to(device)
        tables = {
            alpha: inverse_frequencies(config.kv_channels, config.rotary_emb_base, alpha, device)
            for alpha in {alpha for alpha, _ in alphas}
        }
        if len(tables) == 1:
            (inverse,) = tables.values()
        else:
            inverse = torch.cat([tables[alpha].expand(count, -1) for alpha, count in alphas])
        return rotation(positions_T, inverse, config.seq_length if config.use_logn_attn else None)

    def _lay_out_starts(self) -> None:
        rows, device = self._starts, self._model.device
        if not rows:
            return
        counts = [row.num_tokens for row in rows]
        tails = [[len(tail) for tail in row.tails()] for row in rows]
        readers = Readers(counts, *_prefixes_of(rows), counts, tails)
        self._start_plan = self._kernel.prepare(readers, device)
        # Where the tokens of rows that will go on are kept; options are forgotten.
        sources: list[int] = []
        slots: list[int] = []
        places: list[int] = []
        start = 0
        for row in rows:
            if row.slot != NOWHERE:
                sources += range(start, start + row.num_tokens)
                slots += [row.slot] * row.num_tokens
                places += range(row.num_tokens)
            start += row.num_tokens
        self._kept = torch.tensor([sources, slots, places], dtype=torch.int64, device=device)
        self._new_slots = slice(
            min(slots, default=0), max(slots, default=-1) + 1
        )  # new rows get the last slots

    def _lay_out_active(self) -> None:
        rows, device = self._active, self._model.device
        if rows:
            own = [row.cached for row in rows]
            readers = Readers([1] * len(rows), *_prefixes_of(rows), own)
            self._active_plan = self._kernel.prepare(readers, device)
            self._grown = torch.tensor([range(len(rows)), [count - 1 for count in own]], device=device)

    def _attend(self, layer: int, q_XHD: Tensor, k_XHD: Tensor, v_XHD: Tensor) -> Tensor:
        (q_new, q_start, q_active), (k_new, k_start, k_active), (v_new, v_start, v_active) = (
            part.split(self._sizes) for part in (q_XHD, k_XHD, v_XHD)
        )
        blocks, slots = self._cache.blocks.layer(layer), self._cache.slots.layer(layer)
        mixed = []
        if self._prefixes:
            for part, store_NHSD in zip((k_new, v_new), blocks, strict=True):
                store_NHSD[self._new_blocks] = 0.0
                for family, rows_SHD in zip(self._prefixes, part.split(self._lengths), strict=True):
                    store_NHSD[family.block, :, : family.length] = rows_SHD.transpose(0, 1)
            mixed.append(self._kernel.causal(q_new, k_new, v_new, self._prefix_plan))
        if self._starts:
            sources, places, tokens = self._kept
            for part, store_NHSD in zip((k_start, v_start), slots, strict=True) if len(sources) else ():
                store_NHSD[self._new_slots] = 0.0
                store_NHSD[places, :, tokens] = part[sources]
            mixed.append(self._kernel.forked(q_start, blocks, (k_start, v_start), self._start_plan))
        if self._active:
            places, tokens = self._grown
            for part, store_NHSD in zip((k_active, v_active), slots, strict=True):
                store_NHSD[places, :, tokens] = part
            mixed.append(self._kernel.forked(q_active, blocks, slots, self._active_plan))
        return torch.cat(mixed)


def _prefixes_of(rows: Sequence[Row]) -> tuple[list[int], list[int]]:
    """Block and length of the prefix of each row."""
    return [row.family.block for row in rows], [row.family.length for row in rows]

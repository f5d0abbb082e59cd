"""The next token of each row from the logits of a pass: the likeliest, or drawn by the row's own seed.

Shapes: E rows, V vocab_size, P parts of 128 logits.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from qwen_vl.rows import Row
from qwen_vl.sampling import choose

PART = 128


def next_tokens(rows: Sequence[Row], logits_EV: Tensor) -> list[int]:
    """The next token of each row; stop ids are forbidden below the minimum (overwritten in the logits)."""
    forbidden = [
        (place, token)
        for place, row in enumerate(rows)
        if len(row.answer) < row.query.min_new_tokens
        for token in row.query.stop_ids
    ]
    if forbidden:
        at, tokens = (list(part) for part in zip(*forbidden, strict=True))
        logits_EV[at, tokens] = -torch.inf
    chosen = _likeliest(logits_EV)
    for place, row in enumerate(rows):
        sampling = row.query.sampling
        if sampling is not None and sampling.temperature > 0:
            if row.generator is None:
                row.generator = torch.Generator().manual_seed(row.query.seed)
            chosen[place] = choose(logits_EV[place], sampling, row.generator)
    return chosen


def _likeliest(logits_EV: Tensor) -> list[int]:
    """The largest logit of each row, the first of equals."""
    if logits_EV.shape[-1] % PART:
        return logits_EV.argmax(dim=-1).tolist()
    # torch's argmax over a long row takes four times as long on the CPU as its maximum.
    parts_EPV = logits_EV.unflatten(-1, (-1, PART))
    part_E = parts_EPV.amax(dim=-1).argmax(dim=-1)
    within_E = parts_EPV[torch.arange(len(part_E), device=part_E.device), part_E].argmax(dim=-1)
    return (part_E * PART + within_E).tolist()

"""Conversations to batches without waste: a picture is encoded and its prompt read once for all its
questions.

Rows about the same pictures form a group. What their ids have in common before anything is learned, at least
the picture, is the group's prefix; the rest of each row is a suffix that sees the prefix and itself, never
another row. That is exactly each row alone, since attention is causal:

    prefix    <img> f f f </img>                          G groups of one length P, as a batch
    suffixes  What colour? Answer: red <eod> Where? ...   packed end to end, T tokens, no padding

The order of groups and the batches are a function of seed and epoch, so a run can be continued in the middle,
by another number of processes, too.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from qwen_vl.conversations import Example


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """Rows about the same pictures, of which the first `prefix` ids are the same."""

    rows: tuple[Example, ...]
    prefix: int

    @property
    def num_tokens(self) -> int:
        """Decoder tokens: the prefix once, the suffixes."""
        return self.prefix + sum(len(row.ids) - self.prefix for row in self.rows)

    @property
    def num_learned(self) -> int:
        """Tokens the loss counts."""
        return sum(int(row.learned.sum()) for row in self.rows)


Batch = list[Group]


class Span(NamedTuple):
    """Where image spans lie in ids: the ids of <img> and </img>."""

    start: int
    end: int


def make_groups(examples: Sequence[Example], span: Span, max_rows: int) -> list[Group]:
    """Rows in groups of the same pictures, at most `max_rows` each, by first appearance."""
    by_images: dict[tuple[Path, ...] | int, list[Example]] = {}
    for example in examples:
        by_images.setdefault(example.images or -1 - example.row, []).append(example)
    groups = []
    for rows in by_images.values():
        for start in range(0, len(rows), max_rows):
            part = tuple(rows[start : start + max_rows])
            groups.append(Group(part, _common_prefix(part, span) if len(part) > 1 else 0))
    return groups


def plan_epoch(groups: Sequence[Group], batch_tokens: int, seed: int, epoch: int) -> list[Batch]:
    """All groups in batches of one prefix length and at most `batch_tokens` tokens, in random order.

    A group larger than the budget is a batch of its own.
    """
    rng = random.Random(f"{seed}/{epoch}")
    shuffled = list(groups)
    rng.shuffle(shuffled)
    open_batches: dict[int, Batch] = {}
    tokens: dict[int, int] = {}
    batches: list[Batch] = []
    for group in shuffled:
        length, size = group.prefix, group.num_tokens
        if length in open_batches and tokens[length] + size > batch_tokens:
            batches.append(open_batches.pop(length))
        open_batches.setdefault(length, []).append(group)
        tokens[length] = size + (tokens[length] if len(open_batches[length]) > 1 else 0)
    batches += open_batches.values()
    rng.shuffle(batches)
    return batches


def share(batch: Batch, rank: int, world: int) -> Batch:
    """The groups of one process: every group to exactly one, heaviest first to the least loaded."""
    loads, mine = [0] * world, []
    for group in sorted(batch, key=lambda group: -group.num_tokens):
        target = min(range(world), key=lambda process: loads[process])
        loads[target] += group.num_tokens
        if target == rank:
            mine.append(group)
    return mine


def images_of(batch: Batch) -> list[Path]:
    """The distinct pictures of a batch, by first appearance."""
    return list(dict.fromkeys(image for group in batch for image in group.rows[0].images))


def _common_prefix(rows: Sequence[Example], span: Span) -> int:
    """How many first ids all rows share: before the last unlearned id of each, and not within an image."""
    first = rows[0]
    length = min(int(row.learned.argmax()) - 1 for row in rows)
    for row in rows[1:]:
        differs = np.flatnonzero(row.ids[:length] != first.ids[:length])
        length = int(differs[0]) if len(differs) else length
    shared = first.ids[: max(length, 0)]
    opened, closed = np.flatnonzero(shared == span.start), np.flatnonzero(shared == span.end)
    return int(opened[len(closed)]) if len(opened) > len(closed) else len(shared)

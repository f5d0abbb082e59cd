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
    def longest(self) -> int:
        """The length of the longest suffix."""
        return max(len(row.ids) for row in self.rows) - self.prefix

    @property
    def num_learned(self) -> int:
        """Tokens the loss counts."""
        return sum(int(row.learned.sum()) for row in self.rows)


Batch = list[Group]

WINDOW = 1024
"""So many groups are sorted by length together."""


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
    """All groups in batches of one prefix length, similar lengths together, in random order.

    A batch takes at most `batch_tokens` tokens, counted as attention sees them: every suffix as long as the
    longest. A group larger than that is a batch of its own. Lengths are sorted within windows, not over all,
    so that what stands together changes with every epoch.
    """
    rng = random.Random(f"{seed}/{epoch}")
    shuffled = list(groups)
    rng.shuffle(shuffled)
    batches: list[Batch] = []
    for start in range(0, len(shuffled), WINDOW):
        window = sorted(shuffled[start : start + WINDOW], key=lambda group: (group.prefix, group.longest))
        batch: Batch = []
        for group in window:
            if batch and (batch[0].prefix != group.prefix or padded_tokens([*batch, group]) > batch_tokens):
                batches.append(batch)
                batch = []
            batch.append(group)
        batches.append(batch)
    rng.shuffle(batches)
    return batches


def padded_tokens(batch: Batch) -> int:
    """The tokens of a batch with every suffix as long as the longest."""
    rows = sum(len(group.rows) for group in batch)
    return sum(group.prefix for group in batch) + rows * max(group.longest for group in batch)


def share(batch: Batch, rank: int, world: int) -> Batch:
    """The groups of one process: every group to exactly one, heaviest first to the least loaded."""
    loads, mine = [0] * world, []
    for group in sorted(batch, key=lambda group: -group.num_tokens):
        target = min(range(world), key=lambda process: loads[process])
        loads[target] += group.num_tokens
        if target == rank:
            mine.append(group)
    return mine


def hold_out(groups: Sequence[Group], part: float, seed: int) -> tuple[list[Group], list[Group]]:
    """The groups to train on and the held-out ones: no picture is in both; a group without pictures goes
    alone.
    """
    leader: dict[Path, Path] = {}

    def find(path: Path) -> Path:
        while leader.setdefault(path, path) != path:
            path = leader[path]
        return path

    for group in groups:
        for image in group.rows[0].images:
            leader[find(image)] = find(group.rows[0].images[0])
    islands: dict[str, list[Group]] = {}
    for number, group in enumerate(groups):
        images = group.rows[0].images
        islands.setdefault(str(find(images[0])) if images else f"#{number}", []).append(group)
    names = sorted(islands)
    random.Random(seed).shuffle(names)
    held_out = set(names[: round(len(names) * part)])
    kept = [group for name, island in islands.items() if name not in held_out for group in island]
    return kept, [group for name in sorted(held_out) for group in islands[name]]


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

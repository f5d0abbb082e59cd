"""What the scheduler decides about: queries, the rows and families they become, and what a step does.

A family is a run of queries about the same pictures. What their ids have in common, the prefix, is read once
into a block of the cache; the rest of each, its suffix, and what it generates stand in a slot of its own and
see the block:

    block 0    <img> f f f </img> <ref>              length of the prefix = 6
      slot 0     the dog </ref> <box> | ( 1 2        suffix | answer
      slot 1     a man </ref> <box> | ( 4
    block 1    <img> f f f </img> What
      slot 2     colour is it? Answer: | red
"""

from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:  # torch comes with them
    from torch import Generator

    from qwen_vl.sampling import Sampling

NOWHERE = -1
MAX_SUFFIX = 512
"""Longest suffix in tokens: scores of suffixes are computed as a square. Longer ones share nothing."""


@dataclass(frozen=True, slots=True, eq=False)
class Query:
    """A question for the engine: ids with a span of rows per picture, pictures by key, and limits.

    With options their log-probabilities are wanted; else an answer of min..max_new_tokens, greedy or, with
    `sampling`, drawn by its own `seed`: the same beside any neighbours.

    on_token is called with each token of the answer as it is chosen, never twice, never with the stop id.
    cancelled is asked before every step: once it says True the answer ends there, as "cancelled". Both are
    called in the thread that runs the engine, so they are quick and do not raise.
    """

    id: Hashable
    ids: tuple[int, ...]
    images: tuple[Hashable, ...] = ()
    options: tuple[tuple[int, ...], ...] = ()
    min_new_tokens: int = 0
    max_new_tokens: int = 1
    stop_ids: frozenset[int] = frozenset()
    sampling: "Sampling | None" = None
    seed: int = 0
    on_token: Callable[[int], object] | None = None
    cancelled: Callable[[], bool] | None = None


@dataclass(slots=True, eq=False)
class Row:
    """A query, or those of its options that have one rotary stretch, on its way.

    A row that begins again keeps its answer: as much as fits is read with the suffix, the rest is fed as if
    it were chosen once more. `known` counts the answer's tokens that were read, or will be in the next step.
    """

    query: Query
    family: "Family"
    options: tuple[int, ...] = ()
    answer: list[int] = field(default_factory=list)
    known: int = 0
    slot: int = NOWHERE
    generator: "Generator | None" = None  # draws its tokens; begins with the first

    @property
    def suffix(self) -> tuple[int, ...]:
        """The prompt's ids behind the prefix, and what is known of the answer."""
        return (*self.query.ids[self.family.length :], *self.answer[: self.known])

    @property
    def end(self) -> int:
        """Tokens of the prompt and of the answer as far as it is known."""
        return len(self.query.ids) + self.known

    @property
    def cached(self) -> int:
        """Tokens in the slot once all that is known has been read."""
        return self.end - self.family.length

    @property
    def num_tokens(self) -> int:
        """Tokens its first step reads: the suffix, and every option without its last token."""
        return self.cached + sum(len(tail) for tail in self.tails())

    def begin_again(self) -> None:
        """Out of its slot; the answer so far stays."""
        self.slot = NOWHERE
        prompt = len(self.query.ids) - self.family.length
        self.known = min(len(self.answer), max(MAX_SUFFIX - prompt, 0))

    def tails(self) -> list[tuple[int, ...]]:
        """What is read of each option: all but its last token."""
        return [self.query.options[number][:-1] for number in self.options]


@dataclass(slots=True, eq=False)
class Family:
    """Rows that share a prefix; `waiting` have not begun, `active` counts those in slots."""

    key: tuple[Hashable, ...]
    alpha: float
    first: Query
    image_end: int  # ids up to the end of the last picture
    length: int  # of the prefix
    longest: int  # prompt
    waiting: deque[Row] = field(default_factory=deque)
    active: int = 0
    block: int = NOWHERE
    written: bool = False

    @property
    def images(self) -> tuple[Hashable, ...]:
        """The keys of its pictures, in order."""
        return self.first.images


class Shape(NamedTuple):
    """The size of the cache: slots for suffixes and answers, blocks for prefixes, in tokens."""

    slots: int = 0
    slot_tokens: int = 0
    blocks: int = 0
    block_tokens: int = 0

    @property
    def tokens(self) -> int:
        """All places for keys and values."""
        return self.slots * self.slot_tokens + self.blocks * self.block_tokens


class Step(NamedTuple):
    """One pass of the model: prefixes to write, rows to begin, rows that go on by one token.

    `hopeless` are rows that were taken out, because an empty cache has no room for them.
    """

    prefixes: list[Family]
    starts: list[Row]
    active: list[Row]
    shape: Shape
    hopeless: list[Row]

    @property
    def num_tokens(self) -> int:
        """All tokens of the pass."""
        new = sum(family.length for family in self.prefixes) + sum(row.num_tokens for row in self.starts)
        return new + len(self.active)


class Limits(NamedTuple):
    """What a step may take: rows at once, new tokens a pass (one row may have more), cache tokens."""

    slots: int
    step_tokens: int
    cache_tokens: int

    def halved(self) -> "Limits":
        """Half of everything, at least one."""
        return Limits(*(max(value // 2, 1) for value in self))

"""What the scheduler decides about: the rows and families that queries become, and what a step does.

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
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from qwen_vl.budget import Shape
from qwen_vl.queries import Query

if TYPE_CHECKING:
    from torch import Generator

NOWHERE = -1
MAX_FAMILY = 128
"""Queries that may share one prefix; the next ones read it again."""
MAX_SUFFIX = 512
"""Longest suffix in tokens: scores of suffixes are computed as a square. Longer ones share nothing."""
MIN_SHARED_TEXT = 16
"""Prompts without pictures share a prefix if so many first ids are the same."""


@dataclass(slots=True)
class Ranking:
    """A query with options on its way, in one row or in several: what is known of its options."""

    logprobs: dict[int, float] = field(default_factory=dict)
    answered: bool = False


@dataclass(slots=True, eq=False)
class Row:
    """A query, or some of its options, which have one rotary stretch, on its way.

    A row that begins again keeps its answer: some of it is read with the suffix, the rest is fed as if it
    were chosen once more. `known` counts the answer's tokens that were read, or will be in the next step.
    """

    query: Query
    family: "Family"
    options: tuple[int, ...] = ()
    ranking: Ranking | None = None  # with options
    answer: list[int] = field(default_factory=list)
    known: int = 0
    slot: int = NOWHERE
    generator: "Generator | None" = None  # of its draws; begins with the first

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

    def begin_again(self, slowly: bool) -> None:
        """Out of its slot; the answer so far stays. Slowly: it is fed token by token, in passes no larger
        than they were; else as much of it as a suffix may have is read at once.
        """
        self.slot = NOWHERE
        prompt = len(self.query.ids) - self.family.length
        self.known = 0 if slowly else min(len(self.answer), max(MAX_SUFFIX - prompt, 0))

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


def joined(family: Family | None, query: Query, alpha: float, image_end: int) -> Family:
    """The family with one more query, if it shares a prefix with it; else a new one. Neither has the row."""
    head = query.ids[: image_end or MIN_SHARED_TEXT]
    key = (alpha, query.images, head)
    if family is not None and family.key == key and len(family.waiting) < MAX_FAMILY:
        shared = min(_common(family.first.ids, query.ids), family.length, len(query.ids) - 1)
        longest = max(family.longest, len(query.ids))
        if longest - shared <= MAX_SUFFIX and (image_end or shared >= MIN_SHARED_TEXT):
            family.length, family.longest = shared, longest
            return family
    return Family(key, alpha, query, image_end, len(query.ids) - 1, len(query.ids))


def _common(first: Sequence[int], second: Sequence[int]) -> int:
    """How many first ids are the same."""
    shortest = min(len(first), len(second))
    if first[:shortest] == second[:shortest]:
        return shortest
    return next(place for place in range(shortest) if first[place] != second[place])


class Step(NamedTuple):
    """One pass of the model: prefixes to write, rows to begin, rows that go on by one token.

    `hopeless` are rows that were taken out, because they do not fit into the cache even alone.
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

"""How large the cache of keys and values becomes, and how much is done at once. Touches no tensor."""

from typing import NamedTuple

STEP = 16
"""Tokens by which places grow where the budget is near; four times as many elsewhere."""


class Limits(NamedTuple):
    """What a step may take: rows at once, new tokens a pass (one row may have more), cache tokens."""

    slots: int
    step_tokens: int
    cache_tokens: int

    def __str__(self) -> str:
        """For the log."""
        return (
            f"rows at once: {self.slots}, new tokens a pass: {self.step_tokens}, cache: {self.cache_tokens}"
        )


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

    def covering(self, other: "Shape") -> "Shape":
        """The smallest that is as large as both."""
        return Shape(*map(max, self, other))

    def rounded(self, step: int) -> "Shape":
        """Places of a multiple of so many tokens."""
        return self._replace(
            slot_tokens=_multiple(self.slot_tokens, step), block_tokens=_multiple(self.block_tokens, step)
        )


def fitted(shape: Shape, needed: Shape, slots: int, most: int) -> Shape | None:
    """What a cache of this shape becomes, so that it holds what is needed: itself if it does, or grown in
    large steps, or in small ones as tight as can be; None if even that is more than `most` tokens.

    `slots` is the largest number of slots. Large steps, since whatever grows is copied.
    """
    large = needed.rounded(4 * STEP)
    large = large._replace(
        slots=max(needed.slots, min(_power_of_two(needed.slots), slots)), blocks=_power_of_two(needed.blocks)
    )
    ways = (shape, shape.covering(large), needed.rounded(STEP))
    return next((way for way in ways if way == way.covering(needed) and way.tokens <= most), None)


def _power_of_two(value: int) -> int:
    return 1 << (value - 1).bit_length() if value > 0 else 0


def _multiple(value: int, step: int) -> int:
    return -(-value // step) * step

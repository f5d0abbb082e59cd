"""What the model reads next. Touches no tensor, so that every decision is tested in milliseconds.

Queries about the same pictures stand together in the stream and become a family (rows.py), whose prefix is
read once. Families begin in the order of the stream, as many rows as there are slots; a slot that is free is
given away in the next step.

Pictures are told apart by their keys, never by token ids, so two pictures asked the same question share
nothing. The rotary stretch belongs to the family too: beyond `seq_length` it depends on the length of the
prompt, and only prompts of one stretch may share keys. Ranked options are read in one pass with the prompt's
suffix, very many in several, and keep no slot.

A row fits if the cache can hold it alone: neighbours that stand in its way begin again, and keep what they
have said. So all rows that fit are answered, whatever is asked beside them.

Slots in use are always 0 .. n - 1, in the order of `active`: the last row moves into a hole.
"""

from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count

from qwen_vl.budget import STEP, Limits, Shape, fitted
from qwen_vl.queries import Query
from qwen_vl.rows import MAX_FAMILY, NOWHERE, Family, Ranking, Row, Step, joined

MAX_SQUARES = 1 << 21
"""Most scores of one head that the suffixes of one step may take, padded to the longest."""
MAX_TAILS = 128
"""Tokens of options that one row reads, for the same reason; more options are several rows."""


@dataclass(slots=True)
class _Draft:
    """What a step begins, as it is put together."""

    needed: Shape  # of the cache
    tokens: int = 0  # new
    longest: int = 0  # start
    prefixes: list[Family] = field(default_factory=list)
    starts: list[Row] = field(default_factory=list)


class Scheduler:
    """Families in order of arrival, rows in slots, prefixes in blocks."""

    def __init__(self, limits: Limits, stretch: Callable[[int], float], image_start: int, queries: int):
        """`stretch` is the rotary stretch by length; a picture is <img>, `queries` rows, </img>."""
        self.limits = limits
        self.most_tokens = limits.cache_tokens  # for a row alone, whatever becomes of the limits
        self.families: deque[Family] = deque()
        self.active: list[Row] = []
        self.blocks: dict[int, Family] = {}
        self.shape = Shape()
        self.num_waiting = 0
        self._stretch, self._image_start, self._span = stretch, image_start, queries + 2
        self._open: Family | None = None
        self._crowded = False  # rows had to begin again: one may run alone, no new ones until one is done

    @property
    def has_room(self) -> bool:
        """Whether more queries may come; when not, at least one family is complete."""
        return self.num_waiting < self.limits.slots + MAX_FAMILY

    @property
    def is_idle(self) -> bool:
        """Whether nothing waits and nothing runs."""
        return not self.families and not self.active

    def add(self, query: Query) -> int:
        """Takes in a query that can be asked (queries.check_query); returns how many rows it became."""
        starts = [place for place, token in enumerate(query.ids) if token == self._image_start]
        image_end = starts[-1] + self._span if starts else 0
        ranking = Ranking() if query.options else None
        before = self.num_waiting
        for alpha, options in self._rows(query):
            family = joined(self._open, query, alpha, image_end)
            if family is not self._open:
                self._open = family
                self.families.append(family)
            family.waiting.append(Row(query, family, options, ranking))
            self.num_waiting += 1
        return self.num_waiting - before

    def close(self) -> None:
        """No more queries will join the last family."""
        self._open = None

    def images_ahead(self) -> Iterable[Hashable]:
        """The pictures of prefixes not yet written, those needed first first."""
        for family in self.families:
            if not family.written:
                yield from family.images

    def plan(self, ready: Callable[[Hashable], bool]) -> Step:
        """The next step; `ready` says of a picture whether its features are there. Its slots and blocks
        are taken: follow with `began`, or with `restart` where the step could not be done.
        """
        self._make_room()
        draft = _Draft(self._needed())
        hopeless: list[Row] = []
        for family in list(self.families):
            if not self._can_begin(family, ready):
                break
            for row in list(family.waiting):
                if tokens_alone(row) > self.most_tokens:
                    hopeless.append(row)
                elif not self._begin(row, draft):
                    break
            if any(row not in hopeless for row in family.waiting):
                break
        self.withdraw(hopeless)
        idle = not (draft.starts or self.active or hopeless)
        if idle and self.blocks and self._can_begin(self.families[0], ready):
            self.restart()  # a prefix that waits stands in the way of its own next row
            return self.plan(ready)
        return Step(draft.prefixes, draft.starts, list(self.active), self.shape, hopeless)

    def began(self, step: Step) -> None:
        """The step was done: its prefixes are written, its rows hold their slots."""
        for family in step.prefixes:
            family.written = True
        for row in step.starts:
            row.family.written = True
            if row.slot != NOWHERE:
                assert row.slot == len(self.active), (row.slot, len(self.active))
                self.active.append(row)

    def finish(self, rows: Sequence[Row]) -> list[tuple[int, int]]:
        """Frees slots and blocks of rows that are done; returns the moves (from, to) that fill the holes."""
        for row in rows:
            assert row.slot == NOWHERE or self.active[row.slot] is row, row.slot
        self._crowded = self._crowded and not rows
        moves: list[tuple[int, int]] = []
        for row in sorted(rows, key=lambda row: -row.slot):
            if row.slot != NOWHERE:
                last = self.active.pop()
                if last is not row:
                    moves.append((last.slot, row.slot))
                    last.slot = row.slot
                    self.active[row.slot] = last
                row.slot = NOWHERE
            row.family.active -= 1
            self._release(row.family)
        return _direct(moves)

    def cancelled(self) -> list[Row]:
        """Rows that nobody waits for any more."""
        rows = [*self.active, *(row for family in self.families for row in family.waiting)]
        return [row for row in rows if row.query.cancelled is not None and row.query.cancelled()]

    def withdraw(self, rows: Iterable[Row]) -> None:
        """Takes out rows that wait."""
        for row in rows:
            self._take(row)
            if row.family is self._open and not row.family.waiting:
                self._open = None
            self._release(row.family)

    def restart(self, step: Step | None = None, keep: int = 0, slowly: bool = False) -> None:
        """Lets all rows but the first `keep` active ones begin again, those of `step` too."""
        begun = [*self.active[keep:], *(step.starts if step is not None else ())]
        del self.active[keep:]
        self._crowded = self._crowded or bool(begun)
        for row in reversed(begun):
            family = row.family
            family.active -= 1
            row.begin_again(slowly)
            if not family.waiting:
                self.families.appendleft(family)
            family.waiting.appendleft(row)
            self.num_waiting += 1
        for family in list(self.blocks.values()):
            if not family.active:
                del self.blocks[family.block]
                family.block, family.written = NOWHERE, False
        for family in self.families:
            if not family.active and not family.length:
                family.written = False
        if not self.active:
            self.shape = Shape()

    def check(self) -> None:
        """Asserts that no slot or block leaks, none is used twice, and the budget is kept."""
        assert [row.slot for row in self.active] == list(range(len(self.active)))
        assert len(self.active) <= self.limits.slots, (len(self.active), self.limits)
        forks: dict[int, int] = {}
        for row in self.active:
            forks[id(row.family)] = forks.get(id(row.family), 0) + 1
            assert row.cached - 1 <= self.shape.slot_tokens, (row.cached, self.shape)
        known = {id(family): family for family in (*self.families, *self.blocks.values())}
        known |= {id(row.family): row.family for row in self.active}
        for family in known.values():
            assert family.active == forks.get(id(family), 0), (family.active, forks.get(id(family), 0))
            assert family.waiting or family.active, "a family without rows was not let go"
            assert (family.block in self.blocks) == bool(family.written and family.length), family.block
        assert all(family.block == block for block, family in self.blocks.items())
        assert self.num_waiting == sum(len(family.waiting) for family in self.families)
        most = self.limits.cache_tokens if len(self.active) > 1 else self.most_tokens
        assert self.shape.tokens <= most, (self.shape, most)

    def _rows(self, query: Query) -> Iterator[tuple[float, tuple[int, ...]]]:
        """The rotary stretch and the options of each row that a query becomes."""
        by_alpha: dict[float, list[int]] = {}
        for number, option in enumerate(query.options):
            by_alpha.setdefault(self._stretch(len(query.ids) + len(option) - 1), []).append(number)
        for alpha, numbers in by_alpha.items():
            options: list[int] = []
            tokens = 0
            for number in numbers:
                tail = len(query.options[number]) - 1
                if options and tokens + tail > MAX_TAILS:
                    yield alpha, tuple(options)
                    options, tokens = [], 0
                options.append(number)
                tokens += tail
            yield alpha, tuple(options)
        if not query.options:
            yield self._stretch(len(query.ids)), ()

    def _can_begin(self, family: Family, ready: Callable[[Hashable], bool]) -> bool:
        return family is not self._open and (family.written or all(map(ready, family.images)))

    def _begin(self, row: Row, draft: _Draft) -> bool:
        """Takes a row into the step if there is room for it."""
        family, rows = row.family, len(self.active) + len(draft.starts)
        new = family.length > 0 and family.block == NOWHERE
        tokens = draft.tokens + row.num_tokens + (family.length if new else 0)
        longest = max(draft.longest, row.num_tokens)
        wide = (len(draft.starts) + 1) * longest**2 > MAX_SQUARES
        if rows >= (1 if self._crowded else self.limits.slots):
            return False
        if draft.starts and (tokens > self.limits.step_tokens or wide):
            return False
        block = next(place for place in count() if place not in self.blocks) if new else family.block
        needed = draft.needed.covering(_place(row, draft.needed.slots, block))
        shape = self._fitted(needed, rows + 1)
        if shape is None:
            return False
        if new:
            family.block = block
            self.blocks[block] = family
            draft.prefixes.append(family)
        if not row.options:
            row.slot = draft.needed.slots
        draft.starts.append(row)
        family.active += 1
        self._take(row)
        self.shape, draft.needed, draft.tokens, draft.longest = shape, needed, tokens, longest
        return True

    def _make_room(self) -> None:
        """For one more token of every active row. Where the budget does not allow it prefixes that only wait
        are let go, then the last rows begin again, in the end all: then the first has the cache for itself.
        """
        keep = len(self.active)
        while (shape := self._fitted(self._needed(), len(self.active))) is None:
            self.restart(keep=keep)
            keep -= 1
        self.shape = shape

    def _needed(self) -> Shape:
        """What all active rows and prefixes take."""
        return Shape(
            len(self.active),
            max((row.cached for row in self.active), default=0),
            max(self.blocks, default=NOWHERE) + 1,
            max((family.length for family in self.blocks.values()), default=0),
        )

    def _fitted(self, needed: Shape, rows: int) -> Shape | None:
        most = self.limits.cache_tokens if rows > 1 else self.most_tokens
        return fitted(self.shape, needed, self.limits.slots, most)

    def _take(self, row: Row) -> None:
        """Out of those that wait."""
        row.family.waiting.remove(row)
        self.num_waiting -= 1
        if not row.family.waiting:
            self.families.remove(row.family)

    def _release(self, family: Family) -> None:
        if not family.waiting and not family.active and family.block != NOWHERE:
            del self.blocks[family.block]
            family.block = NOWHERE


def _direct(moves: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Moves made one after another as moves made at once: a row that moved twice moves once."""
    origin: dict[int, int] = {}
    for source, target in moves:
        origin[target] = origin.pop(source, source)
    return [(source, target) for target, source in origin.items()]


def _place(row: Row, slot: int, block: int) -> Shape:
    """The cache that has this slot, unless the row has options, and this block for a row."""
    slots = Shape() if row.options else Shape(slot + 1, row.cached)
    return slots if block == NOWHERE else slots._replace(blocks=block + 1, block_tokens=row.family.length)


def tokens_alone(row: Row) -> int:
    """Tokens of the smallest cache for a row, its whole answer so far, and nothing beside it."""
    shape = _place(row, 0, 0)
    return shape._replace(slot_tokens=shape.slot_tokens + len(row.answer) - row.known).rounded(STEP).tokens

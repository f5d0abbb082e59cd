"""What the model reads next. Touches no tensor, so that every decision is tested in milliseconds.

Queries about the same pictures stand together in the stream and become a family (rows.py), whose prefix is
read once. Families begin in the order of the stream, as many rows as there are slots; a slot that is free is
given away in the next step.

Pictures are told apart by their keys, never by token ids, so two pictures asked the same question share
nothing. The rotary stretch belongs to the family too: beyond `seq_length` it depends on the length of the
prompt, and only prompts of one stretch may share keys. Ranked options are read in one pass with the prompt's
suffix and need no slot.

Slots in use are always 0 .. n - 1, in the order of `active`: the last row moves into a hole.
"""

from collections import deque
from collections.abc import Callable, Hashable, Iterable, Sequence
from itertools import count

from qwen_vl.rows import MAX_SUFFIX, NOWHERE, Family, Limits, Query, Row, Shape, Step

MAX_FAMILY = 128
"""Queries that may share one prefix; the next ones read it again."""
MAX_SQUARES = 1 << 21
"""Most scores of one head that the suffixes of one step may take, padded to the longest."""
MIN_SHARED_TEXT = 16
"""Prompts without pictures share a prefix if so many first ids are the same."""


class Scheduler:
    """Families in order of arrival, rows in slots, prefixes in blocks."""

    def __init__(self, limits: Limits, stretch: Callable[[int], float], image_start: int, queries: int):
        """`stretch` is the rotary stretch by length; a picture is <img>, `queries` rows, </img>."""
        self.limits = limits
        self.families: deque[Family] = deque()
        self.active: list[Row] = []
        self.blocks: dict[int, Family] = {}
        self.shape = Shape()
        self.num_waiting = 0
        self._stretch, self._image_start, self._span = stretch, image_start, queries + 2
        self._open: Family | None = None
        self._crowded = False  # rows had to begin again: no new ones until one is done

    @property
    def has_room(self) -> bool:
        """Whether more queries may come; when not, at least one family is complete."""
        return self.num_waiting < self.limits.slots + MAX_FAMILY

    @property
    def is_idle(self) -> bool:
        """Whether nothing waits and nothing runs."""
        return not self.families and not self.active

    def add(self, query: Query) -> int:
        """Takes a query in; returns how many rows it became. ValueError for one that cannot be asked."""
        if not query.ids:
            raise ValueError("an empty prompt has nothing to go on from")
        if any(not option for option in query.options):
            raise ValueError("an empty continuation has no log-probability")
        starts = [place for place, token in enumerate(query.ids) if token == self._image_start]
        if len(starts) != len(query.images):
            raise ValueError(f"{len(starts)} <img> in the ids, {len(query.images)} pictures")
        image_end = starts[-1] + self._span if starts else 0
        by_alpha: dict[float, list[int]] = {}
        for number, option in enumerate(query.options):
            by_alpha.setdefault(self._stretch(len(query.ids) + len(option) - 1), []).append(number)
        if not query.options:
            by_alpha[self._stretch(len(query.ids))] = []
        for alpha, options in by_alpha.items():
            family = self._family(query, alpha, image_end)
            family.waiting.append(Row(query, family, tuple(options)))
            self.num_waiting += 1
        return len(by_alpha)

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
        shape, hopeless = self._room_to_go_on()
        prefixes: list[Family] = []
        starts: list[Row] = []
        tokens, longest, slots = 0, 0, len(self.active)
        for family in list(self.families):
            if self._crowded or not self._can_begin(family, ready):
                break
            fresh, begun = not family.written, 0
            for row in list(family.waiting):
                cost = row.num_tokens + (family.length if fresh else 0)
                side = max(longest, row.num_tokens)
                wide = (len(starts) + 1) * side * side > MAX_SQUARES
                if starts and (tokens + cost > self.limits.step_tokens or wide):
                    break
                if not row.options and slots == self.limits.slots:
                    break
                new_block = fresh and family.length > 0
                if new_block:
                    family.block = next(place for place in count() if place not in self.blocks)
                grown = self._fitted(shape, [*starts, row], [family] if new_block else [])
                if grown is None:
                    family.block = NOWHERE if new_block else family.block
                    break
                if new_block:
                    self.blocks[family.block] = family
                    prefixes.append(family)
                if not row.options:
                    row.slot = slots
                    slots += 1
                shape, fresh, tokens, longest, begun = grown, False, tokens + cost, side, begun + 1
                starts.append(row)
            for _ in range(begun):
                family.waiting.popleft()
            self.num_waiting -= begun
            if family.waiting:
                break
            self.families.popleft()
        if not starts and not self.active and not hopeless:
            self._crowded = False
            if self.blocks:  # a prefix that waits stands in the way of its own next row
                self.restart()
                return self.plan(ready)
            if self.families and self._can_begin(self.families[0], ready):
                hopeless.append(self.families[0].waiting[0])
                self.withdraw(hopeless)
        self.shape = shape
        return Step(prefixes, starts, list(self.active), shape, hopeless)

    def began(self, step: Step) -> None:
        """The step was done: its prefixes are written, its rows hold their slots."""
        for family in step.prefixes:
            family.written = True
        for row in step.starts:
            row.family.written = True
            row.family.active += 1
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
            family = row.family
            family.waiting.remove(row)
            self.num_waiting -= 1
            if not family.waiting:
                self.families.remove(family)
                if family is self._open:
                    self._open = None
                self._release(family)

    def restart(self, step: Step | None = None, keep: int = 0) -> None:
        """Lets all rows but the first `keep` active ones begin again, those of `step` too."""
        begun = self.active[keep:]
        for row in begun:
            row.family.active -= 1
        del self.active[keep:]
        for row in reversed([*begun, *(step.starts if step is not None else ())]):
            family = row.family
            row.begin_again()
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
        assert self.shape.tokens <= self.limits.cache_tokens, (self.shape, self.limits)

    def _family(self, query: Query, alpha: float, image_end: int) -> Family:
        """The open family if the query belongs to it, else a new one."""
        head = query.ids[: image_end or MIN_SHARED_TEXT]
        key = (alpha, query.images, head)
        family = self._open
        if family is not None and family.key == key and len(family.waiting) < MAX_FAMILY:
            shared = min(_common(family.first.ids, query.ids), family.length, len(query.ids) - 1)
            longest = max(family.longest, len(query.ids))
            if longest - shared <= MAX_SUFFIX and (image_end or shared >= MIN_SHARED_TEXT):
                family.length, family.longest = shared, longest
                return family
        family = Family(key, alpha, query, image_end, len(query.ids) - 1, len(query.ids))
        self._open = family
        self.families.append(family)
        return family

    def _can_begin(self, family: Family, ready: Callable[[Hashable], bool]) -> bool:
        return family is not self._open and (family.written or all(map(ready, family.images)))

    def _room_to_go_on(self) -> tuple[Shape, list[Row]]:
        """The cache with room for one more token of every active row.

        Where the budget does not allow it the last rows begin again; a row alone is hopeless.
        """
        while self.active:
            shape = self._fitted(self.shape)
            if shape is not None:
                return shape, []
            if len(self.active) == 1:
                (row,) = self.active
                self.finish([row])
                return Shape(), [row]
            self.restart(keep=len(self.active) - 1)
            self._crowded = True
        return self.shape if self.blocks else Shape(), []

    def _fitted(self, shape: Shape, new: Sequence[Row] = (), prefixes: Sequence[Family] = ()) -> Shape | None:
        """A cache that holds all rows and blocks, the new ones too: grown generously, or else as tight as can
        be; None if even that is over the budget.
        """
        rows = [row for row in (*self.active, *new) if not row.options]
        last, longest = -1, 0
        for block, family in self.blocks.items():
            last, longest = max(last, block), max(longest, family.length)
        for family in prefixes:
            last, longest = max(last, family.block), max(longest, family.length)
        tight = Shape(len(rows), max((row.cached for row in rows), default=0), last + 1, longest)
        generous = Shape(
            min(_power_of_two(tight.slots), self.limits.slots),
            _power_of_two(tight.slot_tokens),
            _power_of_two(tight.blocks),
            _multiple(tight.block_tokens, 64),
        )
        grown = Shape(*(max(sizes) for sizes in zip(shape, generous, strict=True)))
        return next((size for size in (grown, tight) if size.tokens <= self.limits.cache_tokens), None)

    def _release(self, family: Family) -> None:
        if not family.waiting and not family.active and family.block != NOWHERE:
            del self.blocks[family.block]
            family.block = NOWHERE


def _common(first: Sequence[int], second: Sequence[int]) -> int:
    """How many first ids are the same."""
    shortest = min(len(first), len(second))
    if first[:shortest] == second[:shortest]:
        return shortest
    return next(place for place in range(shortest) if first[place] != second[place])


def _direct(moves: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Moves made one after another as moves made at once: a row that moved twice moves once."""
    origin: dict[int, int] = {}
    for source, target in moves:
        origin[target] = origin.pop(source, source)
    return [(source, target) for target, source in origin.items()]


def _power_of_two(value: int) -> int:
    return 1 << (value - 1).bit_length() if value > 0 else 0


def _multiple(value: int, step: int) -> int:
    return -(-value // step) * step

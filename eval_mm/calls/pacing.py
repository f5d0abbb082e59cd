"""How many calls are made at once: as many as the server takes.

One more for every call that is answered until the server says that it is too much; from then on half as many
at every such word and one more for each round of answers (additive increase, multiplicative decrease, as TCP
has it); other faults tell nothing. The first call goes alone, so that a wrong key costs one call, no crowd.
"""

import asyncio
import time


class Pacing:
    """Lets calls in one by one; everything here happens in one event loop.

    Args:
        most: how many calls at once are never exceeded.
        like: an earlier pacing of the same server, whose pace is gone on with.
    """

    def __init__(self, most: int, like: "Pacing | None" = None):
        self.most = most
        self.times_overloaded: int = like.times_overloaded if like else 0
        self.num_answered = 0
        self.silent_rounds: int = like.silent_rounds if like else 0
        self.halted = False
        self._limit: float = min(float(most), like._limit) if like else 1.0
        self._under_way = 0
        self._not_before = 0.0
        self._changed = asyncio.Event()
        self._end = asyncio.Event()

    @property
    def limit(self) -> int:
        """How many calls may be under way now."""
        return int(self._limit)

    async def enter(self) -> int:
        """Waits for a place, or for `halt`; returns what `leave` takes."""
        while not self.halted:
            wait = self._not_before - time.monotonic()
            if wait > 0:
                await self.sleep(wait)
            elif self._under_way >= self.limit:
                self._changed.clear()
                await self._changed.wait()
            else:
                break
        self._under_way += 1
        return self.times_overloaded

    def leave(
        self, entered: int, answered: bool = False, overloaded: bool = False, silent: bool = False
    ) -> None:
        """Gives the place back and learns from what became of the call: a reply, too much, or another fault.

        Several calls that were under way together tell of one overload, not of several. `silent` is an
        overload that nobody spoke of: there was no reply in time.
        """
        self._under_way -= 1
        if answered:
            self.num_answered += 1
            self.silent_rounds = 0
            step = 1.0 if self.times_overloaded == 0 else 1.0 / self._limit
            self._limit = min(float(self.most), self._limit + step)
        elif overloaded and entered == self.times_overloaded:
            self._limit = max(1.0, self._limit / 2)
            self.times_overloaded += 1
            self.silent_rounds = self.silent_rounds + 1 if silent else 0
        self._changed.set()

    def hold(self, seconds: float) -> None:
        """Lets no call in before so many seconds have passed: the server asked for it."""
        self._not_before = max(self._not_before, time.monotonic() + seconds)

    async def sleep(self, seconds: float) -> None:
        """Waits, but not longer than until `halt`."""
        try:
            async with asyncio.timeout(seconds):
                await self._end.wait()
        except TimeoutError:
            pass

    def halt(self) -> None:
        """Nothing more is to be asked: wakes all who wait."""
        self.halted = True
        self._end.set()
        self._changed.set()

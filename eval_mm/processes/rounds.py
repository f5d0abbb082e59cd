"""What the processes of a run do together in one run folder: share work, and end it for the same reason.

with Round(join(), "fill") as round:
    plan = round.same("plan", make)    # process 0 makes it, all have it
    number = round.take()              # 0, 1, 2, ...: each number to one process alone
"""

import itertools
import json
import time
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Any, TypeVar

from eval_mm.console import BAD_INPUT, INTERRUPTED, told
from eval_mm.errors import Interrupted, UserError
from eval_mm.processes.store_line import BEAT, Line, Store, peek
from eval_mm.processes.team import PAUSE, Status, Team

LEAVE = 10.0
"""Seconds that process 0 waits for the others to know how a round ended."""

T = TypeVar("T")


class Round:
    """One of the things that the processes do together, all of them in the same order.

    What ends it in one process ends it in all: where it was bad input they raise the same UserError.

    Every second, in the thread of the store, `before` gives what this process says of itself, and `after` is
    told what the others say: all others to process 0, process 0 to the others. `stuck` is set there where the
    main thread will not end by itself any more.
    """

    def __init__(self, team: Team, name: str):
        self.team, self.leads, self.rank, self.world = team, team.leads, team.rank, team.world
        self.before: Callable[[Store], Status] | None = None
        self.after: Callable[[Store, dict[int, Status]], None] | None = None
        self.key = team.unique(name)
        self._taken = itertools.count()
        self.stuck: str | None = None
        self._ended: dict[str, Any] | None = None

    def take(self) -> int:
        """The next number, given to this process alone."""
        line = self.team.line
        return next(self._taken) if line is None else line.add(f"{self.key}/taken") - 1

    def tell(self, what: str, make: Callable[[], str]) -> str:
        """What process 0 makes, told to the others; where there are none it is not told."""
        line, key = self.team.line, f"{self.key}/{what}"
        if line is None:
            return make()
        made = make()
        line.send(key, made)
        return made

    def hear(self, what: str) -> str:
        """What process 0 tells; for the others."""
        line = self.team.line
        assert line is not None, "process 0 hears nothing"
        return self.wait(lambda: line.receive(f"{self.key}/{what}"))

    def is_told(self, what: str) -> bool:
        """Whether process 0 has told it."""
        line = self.team.line
        return line is not None and line.peek(f"{self.key}/{what}") is not None

    def same(self, what: str, make: Callable[[], str]) -> str:
        """What process 0 makes, in all of them."""
        return self.tell(what, make) if self.leads else self.hear(what)

    def wait(self, until: Callable[[], T | None]) -> T:
        """The first thing other than None that `until` gives; raises as `check`."""
        self.check()
        while (found := until()) is None:
            time.sleep(PAUSE)
            self.check()
        return found

    def check(self) -> None:
        """Raises what ended the round in another process.

        Raises:
            UserError: what the user can mend there, in the same words, with the same exit code.
            Interrupted: anything else, or a process that is lost.
        """
        if self._ended is not None:
            raise _error(self._ended)
        self.team.check()

    @property
    def is_over(self) -> bool:
        """Whether `check` would raise."""
        return self._ended is not None or self.team.is_over

    def status(self, store: Store) -> Status:
        """What this process says of itself."""
        return {"round": self.key, **(self.before(store) if self.before is not None else {})}

    def notice(self, store: Store, statuses: dict[int, Status]) -> str | None:
        """What the others say of themselves; returns what ended the round in one of them."""
        if self.stuck is not None:
            mine = json.dumps(self._ending(INTERRUPTED, self.stuck))
            store.compare_set(f"{self.key}/ended", "", mine)
        if self._ended is None and (ended := peek(store, f"{self.key}/ended")) is not None:
            self._ended = json.loads(ended)
        if self.after is not None:
            self.after(
                store, {rank: said for rank, said in statuses.items() if said.get("round") == self.key}
            )
        return None if self._ended is None else str(self._ended["reason"])

    def __enter__(self) -> "Round":
        self.team.beating = self
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Tells the others what ended the round here; raises instead what had ended it elsewhere."""
        self.before = self.after = None
        line = self.team.line
        try:
            if line is not None and error is not None:
                self._end_for_all(line, error)
            elif line is not None:
                self._leave(line)
        finally:
            self.team.beating = None

    def _end_for_all(self, line: Line, error: BaseException) -> None:
        bad_input = isinstance(error, UserError | OSError)
        try:
            reason = told(error) if bad_input else self._why(error)
            usual = BAD_INPUT if bad_input else INTERRUPTED
            mine = self._ending(error.code if isinstance(error, UserError) else usual, reason)
            first = json.loads(line.claim(f"{self.key}/ended", json.dumps(mine)))
        except (Interrupted, OSError):
            return
        if first == mine:
            with suppress(KeyboardInterrupt):  # torchrun ends the others as soon as this one has
                time.sleep(2 * BEAT)  # let them learn why
        if isinstance(error, KeyboardInterrupt):
            raise _error(first) from None

    def _why(self, error: BaseException) -> str:
        if isinstance(error, Interrupted | KeyboardInterrupt):
            return str(error) or self.team.died() or f"process {self.rank} was told to end"
        return f"process {self.rank}: {type(error).__name__}: {error}"

    def _ending(self, code: int, reason: str) -> dict[str, Any]:
        return {"code": code, "reason": reason, "rank": self.rank}

    def _leave(self, line: Line) -> None:
        """Process 0 leaves last: where it ends with an error, torchrun ends those that are still there."""
        if not self.leads:
            line.add(f"{self.key}/left")
            return
        deadline = time.monotonic() + LEAVE
        while int(line.peek(f"{self.key}/left") or 0) < self.world - 1 and time.monotonic() < deadline:
            time.sleep(PAUSE)


def _error(ended: dict[str, Any]) -> UserError | Interrupted:
    """What is raised here of what ended another process."""
    if ended["code"] == INTERRUPTED:
        return Interrupted(ended["reason"])
    error = UserError(ended["reason"])
    error.code = ended["code"]
    return error

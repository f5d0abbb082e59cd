"""The processes of a run: one alone, or those that torchrun started.

They exchange no tensors and meet in no collective. What they share is torch's TCP store, which torchrun
keeps: a counter that gives out work, the word of process 0 to the others, and every second a sign of life of
each. Without torchrun, with RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT set, process 0 keeps the store.

Nothing waits for ever, by a clock that nobody sets:

    JOIN      10 min   all processes must have started
    SILENT     2 min   without a sign of life of another process, process 0 ends the run; the others do where
                       it is process 0
    STALLED   30 min   a process that holds questions must have given an answer
    LAST       1 min   a process of a run that cannot go on must have ended, or it is ended

Torchrun may start all of them again. Then process 0 calls anew, and only who answers that call belongs to the
run, whatever an earlier try has left in the store and whoever of it is still there.
"""

import atexit
import functools
import itertools
import json
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any, NamedTuple, NoReturn, Protocol, TypeVar, cast

from eval_mm.console import BAD_INPUT, INTERRUPTED, SAMPLE_ERRORS
from eval_mm.errors import Interrupted, UserError
from eval_mm.processes.store_line import SILENT, Line, Store, peek

JOIN, LAST = 600.0, 60.0
HINT = 10.0
"""Seconds after which process 0 says for whom it waits."""
PAUSE = 0.05
"""Seconds between two looks at the store by who waits for something in it."""

T = TypeVar("T")
Status = dict[str, Any]
"""What a process says of itself every second."""


class Beating(Protocol):
    """What has something to say and to hear with every sign of life; both in the thread of the store."""

    def status(self, store: Store) -> Status:
        """What this process says of itself."""

    def notice(self, store: Store, statuses: dict[int, Status]) -> str | None:
        """What others say of themselves: all others to process 0, process 0 to the others.

        Returns what ended the work in another process.
        """


class _Seen(NamedTuple):
    """The last sign of life of a process, and when it was first seen."""

    value: bytes
    when: float


class Team:
    """The processes of a run as one of them knows them: it is `rank` of `world`, and 0 leads."""

    def __init__(self, rank: int = 0, world: int = 1, connect: Callable[[], Store] | None = None):
        """Meets the others; alone without `connect`.

        Raises:
            Interrupted: not all were there within JOIN seconds.
            SystemExit: an earlier try of this torchrun came to an end that another would come to as well.
        """
        self.rank, self.world, self.leads = rank, world, rank == 0
        self.beating: Beating | None = None
        self._me = self.call = os.urandom(8).hex()
        self._names: Counter[str] = Counter()
        self._trouble: str | None = None
        self._ended: float | None = None
        self._seen: dict[int, _Seen] = {}
        self._beats = itertools.count()
        self.line = None if connect is None else Line(connect)
        if self.line is not None:
            self._meet(self.line)
            self.line.beat = self._beat

    @property
    def is_over(self) -> bool:
        """Whether `check` would raise."""
        return self._trouble is not None or (self.line is not None and self.line.is_over)

    def unique(self, name: str) -> str:
        """A key for what is done under a name now: the same in all processes, another the next time."""
        self._names[name] += 1
        return f"{self.call}/{name}#{self._names[name]}"

    def check(self) -> None:
        """Raises Interrupted where the run cannot go on, and what went wrong in the thread of the store."""
        if self.line is not None:
            self.line.check()
        if self._trouble is not None:
            raise Interrupted(self._trouble)

    def once(self, name: str) -> bool:
        """Whether something is to be done now that is done once in all tries of a torchrun."""
        return self.line is None or self.line.claim(f"once/{name}", self._me) == self._me

    def says(self, message: str) -> bool:
        """Whether this process is to say what all may have found: who asks first says it."""
        if self.line is None:
            return True
        try:
            return self.line.claim(f"{self.call}/said/{message}", self._me) == self._me
        except Interrupted:
            return self.leads

    def died(self) -> str | None:
        """Which process of this torchrun and machine has ended without a goodbye; None where none has.

        Torchrun ends the others then by the signal by which a scheduler ends all.
        """
        for rank in range(self.world):
            status = self._status(rank)
            here = (status.get("host"), status.get("node")) == _place()
            if here and not _lives(status["pid"]) and "gone" not in self._status(rank):
                return f"process {rank} (pid {status['pid']}) on {status['host']} has died"
        return None

    def conclude(self, code: int) -> None:
        """Has every further try of this torchrun end with the same exit code at once."""
        if self.line is not None:
            with suppress(Interrupted):  # who has lost the store starts no further try with it
                self.line.set("concluded", str(code))

    def close(self, code: int = 0) -> None:
        """Says goodbye, with an exit code: nobody waits for a sign of life of this process any more."""
        if self.line is not None:
            line, self.line = self.line, None
            line.beat = None
            with suppress(Interrupted, OSError, UserError):
                line.set(self._status_key(self.rank), json.dumps({"gone": code}))
            line.close()

    def follow(self) -> int:
        """The exit code of process 0, once it has ended; raises as `check`."""
        line = self.line
        while line is not None:
            goodbye = self._status(0).get("gone")
            if goodbye is not None:
                return int(goodbye)
            self.check()
            time.sleep(PAUSE)
        return 0

    def _meet(self, line: Line) -> None:
        """Everyone answers the call of process 0, so nobody of an earlier try is taken for one of this."""
        concluded = line.peek("concluded")
        if concluded is not None:
            sys.exit(int(concluded))
        if self.leads:
            self._gather(line)
            return
        deadline = time.monotonic() + JOIN
        while not self._answer(line):
            if time.monotonic() > deadline:
                raise Interrupted(f"process {self.rank}: process 0 has not started within {JOIN:.0f} s")
            time.sleep(PAUSE)

    def _gather(self, line: Line) -> None:
        """Process 0: calls, and waits for all answers."""
        line.set(self._status_key(0), self._sign({}))
        line.set("call", self.call)
        missing = list(range(1, self.world))
        started = time.monotonic()
        hinted = False
        while missing := [rank for rank in missing if line.peek(f"{self.call}/here/{rank}") is None]:
            waited, named = time.monotonic() - started, ", ".join(map(str, missing))
            if waited > JOIN:
                raise Interrupted(f"processes {named} of {self.world} have not started within {JOIN:.0f} s")
            if waited > HINT and not hinted:
                print(f"waiting for processes {named} of {self.world} to start", file=sys.stderr)
                hinted = True
            time.sleep(PAUSE)
        line.set(f"{self.call}/go", "")

    def _answer(self, line: Line) -> bool:
        """Another process: answers the call there is; whether all have answered it."""
        call = line.peek("call")
        if call is None or line.peek(f"{call}/over") is not None:
            return False
        self.call = call
        line.set(self._status_key(self.rank), self._sign({}))
        if line.claim(f"{call}/here/{self.rank}", self._me) != self._me:
            line.set(f"{call}/over", f"process {self.rank} was started again")
            return False
        return line.peek(f"{call}/go") is not None

    def _status_key(self, rank: int) -> str:
        return f"{self.call}/status/{rank}"

    def _status(self, rank: int) -> Status:
        """The last sign of life of a process, empty where it has given none."""
        status: Status = json.loads((self.line and self.line.peek(self._status_key(rank))) or "{}")
        return status

    def _sign(self, status: Status) -> str:
        """A sign of life; no two are the same."""
        host, node = _place()
        who = {"me": self._me, "host": host, "node": node, "pid": os.getpid()}
        return json.dumps({"beat": next(self._beats), **who, **status})

    def _beat(self, store: Store) -> None:
        """Every second: says what this process does, hears of the others, in the thread of the store."""
        now, beating = time.monotonic(), self.beating
        store.set(self._status_key(self.rank), self._sign({} if beating is None else beating.status(store)))
        over = peek(store, f"{self.call}/over")
        if over is not None or store.get("call").decode() != self.call:
            self._trouble = "the processes were started again" if over is None else over.decode()
        ranks = range(1, self.world) if self.leads else range(1)
        statuses: dict[int, Status] = {}
        for rank, value in zip(ranks, store.multi_get(list(map(self._status_key, ranks))), strict=True):
            status = statuses[rank] = json.loads(value)
            seen = self._seen.get(rank)
            if seen is None or seen.value != value:
                self._seen[rank] = _Seen(value, now)
            elif now - seen.when > SILENT and "gone" not in status:
                place = f"process {rank} on {status['host']}"
                self._trouble = f"{place} has given no sign of life for {SILENT:.0f} s"
        ended = beating.notice(store, statuses) if beating is not None else None
        if ended is None and self._trouble is None:
            self._ended = None
        elif self._ended is None:
            self._ended = now
        elif now - self._ended > LAST:  # it hangs where nothing can be raised; all its answers are on disk
            print(f"interrupted: {self._trouble or ended}; process {self.rank} is ended", file=sys.stderr)
            sys.stderr.flush()
            os._exit(INTERRUPTED)


@functools.cache
def join() -> Team:
    """The processes that torchrun started, or this one alone; the same in every call.

    Raises:
        UserError: WORLD_SIZE says that there are others, and the rest of what torchrun sets is missing.
        Interrupted: not all of them have started in time.
    """
    world = _number("WORLD_SIZE", "1")
    if world == 1:
        return Team()
    rank, local, port = _number("RANK"), _number("LOCAL_RANK", "0"), _number("MASTER_PORT")
    address = os.environ.get("MASTER_ADDR", "localhost")
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")  # or a lost store fills the screen before we say so
    from torch.distributed import PrefixStore, TCPStore  # type: ignore[attr-defined]

    def connect() -> Store:
        keeps = rank == 0 and os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True"
        limit = timedelta(seconds=JOIN)
        server = TCPStore(address, port, None, keeps, limit, wait_for_workers=False)
        return cast(Store, PrefixStore(f"eval_mm/{os.environ.get('TORCHELASTIC_RUN_ID', '')}", server))

    choose_gpu(local)
    team = Team(rank, world, connect)
    atexit.register(team.close)
    return team


def choose_gpu(number: int) -> None:
    """Makes this GPU of the machine what "auto" and "cuda" mean; where there are fewer, processes share."""
    import torch

    if torch.cuda.is_available():
        torch.cuda.set_device(number % torch.cuda.device_count())


def says(message: str) -> bool:
    """Whether this process is to say what others may have found too."""
    return join().says(message) if join.cache_info().currsize else True


def leave(code: int, to_the_end: bool) -> NoReturn:
    """Ends this process; after bad input or failed samples no further try of this torchrun does more.

    Torchrun ends all others by a signal as soon as one has ended with an error. So where the command came
    `to_the_end` the others wait for process 0, which prints and may have a judge to ask. And the end is at
    once: a Python that is shutting down dies of the signal with another exit code.
    """
    team = join() if join.cache_info().currsize else None
    if team is not None and not team.leads and to_the_end:
        with suppress(KeyboardInterrupt, Interrupted, OSError):
            code = max(code, team.follow())
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if team is not None:
        if code in (BAD_INPUT, SAMPLE_ERRORS):
            team.conclude(code)
        team.close(code)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _place() -> tuple[str, str | None]:
    """The machine, and the torchrun there: two containers of one name have different processes."""
    return os.uname().nodename, os.environ.get("GROUP_RANK")


def _lives(pid: int) -> bool:
    """Whether there is a process of that number on this machine."""
    with suppress(PermissionError):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
    return True


def _number(name: str, default: str = "") -> int:
    text = os.environ.get(name, default)
    if not text.isdecimal() or (name == "WORLD_SIZE" and text == "0"):
        raise UserError(
            f"WORLD_SIZE is {os.environ.get('WORLD_SIZE')!r} and {name} {text!r}: start several processes "
            f"with torchrun, or unset WORLD_SIZE to run in this one"
        )
    return int(text)

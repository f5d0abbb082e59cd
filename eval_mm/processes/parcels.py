"""Answers of processes that do not see the run folder: they travel through the store to process 0.

Whether they see it they know by a mark that process 0 leaves there as long as it runs. The sender keeps
answers until its next sign of life, a second at most, and process 0 writes them to the sender's journal. What
the store holds is on no disk yet: a crash of process 0 loses up to two seconds of them.
"""

import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from eval_mm.journal import Journal
from eval_mm.processes.store_line import PARCEL, Store

MARK = ".shared-"
LATE = 5.0
"""Seconds after which a file that is not seen counts as not there."""


@contextmanager
def mark(folder: Path, world: int) -> Iterator[str]:
    """The name of a file that is in a folder for a while; empty where no other process is to look for it."""
    for left_over in folder.glob(f"{MARK}*"):
        left_over.unlink()
    if world == 1:
        yield ""
        return
    path = folder / f"{MARK}{os.urandom(8).hex()}"
    path.touch()
    try:
        yield path.name
    finally:
        path.unlink(missing_ok=True)


def sees(folder: Path, name: str, is_over: Callable[[], bool]) -> bool:
    """Whether a folder here is the one with that mark; shared file systems may show it some seconds late.

    Once the run `is_over` the mark is gone, and it makes no difference.
    """
    deadline = time.monotonic() + LATE
    while not (folder / name).exists():
        if time.monotonic() > deadline or is_over():
            return False
        time.sleep(0.1)
    return True


class Outbox:
    """The answers of this process on their way; `append` and `ship` may run in different threads."""

    def __init__(self, key: str, rank: int):
        self._key = f"{key}/parcel/{rank}"
        self._waiting: deque[tuple[int, bytes]] = deque()
        self._sent = 0

    def append(self, task: int, line: bytes) -> None:
        """Takes an answer in, as the journal will hold it."""
        self._waiting.append((task, line))

    def ship(self, store: Store) -> None:
        """Sends what was taken in, in the thread of the store."""
        while self._waiting:
            task, size, lines = self._waiting[0][0], 0, []
            while self._waiting and self._waiting[0][0] == task and size < PARCEL:
                lines.append(self._waiting.popleft()[1])
                size += len(lines[-1])
            parcel = f"{task}\n".encode() + b"".join(lines)
            store.set(f"{self._key}/{self._sent}", parcel)  # type: ignore[arg-type]  # bytes are taken as well
            self._sent += 1


class Inbox:
    """The answers of the others, written down by process 0 as they come, in the thread of the store."""

    def __init__(self, key: str, folders: Sequence[Path], run: int):
        self._key, self._folders, self._run = f"{key}/parcel", folders, run
        self._journals: dict[tuple[int, int], Journal] = {}
        self._received: dict[int, int] = {}

    def collect(self, store: Store, ranks: list[int]) -> None:
        """Writes what has come from these processes."""
        for rank in ranks:
            while store.check([key := f"{self._key}/{rank}/{self._received.get(rank, 0)}"]):
                head, _, lines = store.get(key).partition(b"\n")
                self._journal(rank, int(head)).write(lines)
                store.delete_key(key)
                self._received[rank] = self._received.get(rank, 0) + 1

    def close(self) -> None:
        """Closes the journals."""
        for journal in self._journals.values():
            journal.close()

    def _journal(self, rank: int, task: int) -> Journal:
        if (rank, task) not in self._journals:
            self._journals[rank, task] = Journal(self._folders[task], rank, self._run)
        return self._journals[rank, task]

"""A line to torch's TCP store, the server of keys and values by which the processes of a run know each other.

A machine that is cut off lets a call to the store wait for ever. So one thread alone talks to it, and all
others wait for that thread at most SILENT seconds: the process can end whatever the thread is waiting for.
"""

import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, NamedTuple, Protocol, TypeVar

from eval_mm.errors import Interrupted

BEAT = 1.0
"""Seconds between two beats: what the thread does of its own accord."""
SILENT = 120.0
"""Seconds after which a store that does not answer, or a process without a sign of life, counts as lost."""
PARCEL = 4 << 20
"""Bytes of one value; the store takes 8 MiB."""

T = TypeVar("T")


class Store(Protocol):
    """What is used of torch's store. `get` and `multi_get` wait for keys that are not there yet."""

    def set(self, key: str, value: str, /) -> None:
        """Sets a value of at most 8 MiB; bytes are taken as well."""

    def get(self, key: str, /) -> bytes:
        """The value of a key."""

    def multi_get(self, keys: list[str], /) -> list[bytes]:
        """The values of all keys."""

    def check(self, keys: list[str], /) -> bool:
        """Whether all keys are there."""

    def add(self, key: str, amount: int, /) -> int:
        """Adds to a number, 0 at first; returns the sum."""

    def compare_set(self, key: str, expected: str, desired: str, /) -> bytes:
        """Sets a key that is `expected`, empty for absent; returns what it is then."""

    def delete_key(self, key: str, /) -> bool:
        """Forgets a key."""


def peek(store: Store, key: str) -> bytes | None:
    """The value of a key, None where it is not there."""
    return store.get(key) if store.check([key]) else None


class _Call(NamedTuple):
    what: Callable[[Store], Any]
    future: Future[Any]


class Line:
    """The thread that talks to the store: for others at once, of its own accord every BEAT seconds.

    All that ask it something raise as `check` does, or Interrupted after SILENT seconds.
    """

    def __init__(self, connect: Callable[[], Store]):
        """`connect` is called in the thread."""
        self.beat: Callable[[Store], None] | None = None
        self._trouble: BaseException | None = None
        self._calls: queue.SimpleQueue[_Call | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._talk, args=(connect,), name="store", daemon=True)
        self._thread.start()

    def run(self, what: Callable[[Store], T]) -> T:
        """What a function of the store returns."""
        self.check()
        future: Future[T] = Future()
        self._calls.put(_Call(what, future))
        waited = 0.0
        while True:
            try:
                return future.result(BEAT)
            except TimeoutError:
                waited += BEAT
            self.check()
            if waited >= SILENT:
                raise Interrupted(f"the store of the processes has not answered for {SILENT:.0f} s")

    def set(self, key: str, value: str) -> None:
        """Sets a value."""
        self.run(lambda store: store.set(key, value))

    def peek(self, key: str) -> str | None:
        """The value of a key, None where it is not there."""
        found = self.run(lambda store: peek(store, key))
        return None if found is None else found.decode()

    def add(self, key: str) -> int:
        """Adds 1 to a number, 0 at first; returns the sum."""
        return self.run(lambda store: store.add(key, 1))

    def claim(self, key: str, value: str) -> str:
        """Sets a key that is not there yet; returns what it is then, the value of whoever came first."""
        return self.run(lambda store: store.compare_set(key, "", value)).decode()

    def send(self, key: str, value: str) -> None:
        """Sets a value of any length, for `receive`."""
        parts = [value[start : start + PARCEL // 4] for start in range(0, len(value), PARCEL // 4)]
        for number, part in enumerate(parts):
            self.set(f"{key}/{number}", part)
        self.set(key, str(len(parts)))

    def receive(self, key: str) -> str | None:
        """What was sent, None where it is not there yet."""
        count = self.peek(key)
        return (
            None if count is None else "".join(self.peek(f"{key}/{part}") or "" for part in range(int(count)))
        )

    @property
    def is_over(self) -> bool:
        """Whether `check` would raise."""
        return self._trouble is not None

    def check(self) -> None:
        """Raises what ended the thread: an OSError of the beat, or Interrupted for a store that is gone."""
        if isinstance(self._trouble, RuntimeError):
            said = str(self._trouble).partition("\n")[0]
            raise Interrupted(
                f"the store of the processes is gone, its machine or torchrun has ended ({said})"
            )
        if self._trouble is not None:
            raise self._trouble

    def close(self) -> None:
        """Ends the thread unless it waits for the store, and then the end of the process ends it."""
        self._calls.put(None)
        self._thread.join(2 * BEAT)

    def _talk(self, connect: Callable[[], Store]) -> None:
        try:
            store = connect()
            due = time.monotonic()
            while True:
                try:
                    call = self._calls.get(timeout=max(due - time.monotonic(), 0.0))
                except queue.Empty:
                    pass
                else:
                    if call is None:
                        return
                    call.future.set_result(call.what(store))
                if time.monotonic() >= due:
                    if self.beat is not None:
                        self.beat(store)
                    due = time.monotonic() + BEAT
        except BaseException as error:  # of a thread nobody else would learn it: `check` raises it
            self._trouble = error

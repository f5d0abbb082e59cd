"""Several processes of a run as threads of one, with a store in memory: every meeting in milliseconds."""

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from eval_mm.processes import parcels, rounds, store_line, team
from eval_mm.processes.team import Team

FAST = 0.01


class MemoryStore:
    """What is used of torch's store, for threads. `broken` makes every call fail as a lost store does."""

    def __init__(self) -> None:
        self.values: dict[str, bytes] = {}
        self.broken = False
        self._changed = threading.Condition()

    def set(self, key: str, value: str | bytes) -> None:
        with self._here():
            self.values[key] = value.encode() if isinstance(value, str) else value
            self._changed.notify_all()

    def get(self, key: str) -> bytes:
        with self._here():
            assert self._changed.wait_for(lambda: key in self.values, 10), f"nobody sets {key}"
            return self.values[key]

    def multi_get(self, keys: list[str]) -> list[bytes]:
        return [self.get(key) for key in keys]

    def check(self, keys: list[str]) -> bool:
        with self._here():
            return all(key in self.values for key in keys)

    def add(self, key: str, amount: int) -> int:
        with self._here():
            total = int(self.values.get(key, b"0")) + amount
            self.values[key] = str(total).encode()
            return total

    def compare_set(self, key: str, expected: str, desired: str) -> bytes:
        with self._here():
            if self.values.get(key, b"") == expected.encode():
                self.values[key] = desired.encode()
            return self.values[key]

    def delete_key(self, key: str) -> bool:
        with self._here():
            return self.values.pop(key, None) is not None

    def _here(self) -> threading.Condition:
        if self.broken:
            raise RuntimeError("connection reset by peer")
        return self._changed


class Crew:
    """So many processes, each a thread that runs a function of its team; what it returned or raised."""

    def __init__(self, world: int, work: Callable[[Team], Any], store: MemoryStore | None = None):
        self.store = store or MemoryStore()
        self.found: list[Any] = [None] * world
        self._threads = [
            threading.Thread(target=self._run, args=(rank, world, work), daemon=True) for rank in range(world)
        ]
        for thread in self._threads:
            thread.start()

    def result(self, limit: float = 30.0) -> list[Any]:
        """What each came to; fails where one is still there."""
        for thread in self._threads:
            thread.join(limit)
        assert not any(thread.is_alive() for thread in self._threads), f"somebody hangs: {self.found}"
        return self.found

    def _run(self, rank: int, world: int, work: Callable[[Team], Any]) -> None:
        try:
            one = Team(rank, world, lambda: self.store)
            try:
                self.found[rank] = work(one)
            finally:
                one.close()
        except BaseException as error:
            self.found[rank] = error


def hurry(monkeypatch: pytest.MonkeyPatch, **limits: float) -> None:
    """Makes everything that waits wait less."""
    monkeypatch.setattr(store_line, "BEAT", FAST)
    monkeypatch.setattr(rounds, "BEAT", FAST)
    monkeypatch.setattr(team, "PAUSE", FAST / 10)
    monkeypatch.setattr(rounds, "PAUSE", FAST / 10)
    monkeypatch.setattr(parcels, "LATE", 0.0)
    for name, seconds in limits.items():
        for module in (team, store_line, rounds):
            if hasattr(module, name):
                monkeypatch.setattr(module, name, seconds)


def until(found: Callable[[], bool], limit: float = 20.0) -> None:
    """Waits for something that must come."""
    deadline = time.monotonic() + limit
    while not found():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(FAST / 10)

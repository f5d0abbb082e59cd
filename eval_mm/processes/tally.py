"""What the processes of a run have answered so far: counted by each, told to process 0 every second."""

import time
from collections.abc import Mapping

from eval_mm.processes.team import Status


class Tally:
    """The counts of this process, and the last ones it was told by others.

    `answered` is changed by one thread and read by another; all it holds is on disk, or on its way there.
    """

    def __init__(self, num_tasks: int):
        self.answered = [0] * num_tasks
        self.errors = 0
        self.news = False
        """Whether others told something that nobody has looked at."""
        self._others: Mapping[int, Status] = {}
        self._speed = 0.0
        self._started = time.monotonic()

    def add(self, task: int, failed: bool) -> None:
        """One more answer of this process."""
        self.answered[task] += 1
        self.errors += failed

    def rate(self) -> float:
        """Answers a second of this process."""
        return sum(self.answered) / max(time.monotonic() - self._started, 1e-9)

    def speed(self) -> float:
        """Answers a second of all processes, as far as known."""
        return self._speed

    def status(self) -> Status:
        """What this process tells the others; the counts as they are now."""
        rate = self.rate()
        return {"answered": list(self.answered), "errors": self.errors, "rate": rate, "speed": self._speed}

    def hear(self, statuses: Mapping[int, Status]) -> None:
        """What others tell: all others to process 0, process 0 to the others."""
        self._others = {rank: status for rank, status in statuses.items() if "answered" in status}
        leader = self._others.get(0)
        own = self.rate() + sum(status["rate"] for status in self._others.values())
        self._speed = own if leader is None else leader["speed"]
        self.news = True

    def of(self, task: int) -> int:
        """The answers of all processes to a task."""
        return self.answered[task] + sum(int(status["answered"][task]) for status in self._others.values())

    def total(self) -> int:
        """The answers of all processes."""
        return sum(self.answered) + sum(int(sum(status["answered"])) for status in self._others.values())

    def all_errors(self) -> int:
        """The errors of all processes."""
        return self.errors + sum(int(status["errors"]) for status in self._others.values())

    def slowest(self, rank: int) -> str:
        """The process with the fewest answers a second, where there are several; `rank` is this one."""
        rates = {rank: self.rate(), **{other: status["rate"] for other, status in self._others.items()}}
        slow = min(rates, key=lambda one: rates[one])
        return f"process {slow} with {rates[slow]:.1f}/s" if len(rates) > 1 else ""

"""The progress line of a run: what is done of all its tasks, how fast, how long it will take, what failed."""

import sys
import time
from types import TracebackType
from typing import Any

TERMINAL, LOG = 0.2, 15.0
"""Seconds between two lines: a log file wants few."""


class Progress:
    """One line for all tasks of a run, on stderr; where it is not wanted it shows nothing."""

    def __init__(self, total: int, done: int, wanted: bool):
        self._bar: Any = None
        if wanted:
            from tqdm import tqdm

            pace = TERMINAL if sys.stderr.isatty() else LOG
            self._bar = tqdm(total=total, initial=done, unit="sample", mininterval=pace, dynamic_ncols=True)
            self._bar._time = time.monotonic  # the clock it uses may be set back, and the line stands still
            self._bar.unpause()
            # rounded, the start may be later than the first line, and then the bar ends without a new line
            self._bar.start_t = self._bar.last_print_t

    def show(self, task: str, done: int, errors: int, slowest: str = "") -> None:
        """What is asked now, the number of samples that have an answer, and what to know of them."""
        if self._bar is None:
            return
        parts = [f"errors={errors}"] if errors else []
        parts += [f"slowest={slowest}"] if slowest else []
        self._bar.set_description_str(task, refresh=False)
        self._bar.set_postfix_str(", ".join(parts), refresh=False)
        self._bar.update(done - self._bar.n)

    def __enter__(self) -> "Progress":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()

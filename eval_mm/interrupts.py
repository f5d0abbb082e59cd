"""Ctrl-C and SIGTERM: what is being answered is finished, what is not begun is not.

Schedulers send SIGTERM some time before SIGKILL, torchrun 30 s: an answer that is on its way is worth the
wait, but not for longer than that.
"""

import os
import signal
import threading
import time
from types import FrameType, TracebackType
from typing import Any

GRACE = 20.0
"""Seconds after which it is the end, finished or not."""
TWICE = 1.0
"""Seconds within which a second signal is the first one again: a terminal and torchrun send it both."""
SAID = f"\ninterrupted: finishing what is being answered, {GRACE:.0f} s at most; once more ends at once\n"


class Interrupts:
    """While it is entered, the first signal sets `asked`, and the second or the time ends it at once.

    At once means KeyboardInterrupt. In another thread than the main one signals are left as they are.
    """

    def __init__(self, says: bool = True):
        self.asked = False
        self._says, self._since = says, 0.0
        self._before: dict[int, Any] = {}

    def __enter__(self) -> "Interrupts":
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                if signal.getsignal(number) not in (signal.SIG_IGN, None):
                    self._before[number] = signal.signal(number, self._first_or_second)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if signal.SIGALRM in self._before:
            signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def end_soon(self) -> None:
        """As the first signal does: what is being answered may be finished, in the same time."""
        if not self.asked:
            self.asked, self._since = True, time.monotonic()
            if threading.current_thread() is threading.main_thread():
                self._before[signal.SIGALRM] = signal.signal(signal.SIGALRM, self._at_once)
                signal.setitimer(signal.ITIMER_REAL, GRACE)

    def _first_or_second(self, number: int, frame: FrameType | None) -> None:
        if not self.asked:
            self.end_soon()
            if self._says:
                os.write(2, SAID.encode())  # a print might interrupt another print
        elif time.monotonic() - self._since > TWICE:
            raise KeyboardInterrupt

    def _at_once(self, number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt


def end_on_sigterm() -> None:
    """Makes SIGTERM what Ctrl-C is; a program calls it once, when it begins."""
    if signal.getsignal(signal.SIGTERM) == signal.SIG_DFL:
        signal.signal(signal.SIGTERM, signal.default_int_handler)

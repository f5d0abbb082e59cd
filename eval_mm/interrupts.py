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

from eval_mm.errors import Interrupted, UserError

GRACE = 20.0
"""Seconds after which it is the end, finished or not."""
TWICE = 1.0
"""Seconds within which a second signal is the first one again: a terminal and torchrun send it both."""
SAID = f"\ninterrupted: finishing what is being answered, {GRACE:.0f} s at most; once more ends at once\n"


class Ending:
    """Makes SIGTERM what Ctrl-C is, once it is entered; a program enters it once, when it begins.

    Libraries swallow a KeyboardInterrupt: torch, imported while one comes, goes on with half of numpy. What
    fails after that fails of it and is an interruption too, and `Interrupts` begins no more.
    """

    def __init__(self) -> None:
        self.came = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """The handler of both signals."""
        self.came = True
        raise KeyboardInterrupt

    def __enter__(self) -> None:
        for number, usual in {
            signal.SIGINT: signal.default_int_handler,
            signal.SIGTERM: signal.SIG_DFL,
        }.items():
            handler = signal.getsignal(number)
            if handler == usual or isinstance(handler, Ending):
                signal.signal(number, self)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        known = isinstance(error, UserError | OSError | Interrupted)
        if self.came and isinstance(error, Exception) and not known:
            raise KeyboardInterrupt from None


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
                handler = signal.getsignal(number)
                if isinstance(handler, Ending) and handler.came:
                    raise KeyboardInterrupt
                if handler not in (signal.SIG_IGN, None):
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

"""What is asked again, and when: the one place that decides it.

A call that fails for now is repeated after a wait that doubles, with jitter, and is never shorter than the
server asks for. Patience counts the tries since the server last showed that it answers: where it takes ten
calls a minute, sixteen questions wait for one another, and none of them is given up for that.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from eval_mm.calls.faults import Again, Refused, Silent, Stop
from eval_mm.calls.pacing import Pacing

T = TypeVar("T")

SILENT_ROUNDS = 3
"""Calls without a reply in time, one after the other, before a server can be taken for silent."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How failed calls are repeated: waits of `first`, 2 x `first`, .. seconds, `longest` at most.

    `most_asked` is the longest wait a server may ask for; a longer one ends the run, which is resumed later.
    Where nobody was answered for `silence` seconds, one call without a reply is enough to give a question up.
    """

    tries: int = 8
    first: float = 1.0
    longest: float = 60.0
    most_asked: float = 600.0
    silence: float = 600.0

    def wait(self, failed: int, asked: float | None) -> float:
        """Seconds before the next try after `failed` failures; jitter keeps calls from coming at once."""
        doubled = random.uniform(0.5, 1.0) * min(self.longest, self.first * 2.0 ** min(failed - 1, 32))
        return doubled if asked is None else max(doubled, asked + random.uniform(0, self.first))

    def is_silence(self, rounds: int, seconds: float) -> bool:
        """Whether so many rounds of calls, of so many seconds each, without one reply are too many."""
        return rounds >= SILENT_ROUNDS and rounds * seconds >= self.silence


async def patiently(
    call: Callable[[], Awaitable[T]], patience: Patience, seconds: float, pacing: Pacing, who: str
) -> T:
    """One reply, however many calls it takes, each of at most so many seconds.

    Raises:
        Again: the last fault, where patience ends or the pacing is halted; Silent where the server answers
            nobody.
        Stop, Refused: what `call` raises of them; Stop also where the server asks for too long a wait.
    """
    failed, tries = 0, 0
    answered_before = pacing.num_answered
    while tries < patience.tries:
        entered = await pacing.enter()
        fault, answered, silent = Again("the run ended"), False, False
        try:
            if not pacing.halted:
                async with asyncio.timeout(seconds):  # a server that drips would outlive the client's own
                    found = await call()
                answered = True
                return found
        except TimeoutError:
            fault, silent = Again(f"no reply within {seconds:g} seconds", overloaded=True), True
            tries += 1
        except Again as error:
            fault = error
            others_answered = pacing.num_answered > answered_before
            tries = 1 if error.overloaded and others_answered else tries + 1
        except Refused:
            answered = True
            raise
        finally:
            pacing.leave(entered, answered, fault.overloaded, silent)
        failed += 1
        answered_before = pacing.num_answered
        if pacing.halted:
            raise fault
        if silent and patience.is_silence(pacing.silent_rounds, seconds):
            raise Silent(f"{fault}, and none to any call for {pacing.silent_rounds * seconds:,.0f} seconds")
        if fault.after is not None:
            if fault.after > patience.most_asked:
                raise Stop(f"{who} asks to wait {fault.after:,.0f} seconds; run again then ({fault})")
            pacing.hold(fault.after)
        if tries < patience.tries:
            await pacing.sleep(patience.wait(failed, fault.after))
    raise Again(f"{patience.tries} tries failed, the last: {fault}" if patience.tries > 1 else str(fault))

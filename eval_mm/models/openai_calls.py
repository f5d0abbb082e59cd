"""The calls to one model behind a server: what each may cost, what comes of it, and when to stop asking."""

import asyncio
import os
from collections import Counter
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, NamedTuple

from eval_mm.calls.cost import Budget
from eval_mm.calls.faults import Again, Gone, Refused, Silent, Stop
from eval_mm.calls.pacing import Pacing
from eval_mm.calls.patience import Patience, patiently
from eval_mm.calls.server import Server
from eval_mm.models.openai_target import WHO, Target
from eval_mm.models.openai_wire import Chat, NoRanksError, Parts
from eval_mm.prompt import images_of
from eval_mm.schema import Prediction, Request

PER_CALL, PER_PICTURE = 64, 4096
"""Tokens of a call besides its texts, and of a picture, before a server has counted some: more than most."""

FILTERED = frozenset(
    {"content_filter", "content_policy_violation", "moderation_blocked", "data_inspection_failed"}
)
"""Codes with which servers refuse a question for what it says or shows."""

SAME_FAULT = 20
"""Questions refused for one reason, and none ever answered, before all are taken for refused."""

GONE, GONE_PICTURES = 20, 3
"""Questions in a row for which patience ended, and their pictures, before the server is taken for gone: a
picture that a server cannot take fails all its questions.
"""

GONE_SILENT = 5
"""The same of a server that is silent, whatever the pictures: each such question costs a whole --timeout."""

LIMITS = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}
"""What servers call the most new tokens: some know one name only, and say so."""

HINTS = {"temperature": "--temperature server leaves it out", "logprobs": "--protocol instruct needs none"}


class Asked(NamedTuple):
    """A request ready to be posted: what it says, its picture's size as sent, more tokens than it needs."""

    request: Request
    wire: Chat | Parts
    body: dict[str, object]
    size: tuple[int, int] | None
    tokens: float


@dataclass(slots=True)
class Tally:
    """What the calls of this process came to."""

    budget: Budget
    answered: int = 0
    read: int = 0
    written: int = 0
    pacing: Pacing | None = None
    most_read: int = 0
    in_a_row: int = 0
    failed_pictures: set[str] = field(default_factory=set)
    silent: bool = False
    fault: str = ""
    other_limit: bool = False
    ranked: bool = False
    served: set[str] = field(default_factory=set)
    refused: Counter[str] = field(default_factory=Counter)

    def fail(self, request: Request, fault: Again) -> None:
        """Notes a question for which patience ended; one without a picture stands for itself."""
        self.in_a_row += 1
        self.failed_pictures.update(images_of(request.prompt) or [request.id])
        self.fault, self.silent = str(fault), isinstance(fault, Silent)

    def reply(self) -> None:
        """Notes that the server is there."""
        self.in_a_row, self.silent = 0, False
        self.failed_pictures.clear()

    def check(self) -> None:
        """Raises Stop where the server fails one question after the other, or refuses all for one reason."""
        various = len(self.failed_pictures) >= GONE_PICTURES
        gone = self.in_a_row >= GONE and various
        if gone or (self.silent and (various or not self.answered or self.in_a_row >= GONE_SILENT)):
            failed = f"{self.in_a_row} questions in a row" if self.in_a_row > 1 else "the first question"
            raise Gone(
                f"{WHO} failed {failed}, the last: {self.fault}; all answers so far are kept, the same "
                f"command goes on"
            )
        for reason, times in self.refused.items():
            if not self.answered and times >= SAME_FAULT:
                hints = [f"; {hint}" for word, hint in HINTS.items() if word in reason]
                raise Stop(f"{WHO} refuses the first {times} questions: {reason}{''.join(hints)}")

    def told(self, target: Target) -> str:
        """In one line, for the user."""
        parts = [
            f"{self.answered:,} answers from {target.access.base_url}: {self.read:,} tokens read, "
            f"{self.written:,} written"
        ]
        if self.budget.prices is not None:
            parts.append(f"${self.budget.spent:.4f} spent")
        if others := sorted(self.served - {target.info.name}):
            parts.append(f"the model calls itself {' and '.join(others)}")
        if self.pacing is not None and (times := self.pacing.times_overloaded):
            parts.append(f"the server was overloaded {times:,} times, and then asked less at once")
        return "; ".join(parts)


class Caller:
    """Asks a server; everything here but the making happens in one event loop."""

    def __init__(self, target: Target, tally: Tally, most: int, seconds: float, patience: Patience):
        self.server = Server(target.access, target.info.name, seconds, WHO)
        self.pacing = tally.pacing = Pacing(most, tally.pacing)
        self._tally, self._seconds, self._patience = tally, seconds, patience
        self._settled = asyncio.Event()
        self._under_way = 0

    async def answer(self, asked: Asked) -> Prediction:
        """The answer to one request, or its error; raises Stop where no call would do better."""
        try:
            return await self._answer(asked)
        except Stop:
            self.pacing.halt()
            raise

    async def _answer(self, asked: Asked) -> Prediction:
        held = await self._hold(asked)
        spent = (0.0, 0.0)
        self._under_way += 1
        try:
            call = partial(self._call, asked)
            found = await patiently(call, self._patience, self._seconds, self.pacing, WHO)
            spent = self._count(asked, found)
            return replace(
                found,
                text=self.server.hidden(found.text),
                reasoning=self.server.hidden(found.reasoning),
                image_size=asked.size,
            )
        except Refused as fault:
            if isinstance(fault, NoRanksError) and not self._tally.ranked:
                raise Stop(f"{fault}; --protocol instruct asks for the letter") from None
            self._tally.reply()
            if fault.code in FILTERED:
                self._tally.answered += 1
                return Prediction(asked.request.id, str(fault), stop_reason="refusal")
            self._tally.refused["".join(char for char in str(fault) if not char.isdigit())] += 1
            return Prediction(asked.request.id, error=str(fault))
        except Again as fault:
            if self.pacing.halted:
                raise Stop("nothing more is asked") from None
            self._tally.fail(asked.request, fault)
            return Prediction(asked.request.id, error=str(fault))
        finally:
            self._tally.budget.settle(held, *spent)
            self._under_way -= 1
            self._settled.set()

    async def _call(self, asked: Asked) -> Prediction:
        try:
            value = await self._post(asked)
        except Refused as fault:
            if self._tally.other_limit or not any(f"'{name}'" in str(fault) for name in LIMITS):
                raise
            self._tally.other_limit = True
            value = await self._post(asked)
        found = asked.wire.read(value, asked.request)
        self._tally.ranked |= found.choice_logprobs is not None
        if isinstance(served := value.get("model"), str):
            self._tally.served.add(self.server.hidden(served)[:100])
        return found

    async def _post(self, asked: Asked) -> Any:
        body = asked.body
        if self._tally.other_limit:
            body = {LIMITS.get(name, name): value for name, value in body.items()}
        return await self.server.post(asked.wire.path, body)

    async def _hold(self, asked: Asked) -> float:
        """Sets aside what the call may cost, once the calls under way leave room for it."""
        budget = self._tally.budget
        most = max(asked.tokens, self._tally.most_read), asked.request.max_new_tokens
        while (held := budget.hold(*most)) is None:
            if not self._under_way:
                part = "" if os.environ.get("WORLD_SIZE", "1") == "1" else " for each process"
                raise Stop(
                    f"stopped at --max-cost ${budget.most:g}{part}: ${budget.spent:.4f} are spent, and "
                    f"one more call may cost more than the rest; all answers so far are kept, the same "
                    f"command with more money goes on"
                )
            self._settled.clear()
            await self._settled.wait()
        return held

    def _count(self, asked: Asked, found: Prediction) -> tuple[float, float]:
        """Tokens read and written; guessed high where the server did not count."""
        tally = self._tally
        tally.answered += 1
        tally.reply()
        tally.most_read = max(tally.most_read, found.prompt_tokens or 0)
        tally.read += found.prompt_tokens or 0
        tally.written += found.new_tokens or 0
        read = asked.tokens if found.prompt_tokens is None else found.prompt_tokens
        return read, asked.request.max_new_tokens if found.new_tokens is None else found.new_tokens

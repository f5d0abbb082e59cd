"""Asking the judge: so many calls at once, each judgement on disk the moment it is made.

A call that fails is repeated as eval_mm/calls/patience.py has it; a reply that cannot be read is asked for
once more and then recorded as missing; what fails in the end, is refused or is cut off before its scores is
no judgement and is asked again by the next try. Where nothing else comes back the run stops: no further call
would do better.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

from eval_mm.calls.cost import Budget
from eval_mm.calls.faults import Again, Refused, Stop
from eval_mm.calls.pacing import Pacing
from eval_mm.calls.patience import Patience, patiently
from touchstone.cost import ESTIMATE, most_tokens, prompt_tokens
from touchstone.journal import Journal, Judgement
from touchstone.judges import Judge, Reply
from touchstone.prompts import Ask
from touchstone.replies import read
from touchstone.settings import Settings

READINGS = 2
"""How often a judgement is asked for whose reply cannot be read."""

REFUSALS = 5
"""Questions that are refused, and none ever judged, before all are taken for refused."""

UNREADABLE = 10
"""Judgements that are unreadable, and none ever readable, before all are taken for unreadable."""


class Work(NamedTuple):
    """One judgement to make."""

    id: str
    order: int
    key: str
    ask: Ask


@dataclass(frozen=True, slots=True)
class Limits:
    """How many calls at once, and how many seconds one may take."""

    concurrency: int = 16
    seconds: float = 120.0
    patience: Patience = field(default_factory=Patience)


@dataclass(slots=True)
class Tally:
    """What became of the work: judgements made, missing ones among them, and what failed and why."""

    made: int = 0
    missing: int = 0
    failed: list[str] = field(default_factory=list)
    refused: dict[tuple[str, int], str] = field(default_factory=dict)
    too_dear: int = 0

    def refuse(self, one: Work, reason: str, ever_made: bool) -> None:
        """Notes a question that gets no scores; raises Stop where that seems to be all of them."""
        self.failed.append(f"'{one.id}' in order {one.order}: {reason}")
        self.refused[one.id, one.order] = reason
        questions = {name for name, _ in self.refused}
        if not ever_made and len(questions) >= REFUSALS:
            raise Stop(f"the judge's server refuses the first {len(questions)} questions: {reason}")


async def judge_all(
    work: Sequence[Work],
    judge: Judge,
    settings: Settings,
    journal: Journal,
    limits: Limits,
    budget: Budget,
    tally: Tally,
    advance: Callable[[], object] = lambda: None,
) -> None:
    """Makes every judgement, at most `limits.concurrency` calls at a time, and counts them in `tally`.

    Raises:
        Stop: no call can succeed; what was judged before is journalled.
    """
    left = iter(work)
    pacing = Pacing(limits.concurrency)
    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(limits.concurrency, len(work))):
                group.create_task(
                    _worker(left, judge, settings, journal, limits, pacing, budget, tally, advance)
                )
    except* (Stop, OSError) as faults:
        raise _first(faults) from None
    finally:
        await judge.close()


def _first(group: BaseExceptionGroup[Exception]) -> Exception:
    one = group.exceptions[0]
    return _first(one) if isinstance(one, BaseExceptionGroup) else one


async def _worker(
    left: Iterator[Work],
    judge: Judge,
    settings: Settings,
    journal: Journal,
    limits: Limits,
    pacing: Pacing,
    budget: Budget,
    tally: Tally,
    advance: Callable[[], object],
) -> None:
    for one in left:
        replies: list[Reply] = []
        found = None
        while found is None and len(replies) < READINGS:
            held = None if tally.too_dear else budget.hold(*most_tokens(one.ask, settings))
            if held is None:
                tally.too_dear += 1
                break
            try:
                call = partial(judge.ask, one.ask)
                patience = limits.patience
                replies.append(await patiently(call, patience, limits.seconds, pacing, "the judge's server"))
            except (Again, Refused) as fault:
                budget.settle(held, 0, 0)
                if isinstance(fault, Refused):
                    tally.refuse(one, str(fault), bool(journal.judgements))
                else:
                    tally.failed.append(f"'{one.id}' in order {one.order}: {fault}")
                break
            budget.settle(held, *_tokens(replies[-1:], one.ask, settings))
            if replies[-1].cut:
                replies.clear()
                cut = (
                    f"the reply was cut off before its scores; --max-reply-tokens {settings.max_reply_tokens}"
                )
                tally.refuse(one, f"{cut} is too few", bool(journal.judgements))
                break
            found = read(replies[-1].text)
        if found is None and len(replies) < READINGS:
            continue
        scores = (None, None) if found is None else (found.first, found.second)
        answer, reference = scores if one.order == 2 else scores[::-1]
        journal.append(
            Judgement(
                one.id,
                one.order,
                one.key,
                answer,
                reference,
                replies[-1].text,
                len(replies),
                *_tokens(replies, one.ask, settings),
            )
        )
        tally.made += 1
        tally.missing += found is None
        advance()
        if (
            found is None
            and tally.missing >= UNREADABLE
            and all(s.answer is None for s in journal.judgements)
        ):
            reply = " ".join(replies[-1].text.split())[:200]
            raise Stop(f"none of the first {tally.missing} judgements can be read; the last reply: '{reply}'")


def _tokens(replies: Sequence[Reply], ask: Ask, settings: Settings) -> tuple[int, int]:
    """Prompt and reply tokens of replies; estimated where the server did not count."""
    if settings.is_stub:
        return 0, 0
    sent = [
        prompt_tokens(ask, settings, ESTIMATE) if reply.prompt_tokens is None else reply.prompt_tokens
        for reply in replies
    ]
    back = [
        ESTIMATE.count(reply.text) if reply.reply_tokens is None else reply.reply_tokens for reply in replies
    ]
    return sum(sent), sum(back)

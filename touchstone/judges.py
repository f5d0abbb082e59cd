"""Who judges: an OpenAI-compatible server (openai_judge.py), or the stub that needs none."""

import re
from typing import NamedTuple, Protocol

from touchstone.prompts import Ask


class Reply(NamedTuple):
    """What came back; tokens as the server counted them, None where it did not say.

    `cut` says that the limit of tokens ended it before its first line was whole.
    """

    text: str
    prompt_tokens: int | None = None
    reply_tokens: int | None = None
    cut: bool = False


class Judge(Protocol):
    """One call is one judgement in one order."""

    async def ask(self, ask: Ask) -> Reply:
        """The reply; raises a fault of eval_mm/calls/faults.py."""
        ...

    async def close(self) -> None:
        """Ends what connections there are."""
        ...


class StubJudge:
    """Counts the words that an answer shares with the description. No judgement of quality.

    An answer's score is 1 + 9 x F1 of its words and those of the description, rounded: it tries out the whole
    path without a key, always says the same, and knows no order.
    """

    async def ask(self, ask: Ask) -> Reply:
        """Two scores and what they are."""
        scores = [overlap(answer, ask.human_annotation) for answer in (ask.answer_1, ask.answer_2)]
        first, second = (round(1 + 9 * score) for score in scores)
        return Reply(f"{first} {second}\nThe stub counts shared words; this is no judgement of quality.")

    async def close(self) -> None:
        """Nothing to end."""


def overlap(answer: str, description: str) -> float:
    """F1 of the sets of words, 0 to 1; of Chinese and the like every character is a word."""
    said, true = words(answer), words(description)
    shared = len(said & true)
    return 2 * shared / (len(said) + len(true)) if shared else 0.0


def words(text: str) -> frozenset[str]:
    """The words of a text in lower case."""
    return frozenset(re.findall(r"[\u3400-\u9fff]|[^\W\u3400-\u9fff]+", text.lower()))

"""Reading a judge's reply: two scores on the first line, then the reason."""

import re
from typing import NamedTuple

LEAST, MOST = 1.0, 10.0

_SCORES = re.compile(r"([0-9]{1,2}(?:\.[0-9]{1,4})?)(?:[ \t]*,[ \t]*|[ \t]+)([0-9]{1,2}(?:\.[0-9]{1,4})?)")


class Scores(NamedTuple):
    """The scores of the two answers in the order shown, and why."""

    first: float
    second: float
    reason: str


def read(reply: str) -> Scores | None:
    """The scores of a reply; None unless its first line is two numbers from 1 to 10 and nothing else.

    A comma may stand between them. Blank lines before them are passed over, as the published script does.
    """
    line, _, reason = reply.strip().partition("\n")
    found = _SCORES.fullmatch(line.strip())
    if found is None:
        return None
    first, second = float(found[1]), float(found[2])
    if not (LEAST <= first <= MOST and LEAST <= second <= MOST):
        return None
    return Scores(first, second, reason.strip())

"""Judgements -> numbers.

The score is the mean of all judgements of the model's answers x 100, as published: an answer has two, one in
either order, and a missing one leaves the other alone. What is missing is never 0: the bounds say what the
score would be if every missing judgement were a 1 or a 10. Standard errors are clustered by picture, so the
two orders of a question count together.

Deviations from the published script: it counts a reply of another shape as a failed call and repeats it five
times; categories are trimmed and one of other spelling joins its part (eval_mm/tasks/touchstone.py).
"""

import math
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from eval_mm.schema import Metric, Metrics, Sample
from eval_mm.stats import Units, cluster_of, spread, with_interval
from eval_mm.tasks.touchstone import DIMENSIONS, dimensions_of, parts_of
from touchstone.journal import ORDERS, Judgement
from touchstone.replies import LEAST, MOST

HEADLINE = "touchstone_score"
SCALE = 100.0

OTHER = "other"
"""The dimension of rows whose labels the table of the benchmark does not know."""


@dataclass(frozen=True, slots=True)
class Judged:
    """One question with what was said of its answer: the judgements of both orders, None where not asked."""

    sample: Sample
    answer: str | None
    judgements: tuple[Judgement | None, Judgement | None]

    @property
    def readable(self) -> list[Judgement]:
        """The judgements that have scores."""
        return [one for one in self.judgements if one is not None and one.answer is not None]

    @property
    def num_missing(self) -> int:
        """How many of the two have none."""
        return len(ORDERS) - len(self.readable)

    @property
    def mean(self) -> float | None:
        """The mean score of the answer, 1 to 10."""
        scores = [one.answer for one in self.readable if one.answer is not None]
        return math.fsum(scores) / len(scores) if scores else None

    @property
    def reference_mean(self) -> float | None:
        """That of the reference answer."""
        scores = [one.reference for one in self.readable if one.reference is not None]
        return math.fsum(scores) / len(scores) if scores else None


class Score(NamedTuple):
    """A score with its picture's questions."""

    value: float
    cluster: Hashable


def metrics(judged: Sequence[Judged]) -> Metrics:
    """The score, its bounds, the reference answers' own, dimensions, sub-tasks, and what the orders say.

    Scores are x 100. Of the questions whose two orders could be read: `same_winner` is the percentage in
    which both orders prefer the same answer, or neither; `order_gap` the mean distance of an answer's two
    scores and `position_bias` the mean of the first shown answer's score less the second's, both in points
    of 1 to 10. A single order would bring the answers' own difference into the bias. Empty where nothing
    could be read.
    """
    scores = list(_answers(judged))
    if not scores:
        return {}
    found = {HEADLINE: mean(scores)}
    total, missing = math.fsum(score.value for score in scores), sum(one.num_missing for one in judged)
    for name, worth in (("lower", LEAST), ("upper", MOST)):
        found[f"{HEADLINE}/{name}"] = Metric(SCALE * (total + missing * worth) / (len(scores) + missing))
    references = [
        Score(said.reference, cluster_of(one.sample))
        for one in judged
        for said in one.readable
        if said.reference is not None
    ]
    found[f"{HEADLINE}/reference"] = mean(references)
    names = [dimension.name for dimension in DIMENSIONS]
    found |= _groups("dimension", judged, lambda sample: dimensions_of(sample) or (OTHER,), names)
    parts = [part[0] for dimension in DIMENSIONS for part in dimension.parts]
    found |= _groups("task", judged, parts_of, parts)
    return found | orders(judged)


def orders(judged: Sequence[Judged]) -> Metrics:
    """How far the two orders of a question agree."""
    found: Metrics = {}
    same: list[Score] = []
    gaps: list[Score] = []
    leads: list[Score] = []
    for one in judged:
        here = cluster_of(one.sample)
        if one.num_missing == 0:
            first, second = one.readable
            leads += [Score(lead(said), here) for said in one.readable]
            same.append(Score(float(winner(first) == winner(second)), here))
            gaps.append(Score(abs((first.answer or 0.0) - (second.answer or 0.0)), here))
    if same:
        found[f"{HEADLINE}/same_winner"] = mean(same, 100.0, (0.0, 100.0))
        found[f"{HEADLINE}/order_gap"] = mean(gaps, 1.0, (0.0, MOST - LEAST))
        found[f"{HEADLINE}/position_bias"] = mean(leads, 1.0, (LEAST - MOST, MOST - LEAST))
    return found


def lead(said: Judgement) -> float:
    """The score of the answer shown first less that of the second."""
    assert said.answer is not None, said
    assert said.reference is not None, said
    difference = said.reference - said.answer
    return difference if said.order == ORDERS[0] else -difference


def winner(said: Judgement) -> int:
    """1 where the model's answer is the better one, -1 where the reference is, 0 where neither is."""
    assert said.answer is not None, said
    assert said.reference is not None, said
    return (said.answer > said.reference) - (said.answer < said.reference)


def mean(
    scores: Sequence[Score], scale: float = SCALE, within: tuple[float, float] = (SCALE * LEAST, SCALE * MOST)
) -> Metric:
    """The mean x `scale` with its error, the interval kept `within` what is possible."""
    units = Units([scale * score.value for score in scores], [score.cluster for score in scores])
    return with_interval(spread(units), *within)


def _answers(judged: Iterable[Judged]) -> Iterable[Score]:
    for one in judged:
        for said in one.readable:
            if said.answer is not None:
                yield Score(said.answer, cluster_of(one.sample))


def _groups(
    kind: str, judged: Sequence[Judged], labels: Callable[[Sample], Iterable[str]], known: Sequence[str]
) -> Metrics:
    """The mean of each label, in the order of `known`, others after them; a row counts in each of its own."""
    members: dict[str, list[Judged]] = {}
    for one in judged:
        for label in labels(one.sample):
            members.setdefault(label, []).append(one)
    ordered = [label for label in known if label in members]
    ordered += sorted(members.keys() - set(known))
    return {
        f"{HEADLINE}/{kind}={label}": mean(scores)
        for label in ordered
        if (scores := list(_answers(members[label])))
    }

"""Do two judges, or one judge at two times, agree about the same answers?

Compared are the questions that both runs have judged with the same answer text, over the orders that both
could read: a difference is then the judge's. Rank correlation is Spearman's, ties given their mean rank.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from eval_mm.errors import UserError
from eval_mm.schema import Metric
from eval_mm.stats import cluster_of
from touchstone.scores import Judged, Score, mean

APART = 2.0
"""Points between two mean scores from which on they are listed as a disagreement."""


@dataclass(frozen=True, slots=True)
class Pair:
    """One question judged in both runs; scores are the means of the orders read in both, 1 to 10."""

    one: Judged
    first: float
    second: float

    @property
    def difference(self) -> float:
        """The second run's score less the first's."""
        return self.second - self.first


@dataclass(frozen=True, slots=True)
class Agreement:
    """What two judgings of the same answers have in common.

    `other_answers` questions were answered otherwise, `not_shared` have no order that was read in both.
    `correlation` is None where it is not defined: fewer than two questions, or one score for all.
    `difference` is the mean of the second less the first, in points of 1 to 10, clustered by picture.
    """

    pairs: Sequence[Pair]
    other_answers: int
    not_shared: int
    correlation: float | None
    difference: Metric

    @property
    def disagreements(self) -> list[Pair]:
        """Pairs that are `APART`, the farthest first."""
        found = [pair for pair in self.pairs if abs(pair.difference) >= APART]
        return sorted(found, key=lambda pair: (-abs(pair.difference), pair.one.sample.id))


def compare(first: Sequence[Judged], second: Sequence[Judged]) -> Agreement:
    """Compares two judgings question by question; raises UserError where they share none."""
    others = {one.sample.id: one for one in second}
    pairs: list[Pair] = []
    other_answers = 0
    for one in first:
        other = others.get(one.sample.id)
        if other is None or one.mean is None or other.mean is None:
            continue
        if one.answer != other.answer or one.sample != other.sample:
            other_answers += 1
        elif scores := _shared(one, other):
            pairs.append(Pair(one, *(math.fsum(row) / len(row) for row in zip(*scores, strict=True))))
    not_shared = len({one.sample.id for one in (*first, *second)}) - len(pairs) - other_answers
    if not pairs:
        raise UserError(
            f"the runs have no judged answer in common ({other_answers:,} questions were answered otherwise, "
            f"{not_shared:,} have no order that was read in both)"
        )
    differences = [Score(pair.difference, cluster_of(pair.one.sample)) for pair in pairs]
    return Agreement(
        pairs,
        other_answers,
        not_shared,
        spearman([pair.first for pair in pairs], [pair.second for pair in pairs]),
        mean(differences, 1.0, (-9.0, 9.0)),
    )


def _shared(one: Judged, other: Judged) -> list[tuple[float, float]]:
    """The answer's scores in the orders that could be read in both runs."""
    return [
        (first.answer, second.answer)
        for first, second in zip(one.judgements, other.judgements, strict=True)
        if first is not None and first.answer is not None
        if second is not None and second.answer is not None
    ]


def spearman(first: Sequence[float], second: Sequence[float]) -> float | None:
    """The rank correlation of two rows of numbers, -1 to 1; None where one of them is constant."""
    assert len(first) == len(second), f"{len(first)} and {len(second)} numbers"
    one, other = ranks(first), ranks(second)
    middle = (len(one) + 1) / 2
    spread = [math.fsum((rank - middle) ** 2 for rank in row) for row in (one, other)]
    if not all(spread):
        return None
    joint = math.fsum((a - middle) * (b - middle) for a, b in zip(one, other, strict=True))
    return joint / math.sqrt(spread[0] * spread[1])


def ranks(numbers: Sequence[float]) -> list[float]:
    """The rank of each number from 1 on, equal ones sharing the mean of theirs."""
    places = sorted(range(len(numbers)), key=numbers.__getitem__)
    found = [0.0] * len(numbers)
    start = 0
    while start < len(places):
        end = start
        while end + 1 < len(places) and numbers[places[end + 1]] == numbers[places[start]]:
            end += 1
        for place in places[start : end + 1]:
            found[place] = (start + end) / 2 + 1
        start = end + 1
    return found

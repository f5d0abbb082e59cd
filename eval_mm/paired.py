"""Two runs on the same samples: how far apart, and whether that can be chance.

The difference is taken sample by sample, so what both runs find hard cancels. It has the errors of any
number: clustered by picture, or by drawing pictures again. The p-value is that of Student's t, with a guard:
if two runs were alike, each of the k pictures on which they differ would as likely differ the other way, so
no honest p-value is below 2 / 2^k, the least of the sign test. Without it three answers gained and none lost
would be a proof. Several tasks are several chances to be fooled; `holm` corrects for them (Holm 1979,
https://www.jstor.org/stable/4615733).
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace

from eval_mm import student_t
from eval_mm.stats import ROUNDING, UPPER, Units, mean, number, spread

POWER = 0.80
SIGNIFICANT = 0.05
LEAST_UNLIKE = 6
"""Pictures that must differ before the guard lets p be below `SIGNIFICANT`: 2 / 2^6 = 0.031."""


@dataclass(frozen=True, slots=True)
class Paired:
    """A headline number of two runs on the same samples.

    `first` and `second` are the numbers on the published scale, `difference` is second less first with its
    standard error and 95 % interval. `p` is the p-value of no difference, `p_holm` the one corrected over all
    numbers compared together. `detectable` is the smallest difference that data like these would have shown
    with a probability of 80 %, at p < 0.05, and never less than six pictures make that differ as those here
    do: with fewer the guard shows none. None where a single picture says nothing, nothing varies, or no
    difference on the scale is as great.
    """

    first: float
    second: float
    difference: float
    stderr: float | None = None
    ci95: tuple[float, float] | None = None
    p: float | None = None
    p_holm: float | None = None
    detectable: float | None = None

    @property
    def better(self) -> int:
        """1 where the second is better, -1 where the first is, 0 where no difference can be shown."""
        if self.p_holm is None or self.p_holm >= SIGNIFICANT:
            return 0
        return 1 if self.difference > 0 else -1


def paired(first: Units, second: Units) -> Paired:
    """Compares two runs; the units are those of the same samples in the same order. `p_holm` is still `p`."""
    assert first.clusters == second.clusters, "units of other samples"
    assert first.strata == second.strata, "units of other samples"
    one, other = number(first), number(second)
    apart = replace(first, values=[b - a for a, b in zip(first.values, second.values, strict=True)])
    difference, stderr, df = spread(apart)
    if stderr is None:
        return Paired(one, other, difference)
    moves = _moves(apart)
    if not moves:
        return Paired(one, other, 0.0, 0.0, (0.0, 0.0), 1.0, 1.0)
    least = 2.0 ** (1 - len(moves))
    if stderr <= ROUNDING * abs(difference):  # every picture alike: only the guard says how sure that is
        return Paired(one, other, difference, 0.0, None, least, least)
    p = max(student_t.two_sided(difference / stderr, df), least)
    q = student_t.quantile(UPPER, df)
    low, high = difference - q * stderr, difference + q * stderr
    low, high = max(low, -first.most), min(high, first.most)
    if least > SIGNIFICANT:  # so few pictures differ that no interval could leave out 0
        low, high = min(low, 0.0), max(high, 0.0)
    detectable = max((q + student_t.quantile(POWER, df)) * stderr, LEAST_UNLIKE * mean(list(map(abs, moves))))
    there = detectable if detectable <= first.most else None
    return Paired(one, other, difference, stderr, (low, high), p, p, there)


def holm(found: Sequence[Paired]) -> list[Paired]:
    """The same with `p_holm` corrected over all that have a p-value."""
    places = [place for place, one in enumerate(found) if one.p is not None]
    corrected = list(found)
    so_far = 0.0
    for rank, place in enumerate(sorted(places, key=lambda place: found[place].p or 0.0)):
        so_far = max(so_far, min(1.0, (len(places) - rank) * (found[place].p or 0.0)))
        corrected[place] = replace(found[place], p_holm=so_far)
    return corrected


def _moves(apart: Units) -> list[float]:
    """What each picture on which the runs differ adds to the difference."""
    moves: list[float] = []
    for values, clusters in apart.parts():
        sums: dict[Hashable, float] = {}
        for value, cluster in zip(values, clusters, strict=True):
            sums[cluster] = sums.get(cluster, 0.0) + value
        moves += [one / len(values) for one in sums.values() if abs(one) > ROUNDING]
    return moves

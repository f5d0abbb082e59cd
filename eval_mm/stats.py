"""Error bars. Every mean has a standard error clustered by image and a 95 % interval.

Questions about one picture are not independent: a model that cannot read the picture fails them all. The
clustered standard error (Liang & Zeger 1986, https://doi.org/10.1093/biomet/73.1.13; for evaluations Miller
2024, https://arxiv.org/abs/2411.00640) sums the deviations of a picture's questions before squaring them,
with the small-sample factor G/(G-1) over G pictures. With one question per picture it is the usual s/sqrt(n).

The interval is Wilson's score interval (1927, https://doi.org/10.1080/01621459.1927.10502953) with the number
of questions that would have this standard error if they were independent, as surveys have it (Franco et al.
2019, https://pmc.ncbi.nlm.nih.gov/articles/PMC6690503), and with Student's t, since few pictures tell little
about their own spread. It stays within the scale, is no point where all is right or all wrong, and holds the
true number where `value ± 1.96 stderr` does not: benchmarks/intervals.
"""

import math
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from eval_mm import student_t
from eval_mm.schema import Metric, Metrics, Sample, Score

UPPER = 0.975
"""What of the distribution lies below the upper end of a two-sided 95 % interval."""

ROUNDING = 1e-9
"""Differences below this, on a scale of 100, are none."""


@dataclass(frozen=True, slots=True)
class Units:
    """What a number is made of: values on the published scale, each with its picture.

    The number is the mean of `values`; with `strata`, one for each value, the sum of the strata's means.
    `clusters` are what values must share to count together. `most` is the greatest number there can be; the
    least is 0. `bootstrap` asks for errors by drawing pictures again (eval_mm/bootstrap.py). `of_split` says
    that a value depends on which samples were scored with it.
    """

    values: Sequence[float]
    clusters: Sequence[Hashable]
    strata: Sequence[str] = ()
    most: float = 100.0
    bootstrap: bool = False
    of_split: bool = False

    def __post_init__(self) -> None:
        lengths = (len(self.values), len(self.clusters), len(self.strata or self.values))
        assert len(set(lengths)) == 1, f"values, clusters, strata: {lengths}"
        assert self.values, "the mean of nothing"

    def parts(self) -> list[tuple[Sequence[float], Sequence[Hashable]]]:
        """The values and clusters of every stratum, in the order of its first value."""
        if not self.strata:
            return [(self.values, self.clusters)]
        found: dict[str, tuple[list[float], list[Hashable]]] = {}
        for value, cluster, stratum in zip(self.values, self.clusters, self.strata, strict=True):
            values, clusters = found.setdefault(stratum, ([], []))
            values.append(value)
            clusters.append(cluster)
        return list(found.values())


class Spread(NamedTuple):
    """A number with its standard error, None where a single picture says nothing.

    `df` are its degrees of freedom: pictures less strata.
    """

    value: float
    stderr: float | None
    df: int


def number(units: Units) -> float:
    """The number that the units make."""
    return math.fsum(mean(values) for values, _ in units.parts())


def spread(units: Units) -> Spread:
    """The number that the units make, with its error."""
    parts, value = units.parts(), number(units)
    sums = [_deviations(*part) for part in parts]
    df = sum(len(one) - 1 for one in sums)
    errors = [_stderr(one, len(values)) for one, (values, _) in zip(sums, parts, strict=True)]
    known = [error for error in errors if error is not None]
    if len(known) < len(errors):
        return Spread(value, None, df)
    if units.bootstrap:
        from eval_mm.bootstrap import resampled_stderr

        return Spread(value, resampled_stderr(units), df)
    return Spread(value, math.hypot(*known), df)


def mean(values: Sequence[float]) -> float:
    """The mean, summed without loss."""
    return math.fsum(values) / len(values)


def clustered_stderr(values: Sequence[float], clusters: Sequence[Hashable]) -> float | None:
    """The standard error of the mean of `values`, questions of one cluster counted together.

    Returns None below two clusters, where nothing can be said.
    """
    return _stderr(_deviations(values, clusters), len(values))


def _deviations(values: Sequence[float], clusters: Sequence[Hashable]) -> list[float]:
    """The deviations from the mean, summed by cluster."""
    assert len(values) == len(clusters), f"{len(values)} values, {len(clusters)} clusters"
    middle = mean(values) if values else 0.0
    sums: dict[Hashable, float] = {}
    for value, cluster in zip(values, clusters, strict=True):
        sums[cluster] = sums.get(cluster, 0.0) + (value - middle)
    return list(sums.values())


def _stderr(sums: Sequence[float], num_values: int) -> float | None:
    if len(sums) < 2:
        return None
    factor = len(sums) / (len(sums) - 1)
    return math.sqrt(factor * math.fsum(total * total for total in sums)) / num_values


def cluster_of(sample: Sample) -> Hashable:
    """What samples must share to count together: their pictures; one without pictures is alone."""
    return sample.images or sample.id


def metric_of(units: Units) -> Metric:
    """The number with its error and interval."""
    return with_interval(spread(units), 0.0, units.most)


def with_interval(found: Spread, least: float, most: float) -> Metric:
    """A number on a scale from `least` to `most` with its 95 % interval.

    Where all pictures are alike the error is 0, and they count as so many independent questions.
    """
    value, stderr, df = found
    if stderr is None:
        return Metric(value)
    wide = most - least
    share, error = min(1.0, max(0.0, (value - least) / wide)), stderr / wide
    alike = error < ROUNDING
    questions = df + 1 if alike else share * (1 - share) / error**2
    t = student_t.quantile(UPPER, df)
    middle = (questions * share + t * t / 2) / (questions + t * t)
    reach = t * math.sqrt(questions * share * (1 - share) + t * t / 4) / (questions + t * t)
    low, high = least + wide * (middle - reach), least + wide * (middle + reach)
    return Metric(value, 0.0 if alike else stderr, (max(least, min(low, value)), min(most, max(high, value))))


def mean_of(
    samples: Sequence[Sample], values: Sequence[float], scale: float = 100.0, bootstrap: bool = False
) -> Metric:
    """The mean of values in 0..1 on the published scale, with its error."""
    return metric_of(mean_units(samples, values, scale, bootstrap))


def mean_units(
    samples: Sequence[Sample], values: Sequence[float], scale: float = 100.0, bootstrap: bool = False
) -> Units:
    """Values in 0..1, one for each sample, on the published scale."""
    clusters = list(map(cluster_of, samples))
    return Units([scale * value for value in values], clusters, most=scale, bootstrap=bootstrap)


def no_labels(sample: Sample) -> Iterable[str]:
    """For metrics without a breakdown."""
    return ()


def mean_metric(
    name: str,
    labels: Callable[[Sample], Iterable[str]] = no_labels,
    scale: float = 100.0,
    bootstrap: bool = False,
) -> Callable[[Sequence[Sample], Sequence[Score]], Metrics]:
    """A task's `metrics` for the plain case: the mean score x `scale`; an unread answer counts 0.

    After it, as `name/label`, the mean over the samples of each label, labels in alphabetical order.
    """

    def metrics(samples: Sequence[Sample], scores: Sequence[Score]) -> Metrics:
        values = [score.value or 0.0 for score in scores]
        groups: dict[str, list[int]] = {}
        for place, sample in enumerate(samples):
            for label in labels(sample):
                groups.setdefault(label, []).append(place)
        return {name: mean_of(samples, values, scale, bootstrap)} | {
            f"{name}/{label}": mean_of(
                [samples[place] for place in places], [values[place] for place in places], scale, bootstrap
            )
            for label, places in sorted(groups.items())
        }

    return metrics

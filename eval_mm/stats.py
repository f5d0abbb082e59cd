"""Error bars. Every mean has a standard error clustered by image.

Questions about one picture are not independent: a model that cannot read the picture fails them all. The
clustered standard error (Liang & Zeger 1986, https://doi.org/10.1093/biomet/73.1.13; for evaluations Miller
2024, https://arxiv.org/abs/2411.00640) sums the deviations of a picture's questions before squaring them,
with the small-sample factor G/(G-1) over G pictures. With one question per picture it is the usual s/sqrt(n).
"""

import math
from collections.abc import Callable, Hashable, Iterable, Sequence

from eval_mm.schema import Metric, Metrics, Sample, Score

Z95 = 1.959963984540054


def clustered_stderr(values: Sequence[float], clusters: Sequence[Hashable]) -> float | None:
    """The standard error of the mean of `values`, questions of one cluster counted together.

    Returns None below two clusters, where nothing can be said.
    """
    assert len(values) == len(clusters), f"{len(values)} values, {len(clusters)} clusters"
    mean = math.fsum(values) / len(values) if values else 0.0
    sums: dict[Hashable, float] = {}
    for value, cluster in zip(values, clusters, strict=True):
        sums[cluster] = sums.get(cluster, 0.0) + (value - mean)
    if len(sums) < 2:
        return None
    factor = len(sums) / (len(sums) - 1)
    return math.sqrt(factor * math.fsum(total * total for total in sums.values())) / len(values)


def mean_of(samples: Sequence[Sample], values: Sequence[float], scale: float = 100.0) -> Metric:
    """The mean of values in 0..1 on the published scale, its interval kept within the scale."""
    assert values, "the mean of nothing"
    mean = scale * math.fsum(values) / len(values)
    stderr = clustered_stderr(values, [sample.images or sample.id for sample in samples])
    if stderr is None:
        return Metric(mean)
    stderr *= scale
    return Metric(mean, stderr, (max(0.0, mean - Z95 * stderr), min(scale, mean + Z95 * stderr)))


def no_labels(sample: Sample) -> Iterable[str]:
    """For metrics without a breakdown."""
    return ()


def mean_metric(
    name: str, labels: Callable[[Sample], Iterable[str]] = no_labels, scale: float = 100.0
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
        return {name: mean_of(samples, values, scale)} | {
            f"{name}/{label}": mean_of(
                [samples[place] for place in places], [values[place] for place in places], scale
            )
            for label, places in sorted(groups.items())
        }

    return metrics

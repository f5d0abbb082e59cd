"""Errors by drawing pictures again: for CIDEr, circular accuracy and the sums of MME.

A replicate draws G-1 of a stratum's G pictures with replacement and makes the number of what was drawn; the
error is the standard deviation of the replicates. G-1 instead of G leaves no bias (Rao & Wu 1988,
https://doi.org/10.1080/01621459.1988.10478591), which matters in strata of 20 pictures. Everything asked
about a picture is drawn with it.

Held fixed is all that the samples' scores were made with: CIDEr's word frequencies are those of the whole
split, and not counted again for what was drawn.

The draws are the raw output of PCG64 with a fixed seed, which numpy keeps for good: the same data and answers
have the same error in any process. The interval is not made of percentiles of the replicates: those hold the
true number less often than the one of eval_mm/stats.py (benchmarks/intervals).
"""

from collections.abc import Hashable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from eval_mm.stats import Units

SEED = 20260101
REPLICATES = 2_000
"""By chance alone an error of so many replicates is 1.6 % off."""

CHUNK = 1 << 20
"""Pictures drawn at a time, which bounds the memory: about 30 MiB."""


def resampled_stderr(units: "Units") -> float:
    """The standard error of the number that the units make; every stratum needs two clusters."""
    return float(replicates(units).std(ddof=1))


def replicates(units: "Units", count: int = REPLICATES) -> "NDArray[np.float64]":
    """The number made of pictures drawn again, `count` times."""
    import numpy as np

    bits = np.random.PCG64(SEED)
    found = np.zeros(count)
    for values, clusters in units.parts():
        numbers: dict[Hashable, int] = {}
        cluster = np.array([numbers.setdefault(one, len(numbers)) for one in clusters])
        sums, sizes = np.bincount(cluster, values), np.bincount(cluster)
        alike = bool((sizes == sizes[0]).all())
        rows = max(1, CHUNK // len(sums))
        for start in range(0, count, rows):
            drawn = _draw(bits, min(rows, count - start), len(sums))
            size = sizes[0] * drawn.shape[1] if alike else sizes[drawn].sum(axis=1)
            found[start : start + rows] += sums[drawn].sum(axis=1) / size
    return found


def _draw(bits: "np.random.PCG64", rows: int, clusters: int) -> "NDArray[np.intp]":
    """`rows` rows of clusters - 1 numbers from 0 to clusters - 1, all as likely."""
    import numpy as np

    half = clusters // 2  # of the raw numbers that a row takes, each of which makes two
    raw = np.asarray(bits.random_raw(rows * half), np.uint64).view(np.uint32).reshape(rows, 2 * half)
    drawn = raw[:, : clusters - 1].astype(np.uint64) * np.uint64(clusters) >> np.uint64(32)
    return drawn.astype(np.intp)

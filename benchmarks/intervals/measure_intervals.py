"""How often 95 % intervals hold the true number, and how often equal runs are called different.

    python benchmarks/intervals/measure_intervals.py [--times N]

Benchmarks and answers are simulated (tests/eval_mm/simulated.py), so that the true number is known. Prints
the tables; a run of full length writes them to README.md beside this script.
"""

import argparse
import os
import platform
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from eval_mm.bootstrap import REPLICATES, replicates
from eval_mm.console import align
from eval_mm.stats import Units, metric_of, spread, with_interval
from tests.eval_mm import simulated

SEED = 20260101
TIMES = 2_000
PLAIN = 1.959963984540054

BENCHMARKS = {
    "accuracy 70, 5 pictures": simulated.accuracy(5, 0.7),
    "accuracy 70, 20 pictures": simulated.accuracy(20, 0.7),
    "accuracy 70, 100 pictures": simulated.accuracy(100, 0.7),
    "accuracy 70, 1,000 pictures": simulated.accuracy(1_000, 0.7),
    "accuracy 95, 20 pictures": simulated.accuracy(20, 0.95, 1),
    "accuracy 95, 100 pictures": simulated.accuracy(100, 0.95, 1),
    "accuracy 99, 300 pictures": simulated.accuracy(300, 0.99, 1),
    "CIDEr 80, 100 captions": simulated.cider(100),
    "CIDEr 80, 1,000 captions": simulated.cider(1_000),
    "circular accuracy, 100 questions": simulated.circular(100, 0.8),
    "circular accuracy, 1,164 questions": simulated.circular(1_164, 0.8),
    "MME perception, 1,057 pictures": simulated.mme(),
}

PAIRS = {
    "equal models, 20 pictures": simulated.equal_runs(20),
    "equal models, 100 pictures": simulated.equal_runs(100),
    "versions 5 % apart, 100 questions": simulated.hardly_differing_runs(100, 0.05),
    "versions 5 % apart, 1,000 questions": simulated.hardly_differing_runs(1_000, 0.05),
    "equal captioners, 300 captions": simulated.equal_captions(300),
    "equal on MME perception": simulated.equal_mme_runs(),
}

PAGE = """# Error bars

`python benchmarks/intervals/measure_intervals.py`: benchmarks with a known true number, answered by chance
(`tests/eval_mm/simulated.py`), {times:,} of each, seed {seed}; {machine}. What is simulated
{times:,} times is {noise:.1f} points off by chance alone.

How often an interval of 95 % holds the true number, in percent. Plain is value ± 1.96 standard errors; drawn
again are the 2.5th and 97.5th percentile of {replicates:,} replicates; ours is `eval_mm/stats.py`.
With few pictures near the end of the scale a number has few values, and no interval holds exactly 95 %; ours
then holds more.

```text
{intervals}
```

How often one of two runs that are as good is called better (`eval_mm/paired.py`), in percent; 5 is what
p < 0.05 allows.

```text
{pairs}
```

What errors cost, on one thread:

```text
{seconds}
```
"""


def holds(draw: simulated.Draw, times: int) -> tuple[float, float, float]:
    """The parts of intervals that hold the true number: plain, percentiles, ours."""
    random = np.random.default_rng(SEED)
    held = np.zeros(3)
    for _ in range(times):
        units, truth = draw(random)
        drawn = replicates(units)
        found = spread(replace(units, bootstrap=False))
        if units.bootstrap:
            found = found._replace(stderr=float(drawn.std(ddof=1)))
        ours = with_interval(found, 0.0, units.most).ci95
        assert found.stderr is not None
        assert ours is not None
        plain = (found.value - PLAIN * found.stderr, found.value + PLAIN * found.stderr)
        low, high = np.quantile(drawn, [0.025, 0.975])
        held += [a - 1e-9 <= truth <= b + 1e-9 for a, b in (plain, (low, high), ours)]
    one, other, last = held / times
    return float(one), float(other), float(last)


def cost() -> str:
    """Seconds of the errors of 100,000 samples."""
    random = np.random.default_rng(SEED)
    values = (100.0 * (random.random(100_000) < 0.7)).tolist()
    rows = [("100,000 samples", "seconds")]
    for what, pictures, bootstrap in (
        ("questions about 20,000 pictures, clustered", 20_000, False),
        ("questions about 20,000 pictures, drawn again", 20_000, True),
        ("captions of 100,000 pictures, drawn again", 100_000, True),
    ):
        clusters = [place % pictures for place in range(len(values))]
        started = time.process_time()
        metric_of(Units(values, clusters, bootstrap=bootstrap))
        rows.append((what, f"{time.process_time() - started:.2f}"))
    return align(rows, left={0})


def main() -> int:
    """Measures, prints and writes the tables."""
    parser = argparse.ArgumentParser(description="How honest error bars are.")
    parser.add_argument("--times", type=int, default=TIMES, help=f"of each kind (default {TIMES})")
    times: int = parser.parse_args().times
    rows: list[tuple[str, ...]] = [("benchmark", "plain", "drawn again", "ours")]
    for name, draw in BENCHMARKS.items():
        rows.append((name, *(f"{100 * part:.1f}" for part in holds(draw, times))))
        print(*rows[-1], file=sys.stderr)
    intervals = align(rows, left={0})
    rows = [("pair", "called different")]
    for name, pair in PAIRS.items():
        rows.append((name, f"{100 * simulated.called_different(pair, times, SEED):.1f}"))
        print(*rows[-1], file=sys.stderr)
    page = PAGE.format(
        times=times,
        seed=SEED,
        machine=f"Python {platform.python_version()}, {platform.machine()}, {os.cpu_count()} cores",
        noise=100 * (0.05 * 0.95 / times) ** 0.5,
        replicates=REPLICATES,
        intervals=intervals,
        pairs=align(rows, left={0}),
        seconds=cost(),
    )
    print(page)
    if times == TIMES:
        Path(__file__).with_name("README.md").write_text(page, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

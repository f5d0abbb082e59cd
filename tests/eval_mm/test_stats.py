"""Error bars against computations by hand, a textbook, and scipy."""

import math
import statistics
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval_mm import bootstrap, student_t
from eval_mm.schema import Image, Sample, Score
from eval_mm.stats import Units, clustered_stderr, mean_metric, metric_of, spread
from tests.eval_mm import simulated

ROOT = Path(__file__).parents[2]


def sample(index: int, image: str) -> Sample:
    return Sample(str(index), (Image(image),), "")


def test_clustered_stderr_by_hand() -> None:
    """Three pictures with 2, 2 and 1 questions: sums of deviations 0.8, -1.2, 0.4; factor 3/2; n 5."""
    values, clusters = [1.0, 1.0, 0.0, 0.0, 1.0], ["a", "a", "b", "b", "c"]
    wanted = math.sqrt(3 / 2 * (0.8**2 + 1.2**2 + 0.4**2)) / 5
    assert clustered_stderr(values, clusters) == pytest.approx(wanted)


def test_a_textbook_example() -> None:
    """Lohr, Sampling: Design and Analysis, example 5.2: five suites of four students, 2.826 with error 0.164.

    The book's error has the factor for five suites of a hundred, which a benchmark has not.
    """
    suites = (
        (3.08, 2.60, 3.44, 3.04),
        (2.36, 3.04, 3.28, 2.68),
        (2.00, 2.56, 2.52, 1.88),
        (3.00, 2.88, 3.44, 3.64),
        (2.68, 1.92, 3.28, 3.20),
    )
    values = [value for suite in suites for value in suite]
    found = spread(Units(values, [place // 4 for place in range(20)]))
    assert found.value == pytest.approx(2.826)
    assert found.stderr is not None
    assert found.stderr * math.sqrt(1 - 5 / 100) == pytest.approx(0.164, abs=0.0005)
    assert found.df == 4


def test_clusters_of_different_sizes() -> None:
    """As OLS of statsmodels 0.14 on a constant, with cov_type="cluster"."""
    values = [1.0, 0.0, 1.0, 1.0, 0.0, 0.0, 1.0, 1.0, 1.0, 0.0, 0.0, 1.0, 1.0]
    clusters = [0, 0, 0, 0, 1, 1, 2, 3, 3, 3, 4, 5, 5]
    assert clustered_stderr(values, clusters) == pytest.approx(0.14465005, abs=1e-8)


def test_duplicated_questions_are_no_new_evidence() -> None:
    """Asking each question of a picture four times must not halve the error bar."""
    values = [1.0, 0.0, 1.0, 1.0, 0.0, 1.0]
    once = clustered_stderr(values, range(6))
    assert clustered_stderr(values * 4, list(range(6)) * 4) == pytest.approx(once)


@given(st.lists(st.floats(0, 1), min_size=2, max_size=30))
def test_singletons_give_the_usual_standard_error(values: list[float]) -> None:
    """One question per picture: s / sqrt(n)."""
    wanted = statistics.stdev(values) / math.sqrt(len(values))
    assert clustered_stderr(values, range(len(values))) == pytest.approx(wanted, abs=1e-9)


def test_one_picture_has_no_error_bar() -> None:
    """With one cluster nothing is known about the spread: no number is better than 0."""
    assert clustered_stderr([1.0, 0.0], ["a", "a"]) is None
    assert metric_of(Units([100.0, 0.0], ["a", "a"])).stderr is None
    in_each_stratum = Units([100.0, 0.0, 50.0], ["a", "b", "c"], ["x", "x", "y"], 200.0, bootstrap=True)
    assert metric_of(in_each_stratum).stderr is None


def test_strata_are_independent() -> None:
    """A sum over sub-tasks: the errors add as squares, and each sub-task costs a degree of freedom."""
    one, other = Units([0.0, 50.0, 100.0], range(3)), Units([20.0, 40.0, 90.0, 10.0], range(4))
    both = Units([*one.values, *other.values], range(7), [*"xxx", *"yyyy"], most=200.0)
    found, parts = spread(both), [spread(one), spread(other)]
    assert found.value == pytest.approx(sum(part.value for part in parts))
    assert found.stderr == pytest.approx(math.hypot(*(part.stderr or 0.0 for part in parts)))
    assert found.df == 5


def test_mean_metric_is_on_the_published_scale() -> None:
    """0-100, unread answers count 0; 3 independent questions have this error, and t(0.975, 3) is 3.18245."""
    samples = [sample(index, str(index)) for index in range(4)]
    scores = [Score(value, "", "") for value in (1.0, 1.0, 1.0, None)]
    metric = mean_metric("accuracy")(samples, scores)["accuracy"]
    assert metric.value == 75
    assert metric.stderr == pytest.approx(25)
    assert metric.ci95 == pytest.approx((13.07, 98.36), abs=0.01)


@pytest.mark.parametrize(
    ("right", "asked", "low", "high"), [(81, 263, 25.53, 36.62), (15, 148, 6.24, 16.05), (0, 1000, 0.0, 0.38)]
)
def test_the_interval_of_independent_questions_is_wilsons(
    right: int, asked: int, low: float, high: float
) -> None:
    """Newcombe 1998, Statistics in Medicine 17, 857: method 3 without correction; t is a little wider."""
    interval = metric_of(Units([100.0] * right + [0.0] * (asked - right), range(asked))).ci95
    assert interval == pytest.approx((low, high), abs=0.15)


@given(st.lists(st.tuples(st.floats(0, 1), st.integers(0, 5)), min_size=1, max_size=30))
def test_an_interval_holds_its_number_and_stays_on_the_scale(rows: list[tuple[float, int]]) -> None:
    """Rounding must not put a number outside its own interval, nor the interval off the scale."""
    metric = metric_of(Units([100 * value for value, _ in rows], [cluster for _, cluster in rows]))
    if metric.ci95 is not None:
        assert 0 <= metric.ci95[0] <= metric.value <= metric.ci95[1] <= 100


def test_all_right_is_not_certain() -> None:
    """20 of 20 right: an interval of no width would say that no error will ever be made."""
    metric = metric_of(Units([100.0] * 20, range(20)))
    assert metric.stderr == 0
    assert metric.ci95 == pytest.approx((82.03, 100), abs=0.01)


@pytest.mark.parametrize(
    ("t", "df", "p"),
    [
        (0.5, 1, 0.7048327646991335),
        (2.0, 5, 0.10193947882985835),
        (2.0, 29, 0.05494363718296717),
        (-3.0, 10, 0.01334365502256957),
        (4.5, 99, 1.8549056105456718e-05),
        (1.96, 100_000, 0.04999856319430168),
        (0.0, 3, 1.0),
    ],
)
def test_p_values_are_scipys(t: float, df: int, p: float) -> None:
    """2 * scipy.stats.t.sf(|t|, df) of scipy 1.17."""
    assert student_t.two_sided(t, df) == pytest.approx(p, rel=1e-8)


@pytest.mark.parametrize(
    ("probability", "df", "t"),
    [
        (0.975, 1, 12.706204736174694),
        (0.975, 2, 4.302652729749462),
        (0.975, 9, 2.262157162798205),
        (0.975, 29, 2.045229642132703),
        (0.975, 499, 1.9647293909876886),
        (0.8, 9, 0.8834038596855346),
        (0.8, 4499, 0.8417011343823225),
        (0.5, 7, 0.0),
    ],
)
def test_quantiles_are_scipys(probability: float, df: int, t: float) -> None:
    """scipy.stats.t.ppf of scipy 1.17, the table at the end of every textbook."""
    assert student_t.quantile(probability, df) == pytest.approx(t, rel=1e-8, abs=1e-12)


def skewed(pictures: int) -> Units:
    """Made without numpy's generators, whose streams may change."""
    values = [float(place * place % 97) for place in range(pictures)]
    return Units(values, [place % (pictures // 2) for place in range(pictures)], bootstrap=True)


def test_drawing_pictures_again_finds_the_clustered_error() -> None:
    """Drawing questions, or G pictures instead of G - 1, would find another: 20 pictures tell them apart."""
    for units in (skewed(40), Units(skewed(40).values, range(40), [*"ab"] * 20, 200.0, bootstrap=True)):
        plain = spread(Units(units.values, units.clusters, units.strata)).stderr
        assert plain is not None
        assert bootstrap.replicates(units, 50_000).std() == pytest.approx(plain, rel=0.012)
        assert spread(units).stderr == pytest.approx(plain, rel=0.05)


def test_drawn_errors_are_the_same_in_any_process_and_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    """A result is a function of data and answers: no seed of a process, no size of a piece may change it."""
    code = (
        "from tests.eval_mm.test_stats import skewed; from eval_mm.stats import spread; "
        "print(repr(spread(skewed(40)).stderr))"
    )
    command = [sys.executable, "-c", code]
    shown = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert shown.strip() == repr(spread(skewed(40)).stderr)
    assert spread(skewed(40)).stderr == pytest.approx(3.9023033484355882, rel=1e-9)
    whole = bootstrap.replicates(skewed(40)).tolist()
    monkeypatch.setattr(bootstrap, "CHUNK", 64)
    assert bootstrap.replicates(skewed(40)).tolist() == whole


@pytest.mark.parametrize(("pictures", "rate"), [(20, 0.7), (100, 0.7), (300, 0.95)])
def test_intervals_hold_the_true_number(pictures: int, rate: float) -> None:
    """Questions counted as independent hold it in 81 %, a normal quantile at 20 pictures in 92 %."""
    assert 0.93 <= simulated.coverage(simulated.accuracy(pictures, rate), 2_000, seed=1) <= 0.97

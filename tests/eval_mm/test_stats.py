"""Error bars against a computation by hand."""

import math
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval_mm.schema import Image, Sample, Score
from eval_mm.stats import clustered_stderr, mean_metric


def sample(index: int, image: str) -> Sample:
    return Sample(str(index), (Image(image),), "")


def test_clustered_stderr_by_hand() -> None:
    """Three pictures with 2, 2 and 1 questions: sums of deviations 0.8, -1.2, 0.4; factor 3/2; n 5."""
    values, clusters = [1.0, 1.0, 0.0, 0.0, 1.0], ["a", "a", "b", "b", "c"]
    wanted = math.sqrt(3 / 2 * (0.8**2 + 1.2**2 + 0.4**2)) / 5
    assert clustered_stderr(values, clusters) == pytest.approx(wanted)


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


def test_mean_metric_is_on_the_published_scale() -> None:
    """0-100, unread answers count 0; 3 independent questions have this error, and t(0.975, 3) is 3.18245."""
    samples = [sample(index, str(index)) for index in range(4)]
    scores = [Score(value, "", "") for value in (1.0, 1.0, 1.0, None)]
    metric = mean_metric("accuracy")(samples, scores)["accuracy"]
    assert metric.value == 75
    assert metric.stderr == pytest.approx(25)
    assert metric.ci95 == pytest.approx((13.07, 98.36), abs=0.01)

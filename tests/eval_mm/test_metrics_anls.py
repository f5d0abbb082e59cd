"""ANLS: golden values of the published scorer, equality with the plain rule, its two lengths."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval_mm.metrics.anls import STEPS, anls
from eval_mm.metrics.steps import trace
from tests.conftest import SHARED
from tests.eval_mm import plain_metrics

GOLDENS = json.loads((Path(__file__).parents[1] / "goldens" / "anls.json").read_text(encoding="utf-8"))
TEXTS = st.text(st.sampled_from([*"abAß é\t\u00a0İﬁ\ud800😀"]), max_size=9)


def test_equals_the_published_scorer() -> None:
    """300 awkward answers; recorded values have ten digits."""
    assert len(GOLDENS) == 300
    for row in GOLDENS:
        assert anls(row["prediction"], row["answers"]) == pytest.approx(row["anls"], abs=1e-9), row


def test_real_docvqa_answers() -> None:
    """1,000 real answers give the recorded 92.0324 by the papers' formula, and 92.2825 as the scorer counts.

    The five answers of exactly 0.5 make the difference: taking one rule for the other moves the third digit.
    """
    path = SHARED / "real_data" / "docvqa" / "val1000_llama_maverick_results.json"
    if not path.is_file():
        pytest.skip(f"needs the real DocVQA answers in {path}, which are not redistributed")
    rows = json.loads(path.read_text(encoding="utf-8"))
    assert len(rows) == 1000
    for strict, wanted in ((True, 92.03238275961856), (False, 92.2825177123851)):
        scores = [anls(row["predicted_answer"], row["ground_truth"], strict=strict) for row in rows]
        assert 100 * sum(scores) / 1000 == pytest.approx(wanted, abs=1e-9)


@given(TEXTS, st.lists(TEXTS, min_size=1, max_size=3), st.sampled_from([0.0, 0.25, 0.5, 1.0]))
def test_equals_the_plain_rule(prediction: str, answers: list[str], threshold: float) -> None:
    """The library counts characters as Python does, surrogates and ligatures included."""
    wanted = plain_metrics.anls(prediction, answers, threshold)
    assert anls(prediction, answers, threshold=threshold) == wanted


@pytest.mark.parametrize(
    ("prediction", "answer", "published", "strict"),
    [
        ("ab", "abcd", 0.5, 0.0),
        ("a", "abc", 0.0, 0.0),
        ("  abcx  ", "abcd", 0.875, 0.75),
        ("ab          ", "abc", 1 - 1 / 12, 1 - 1 / 3),
        ("strasse", "straße", 1 - 2 / 7, 1 - 2 / 7),
        ("ß", "s", 0.5, 0.0),
        ("abxx", "abcd", 0.5, 0.0),
        ("İ", "x", 0.0, 0.0),
        ("", "", 1.0, 1.0),
        (" ", "", 1.0, 1.0),
        ("", "a", 0.0, 0.0),
        ("A\n B", "a b", 1.0, 1.0),
    ],
)
def test_lengths_are_those_of_the_texts_as_written(
    prediction: str, answer: str, published: float, strict: float
) -> None:
    """The published length counts spaces that the distance ignores; `strict` does not."""
    assert anls(prediction, [answer]) == published
    assert anls(prediction, [answer], strict=True) == strict


def test_best_reference_counts() -> None:
    """Questions have several right answers: the nearest decides, wherever it stands."""
    assert anls("abcd", ["xyz", "abce", "abc"]) == anls("abcd", ["abc", "xyz", "abce"]) == 0.75


def test_threshold_stays() -> None:
    """Exactly one half is kept as published, what is below becomes 0; `strict` wants more than the half."""
    assert anls("abxx", ["abcd"]) == 0.5
    assert anls("abxx", ["abcd"], strict=True) == 0.0
    assert anls("abxxx", ["abcde"]) == 0.0
    assert anls("abxxx", ["abcde"], threshold=0.4) == pytest.approx(0.4)


def test_steps_are_named() -> None:
    """`explain` prints what the distance is taken of."""
    assert trace(STEPS, " The\n Dog") == [
        ("lower case", " the\n dog"),
        ("white space collapsed", "the dog"),
    ]


def test_mistakes_of_ours_are_refused() -> None:
    """No references, or a threshold in percent, would make a plausible number."""
    with pytest.raises(AssertionError, match="at least one reference"):
        anls("a", [])
    with pytest.raises(AssertionError, match="50"):
        anls("a", ["a"], threshold=50)

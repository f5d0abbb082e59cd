"""Exact match: golden values of the published scorer and its edges."""

import json
from pathlib import Path

import pytest

from eval_mm.metrics.exact import STEPS, exact_match
from eval_mm.metrics.steps import trace

GOLDENS = json.loads(
    (Path(__file__).parents[1] / "goldens" / "relaxed_and_exact.json").read_text(encoding="utf-8")
)


def test_equals_the_published_scorer() -> None:
    """250 awkward answers, one or several references."""
    assert len(GOLDENS) == 250
    for row in GOLDENS:
        answers = [row["answer"]] if isinstance(row["answer"], str) else row["answer"]
        assert exact_match(row["prediction"], answers) == row["exact"], row


@pytest.mark.parametrize(
    ("prediction", "answers", "wanted"),
    [
        (" Yes\n", ["yes "], 1.0),
        ("yes.", ["yes"], 0.0),
        ("a  b", ["a b"], 0.0),
        ("STRASSE", ["straße"], 0.0),
        ("", [" "], 1.0),
        ("dog", ["cat", "dog"], 1.0),
        ("5.0", ["5"], 0.0),
    ],
)
def test_only_case_and_outer_white_space_are_ignored(
    prediction: str, answers: list[str], wanted: float
) -> None:
    """A kinder match (full stops, numbers, inner spaces) would be another number than the published one."""
    assert exact_match(prediction, answers) == wanted


def test_steps_are_named() -> None:
    """`explain` prints what is compared."""
    assert trace(STEPS, " Yes ") == [("strip", "Yes"), ("lower case", "yes")]


def test_no_references_is_our_mistake() -> None:
    """Rows without public answers must not reach the metric."""
    with pytest.raises(AssertionError, match="at least one reference"):
        exact_match("yes", [])

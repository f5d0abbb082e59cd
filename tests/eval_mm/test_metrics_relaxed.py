"""Relaxed accuracy: golden values, real ChartQA answers, what is a number, equal answers without marks."""

import json
import math
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from eval_mm.metrics.relaxed import Variant, relaxed_accuracy
from tests.conftest import SHARED

GOLDENS = json.loads(
    (Path(__file__).parents[1] / "goldens" / "relaxed_and_exact.json").read_text(encoding="utf-8")
)
VARIANTS: tuple[Variant, ...] = get_args(Variant)


def test_equals_the_published_scorer() -> None:
    """250 awkward answers of variant `qwen-vl`, one or several references."""
    assert len(GOLDENS) == 250
    for row in GOLDENS:
        answers = [row["answer"]] if isinstance(row["answer"], str) else row["answer"]
        assert relaxed_accuracy(row["prediction"], answers, "qwen-vl") == row["relaxed"], row


@pytest.mark.parametrize(("split", "published"), [("test_human", 80.72), ("test_augmented", 94.96)])
def test_published_chartqa_figures(split: str, published: float) -> None:
    """The figures published with 2,500 real answers come out of variant `official` exactly."""
    path = SHARED / "real_data" / "chartqa" / "qwen2.5-vl_results.json"
    if not path.is_file():
        pytest.skip(f"needs the real ChartQA answers in {path}, which are not redistributed")
    rows = [row for row in json.loads(path.read_text(encoding="utf-8")) if row["split"] == split]
    right = sum(relaxed_accuracy(row["prediction"], [row["answer"]], "official") for row in rows)
    assert len(rows) == 1250
    assert 100 * right / len(rows) == pytest.approx(published, abs=1e-9)


@pytest.mark.parametrize(
    ("prediction", "answer", "qwen_vl", "official"),
    [
        ("105", "100", 1, 1),
        ("95", "100", 0, 1),  # 5 % of 100, but 5.3 % of 95
        ("105.2", "100", 1, 0),  # 4.9 % of 105.2
        ("-100", "100", 0, 0),
        ("0", "100", 0, 0),
        ("0", "0", 1, 1),
        ("0.0", "0", 0, 0),
        ("0.01", "0", 0, 0),
        ("50%", "0.5", 1, 1),
        ("50%%", "0.5", 1, 1),
        ("50 %", "0.5", 1, 1),
        ("50%", "50", 0, 0),
        ("1_000", "1000", 1, 1),
        ("1,000", "1000", 0, 0),
        ("$5", "5", 0, 0),
        ("٣", "3", 1, 1),
        ("1e3", "1000", 1, 1),
        ("0x10", "16", 0, 0),
        ("5", " 5 ", 1, 1),
        ("1e308", "-1e308", 0, 0),
        ("5e-324", "1e308", 0, 0),
        ("Yes", "yes", 1, 1),
        ("%", "%", 1, 1),
        ("yes.", "yes", 0, 0),
    ],
)
def test_numbers_and_texts(prediction: str, answer: str, qwen_vl: float, official: float) -> None:
    """Which side the 5 % are of, zero, percent signs, and whatever else Python calls a number."""
    assert relaxed_accuracy(prediction, [answer], "qwen-vl") == qwen_vl
    assert relaxed_accuracy(prediction, [answer], "official") == official


def test_best_reference_counts() -> None:
    """Any of several references will do, wherever it stands."""
    for variant in VARIANTS:
        assert relaxed_accuracy("104", ["yes", "100"], variant) == 1.0
        assert relaxed_accuracy("104", ["yes", "no"], variant) == 0.0


def number(text: str) -> float | None:
    """What the text reads as, written apart from the metric."""
    digits = text
    while digits.endswith("%"):
        digits = digits[:-1]
    try:
        return float(digits) / (1 if digits == text else 100)
    except ValueError:
        return None


ODD_NUMBERS = st.sampled_from(
    ["inf", "-Infinity", "NaN", "1e999", "inf%", " nan ", "0", " 0", "0%", "5% ", " 7"]
)
TEXTS = ODD_NUMBERS | st.text(st.characters()) | st.text(st.sampled_from([*"01.e%-_ aA\t"]), max_size=6)


@given(TEXTS, st.sampled_from(VARIANTS))
@example("1e400", "official")
@example("5e-324", "qwen-vl")
@example("\x1c5", "qwen-vl")
def test_the_texts_whose_equal_answer_is_not_right(text: str, variant: Variant) -> None:
    """Exactly those the module names: infinities, not-a-number, and outer white space but around a number."""
    value = number(text)
    if value is not None and not math.isfinite(value):
        wanted = 0.0
    else:
        wanted = 1.0 if text == text.strip() or value else 0.0
    assert relaxed_accuracy(text, [text], variant) == wanted


def test_no_references_is_our_mistake() -> None:
    """Rows without public answers must not reach the metric."""
    with pytest.raises(AssertionError, match="at least one reference"):
        relaxed_accuracy("yes", [], "official")

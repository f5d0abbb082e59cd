"""Every text metric on any text: nothing raises, scores lie in 0 to 1, equal answers are right."""

from collections.abc import Callable, Sequence
from functools import partial

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from eval_mm.kinds.short_answer import EXACT, GQA_OFFICIAL, GQA_QWEN_VL, Rule
from eval_mm.metrics.anls import anls
from eval_mm.metrics.exact import exact_match
from eval_mm.metrics.gqa import gqa_accuracy
from eval_mm.metrics.relaxed import relaxed_accuracy
from eval_mm.metrics.steps import run
from eval_mm.metrics.vqa import vqa_accuracy

Metric = Callable[[str, Sequence[str]], float]

METRICS: dict[str, Metric] = {
    "vqa qwen-vl": partial(vqa_accuracy, variant="qwen-vl"),
    "vqa official": partial(vqa_accuracy, variant="official"),
    "vqa textvqa": partial(vqa_accuracy, variant="textvqa"),
    "anls": anls,
    "anls strict": partial(anls, strict=True),
    "anls without threshold": partial(anls, threshold=0.0),
    "relaxed qwen-vl": partial(relaxed_accuracy, variant="qwen-vl"),
    "relaxed official": partial(relaxed_accuracy, variant="official"),
    "exact": exact_match,
    "gqa qwen-vl": partial(gqa_accuracy, variant="qwen-vl"),
    "gqa official": partial(gqa_accuracy, variant="official"),
}

ODD = [
    "",
    " ",
    "\n",
    "nan",
    "inf",
    "-inf%",
    "1e999",
    "1_000",
    "٣",
    "1\0",
    "%",
    "0",
    "-0.0",
    "...",
    "\ud800",
    "İ",
]
TEXTS = st.text(st.characters()) | st.sampled_from(
    [*ODD, "a", "is ", " of", "the", "two", "1,000", "9" * 5000]
)
ORDERS = st.lists(TEXTS, min_size=1, max_size=5).flatmap(
    lambda answers: st.tuples(st.just(answers), st.permutations(answers))
)


@pytest.mark.parametrize("name", METRICS)
@given(prediction=TEXTS, answers=st.lists(TEXTS, min_size=1, max_size=11))
def test_no_text_raises_and_scores_lie_in_range(name: str, prediction: str, answers: list[str]) -> None:
    """A lone surrogate, a huge number or an empty answer must not end the scoring of a whole run."""
    assert 0.0 <= METRICS[name](prediction, answers) <= 1.0


ALWAYS_RIGHT = ["vqa official", "vqa textvqa", "anls", "anls strict", "exact"]


@pytest.mark.parametrize("name", ALWAYS_RIGHT)
@given(text=TEXTS, count=st.integers(4, 12))
def test_an_answer_equal_to_all_references_earns_full_marks(name: str, text: str, count: int) -> None:
    """No exceptions, blank texts included; VQA accuracy needs four references to give full marks.

    Relaxed accuracy and GQA have exceptions; their own tests say exactly which. VQA `qwen-vl` has them too.
    """
    assert METRICS[name](text, [text] * count) == 1.0


@pytest.mark.parametrize("text", ["dont", "A dog", "two", "10,000", "Yes", "yes.", " yes", "the", "t-shirt"])
def test_vqa_qwen_vl_texts_whose_equal_answer_is_not_right(text: str) -> None:
    """Published: references that all agree are not processed, the prediction always is."""
    assert METRICS["vqa qwen-vl"](text, [text] * 10) == 0.0


@pytest.mark.parametrize("rule", [EXACT, GQA_QWEN_VL, GQA_OFFICIAL], ids=lambda rule: rule.name)
@given(prediction=TEXTS, answers=st.lists(TEXTS, min_size=1, max_size=3))
@example(prediction="Hat", answers=[" HAT "])
def test_the_steps_that_are_shown_decide(rule: Rule, prediction: str, answers: list[str]) -> None:
    """`explain` showed "hat" beside " HAT ", unequal, as right: the references' steps were left out."""
    steps = rule.steps(answers)
    shown = {run(steps.references, answer) for answer in answers}
    assert rule.value(prediction, answers) == float(run(steps.answer, prediction) in shown)


@pytest.mark.parametrize("name", METRICS)
@given(prediction=TEXTS, orders=ORDERS)
def test_the_order_of_the_references_is_nothing(
    name: str, prediction: str, orders: tuple[list[str], list[str]]
) -> None:
    """Annotation files of one benchmark differ in the order of their answers; the number must not."""
    one, other = orders
    assert METRICS[name](prediction, one) == METRICS[name](prediction, other)

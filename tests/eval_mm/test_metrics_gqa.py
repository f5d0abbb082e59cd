"""GQA accuracy: golden values of the clean-up, the real answers, equal answers without marks."""

import gzip
import json
import tarfile
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from eval_mm.metrics.gqa import CLEAN_UP, OFFICIAL, Variant, gqa_accuracy
from eval_mm.metrics.steps import run, trace
from tests.conftest import SHARED

GOLDENS = json.loads((Path(__file__).parents[1] / "goldens" / "gqa_answer.json").read_text(encoding="utf-8"))
VARIANTS: tuple[Variant, ...] = get_args(Variant)


def test_clean_up_equals_the_published_scorer() -> None:
    """150 answers and sentences, cut as published."""
    assert len(GOLDENS) == 150
    for row in GOLDENS:
        assert run(CLEAN_UP, row["text"]) == row["processed"], row


@pytest.mark.parametrize(
    ("prediction", "answer", "qwen_vl", "official"),
    [
        ("Yes", "yes", 1, 1),
        ("yes.", "yes", 1, 1),
        (" yes", "yes", 1, 0),
        ("Yes, it is.", "yes", 1, 0),
        ("The man is wearing a hat.", "hat", 1, 0),
        ("a hat", "a hat", 0, 1),
        ("Hat", "Hat", 1, 0),
        ("hat", " HAT ", 1, 0),
        ("pizza and salad", "and salad", 1, 0),
        ("", "", 1, 1),
        ("...", "", 1, 1),
        ("yes!", "yes", 1, 0),
        ("no", "yes", 0, 0),
    ],
)
def test_variants_differ_as_published(prediction: str, answer: str, qwen_vl: float, official: float) -> None:
    """One cuts the prediction down, the other removes a full stop; neither cuts the reference."""
    assert gqa_accuracy(prediction, [answer], "qwen-vl") == qwen_vl
    assert gqa_accuracy(prediction, [answer], "official") == official


def test_every_rule_is_a_named_step() -> None:
    """`explain` shows where a sentence was cut; what is kept ends where the word occurs again."""
    assert trace(CLEAN_UP, " It is on a sofa of this is leather, I think.") == [
        ("strip", "It is on a sofa of this is leather, I think."),
        ("cut at the first '.'", "It is on a sofa of this is leather, I think"),
        ("cut at the first ','", "It is on a sofa of this is leather"),
        ("cut at the first '!'", "It is on a sofa of this is leather"),
        ("lower case", "it is on a sofa of this is leather"),
        ("keep what follows 'is '", "on a sofa of th"),
        ("keep what follows 'are '", "on a sofa of th"),
        ("keep what follows 'a '", "sof"),
        ("keep what follows 'an '", "sof"),
        ("keep what follows 'the '", "sof"),
        ("cut at the first ' of'", "sof"),
        ("strip", "sof"),
    ]
    assert trace(OFFICIAL, "Sofa..") == [("no full stop at the end", "Sofa"), ("lower case", "sofa")]


CUTS = (".", ",", "!", "is ", "are ", "a ", "an ", "the ", " of")
PIECES = st.sampled_from([*CUTS, *"isof İ", "dog"])
TEXTS = st.lists(PIECES, max_size=6).map("".join) | st.text(max_size=20)


@given(TEXTS)
@example("area rug")
@example("this one")
@example("is ")
def test_qwen_vl_texts_whose_equal_answer_is_not_right(text: str) -> None:
    """Exactly those the module names: any that hold a cut, even inside a word, and no others."""
    cut = any(mark in text.strip().lower() for mark in CUTS)
    assert gqa_accuracy(text, [text], "qwen-vl") == (0.0 if cut else 1.0)


@given(TEXTS)
@example("Yes")
@example("yes.")
def test_official_texts_whose_equal_answer_is_not_right(text: str) -> None:
    """Exactly those the module names: a capital or a full stop at the end, which no GQA reference has."""
    changed = text.endswith(".") or text != text.lower()
    assert gqa_accuracy(text, [text], "official") == (0.0 if changed else 1.0)


def test_published_llava_figure() -> None:
    """The 12,578 real answers behind a published 63.3 give it in variant `official`."""
    folder = SHARED / "real_data" / "gqa"
    if not folder.is_dir():
        pytest.skip(f"needs the real GQA questions and answers in {folder}, which are not redistributed")
    with gzip.open(folder / "llava-v1.5-13b_answers.jsonl.gz", "rt", encoding="utf-8") as lines:
        predictions = {row["question_id"]: row["text"] for row in map(json.loads, lines)}
    with tarfile.open(folder / "testdev_balanced_questions.tar.gz") as archive:
        member = archive.extractfile("testdev_balanced_questions.json")
        assert member is not None
        questions = json.load(member)
    assert len(questions) == 12578
    right = sum(gqa_accuracy(predictions[key], [row["answer"]], "official") for key, row in questions.items())
    assert 100 * right / len(questions) == pytest.approx(63.308952138654796, abs=1e-9)


def test_no_references_is_our_mistake() -> None:
    """Rows without public answers must not reach the metric."""
    for variant in VARIANTS:
        with pytest.raises(AssertionError, match="at least one reference"):
            gqa_accuracy("yes", [], variant)

"""VQA accuracy: golden values, equality with the plain rule, numbers of references, named steps."""

import gzip
import json
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval_mm.metrics import vqa_tables
from eval_mm.metrics.steps import Step, run, trace
from eval_mm.metrics.vqa import Variant, prediction_steps, reference_steps, vqa_accuracy
from tests.conftest import SHARED
from tests.eval_mm import plain_metrics

GOLDENS = Path(__file__).parents[1] / "goldens"
VARIANTS: tuple[Variant, ...] = get_args(Variant)
PUNCTUATION, DIGITS = "punctuation", "lower case, number words, articles, contractions"


def golden(name: str) -> Any:
    return json.loads((GOLDENS / f"{name}.json").read_text(encoding="utf-8"))


def step(name: str) -> Step:
    (found,) = [step for step in prediction_steps(["a"], "qwen-vl") if step.name == name]
    return found


def test_accuracy_equals_the_published_scorers() -> None:
    """800 answers in `qwen-vl` and `official`, to the last digit."""
    rows = golden("vqa_accuracy")
    assert len(rows) == 800
    for row in rows:
        assert vqa_accuracy(row["prediction"], row["answers"], "qwen-vl") == row["qwen_vl"], row
        assert vqa_accuracy(row["prediction"], row["answers"], "official") == row["official"], row


def test_textvqa_equals_the_published_scorer() -> None:
    """400 answers and 428 normalised texts of EvalAI's processing, to the last digit and letter."""
    rows, texts = golden("textvqa_accuracy"), golden("textvqa_normalisation")
    assert (len(rows), len(texts)) == (400, 428)
    for row in rows:
        assert vqa_accuracy(row["prediction"], row["answers"], "textvqa") == row["textvqa"], row
    for row in texts:
        assert run(prediction_steps(["a"], "textvqa"), row["text"]) == row["processed"], row
        assert run(reference_steps(["a"], "textvqa"), row["text"]) == row["processed"], row


def test_published_textvqa_figure() -> None:
    """The 5,000 real answers behind a published 61.3 give 61.254 in variant `textvqa`."""
    folder = SHARED / "real_data" / "textvqa"
    if not folder.is_dir():
        pytest.skip(f"needs the real TextVQA rows and answers in {folder}, which are not redistributed")

    def opened(name: str) -> Any:
        return gzip.open(folder / name, "rt", encoding="utf-8")

    with (
        opened("val_annotations_vqa_format.json.gz") as annotations,
        opened("llava-v1.5-13b_answers.jsonl.gz") as lines,
    ):
        rows = json.load(annotations)["annotations"]
        # Image ids repeat, and so does their order: the answers stand in the order of the rows.
        predictions = [json.loads(line) for line in lines]
    assert len(rows) == len(predictions) == 5000
    total = 0.0
    for row, prediction in zip(rows, predictions, strict=True):
        assert row["image_id"] == prediction["question_id"]
        answers = [answer["answer"] for answer in row["answers"]]
        total += vqa_accuracy(prediction["text"], answers, "textvqa")
    assert 100 * total / 5000 == pytest.approx(61.254, abs=1e-9)


def test_each_step_equals_the_published_step() -> None:
    """428 texts after each step by itself, so that two faults cannot cancel out."""
    rows = golden("vqa_normalisation_steps")
    assert len(rows) == 428
    for row in rows:
        assert step(PUNCTUATION).apply(row["text"]) == row["punctuation"], row
        assert step(DIGITS).apply(row["punctuation"]) == row["digit_article"], row


def test_tables_are_the_published_ones() -> None:
    """A contraction lost while the tables were copied would move answers that no golden row contains."""
    tables = golden("vqa_tables")
    assert tables == {
        "contractions": vqa_tables.CONTRACTIONS,
        "number_words": vqa_tables.NUMBER_WORDS,
        "articles": sorted(vqa_tables.ARTICLES),
        "punctuation": tables["punctuation"],
    }
    assert set(tables["punctuation"]) == vqa_tables.PUNCTUATION == set(plain_metrics.MARKS)


PIECES = st.sampled_from(
    [
        *'.,;/[]"{}()=+\\_-><@`?!',
        *" \n\t\r\x0b\u2028\u00a0",
        *["1", "٣", "²", "1,0", "a", "an", "The", "two", "none", "dont", "Id've", "somebody'd", "'s"],
        *["İ", "ß", "ﬁ", "dog", "\ud800", "." * 40],
    ]
)
TEXTS = st.lists(PIECES, max_size=12).map("".join) | st.text(st.characters(), max_size=12)


@st.composite
def questions(draw: st.DrawFn) -> tuple[str, list[str]]:
    """A prediction and references that often repeat it or each other, but for what processing removes."""
    pool = draw(st.lists(TEXTS, min_size=1, max_size=4))
    pool += [pool[0] + ".", f" {pool[0]}\n", pool[0].upper(), "the " + pool[0]]
    answers = draw(st.lists(st.sampled_from(pool), min_size=1, max_size=12))
    return draw(st.sampled_from(pool) | TEXTS), answers


@given(questions(), st.sampled_from(VARIANTS))
def test_equals_the_plain_rule(question: tuple[str, list[str]], variant: Variant) -> None:
    """One pass over the marks, remembered texts and counted matches change no score, whatever the text."""
    prediction, answers = question
    wanted = plain_metrics.vqa_accuracy(prediction, answers, variant)
    assert vqa_accuracy(prediction, answers, variant) == pytest.approx(wanted, abs=1e-12)


@given(questions(), st.sampled_from(VARIANTS))
def test_steps_that_explain_are_steps_that_score(question: tuple[str, list[str]], variant: Variant) -> None:
    """What `explain` shows is what scored: matches between the texts it prints make the accuracy."""
    prediction, answers = question
    shown = run(prediction_steps(answers, variant), prediction)
    matches = sum(run(reference_steps(answers, variant), answer) == shown for answer in answers)
    others = len(answers) - matches
    wanted = (matches * min(1, (matches - 1) / 3) + others * min(1, matches / 3)) / len(answers)
    assert vqa_accuracy(prediction, answers, variant) == pytest.approx(wanted, abs=1e-12)


@pytest.mark.parametrize(
    ("matching", "other", "wanted"),
    [
        (0, 10, 0.0),
        (1, 9, 0.3),
        (2, 8, 0.6),
        (3, 7, 0.9),
        (4, 6, 1.0),
        (10, 0, 1.0),
        (1, 0, 0.0),
        (2, 0, 1 / 3),
        (3, 0, 2 / 3),
        (4, 0, 1.0),
        (1, 1, 1 / 6),
        (1, 4, 4 / 15),
        (100, 900, 1.0),
    ],
)
@pytest.mark.parametrize("variant", VARIANTS)
def test_any_number_of_references(matching: int, other: int, wanted: float, variant: Variant) -> None:
    """The rule is about leaving one out, not about ten: files with fewer or more references follow it too."""
    answers = ["yes"] * matching + [f"other {number}" for number in range(other)]
    assert vqa_accuracy("yes", answers, variant) == wanted
    assert vqa_accuracy("yes", answers[::-1], variant) == wanted


def test_unanimous_references_are_not_processed() -> None:
    """The oddest published rule: an answer may be right or wrong by whether the ten people agree."""
    assert vqa_accuracy("2", ["two"] * 10, "official") == 0.0
    assert vqa_accuracy("2", ["two"] * 9 + ["a pair"], "official") == 1.0
    assert vqa_accuracy("two", ["two"] * 10, "qwen-vl") == 0.0
    assert vqa_accuracy("2", ["two"] * 10, "textvqa") == 1.0
    assert prediction_steps(["two"] * 10, "official") == reference_steps(["two", " two\n"], "official")


def test_steps_are_named_in_order() -> None:
    """`explain` prints these names; a step hidden in another cannot be explained."""
    assert trace(prediction_steps(["x"], "qwen-vl"), " The\ttwo, dont. ") == [
        ("newlines and tabs to spaces", " The two, dont. "),
        ("strip", "The two, dont."),
        (PUNCTUATION, "The two dont"),
        (DIGITS, "2 don't"),
    ]
    assert reference_steps(["x", "x"], "qwen-vl") == ()
    assert [name for name, _ in trace(reference_steps(["x", "y"], "qwen-vl"), "x")] == [PUNCTUATION]


def test_a_long_answer_is_scored_like_a_short_one() -> None:
    """Texts too long to be remembered take another path to the same steps."""
    long = "The " * 100 + "dog"
    for variant in VARIANTS:
        assert vqa_accuracy(long, ["dog"] * 9 + ["cat"], variant) == 1.0


def test_no_references_is_our_mistake() -> None:
    """Rows without public answers must not reach the metric; a silent 0 would look like a wrong answer."""
    for variant in VARIANTS:
        with pytest.raises(AssertionError, match="at least one reference"):
            vqa_accuracy("yes", [], variant)

"""Answers that are an option's letter, its text or both, by real and by awkward options."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from data_scripts import source
from data_scripts.benchmark import Table
from data_scripts.forms_scienceqa import prompts
from eval_mm.metrics.choice import read_choice

QUESTIONS = Path(__file__).parents[3] / "shared/real_data/scienceqa/llava_test_CQM-A.json.gz"


@pytest.mark.parametrize(
    ("text", "options", "index"),
    [
        ("The answer is A. no", ("no", "yes"), 0),
        ("The answer is A. No.", ("yes", "no"), None),
        ("The answer is A. no, because it is far.", ("no", "yes"), 0),
        ("The answer is B - false\n\nIt is far.", ("true", "false"), 1),
        ("A. yes\nB. no\n\nAnswer: B", ("yes", "no"), 1),
        ("B. a big brown dog with a bone is wrong", ("cat", "a big brown dog with a bone"), None),
        ("The answer is B. 45°F", ("32°F", "45°F"), 1),
        ("The answer is B. It is 45 °F or 45° F.", ("cold", "warm"), 1),
        ("The answer is B. It has vitamin C.", ("vitamin A", "vitamin C", "vitamin D"), 1),
        ("The answer is B. It is vitamin D.", ("vitamin A", "vitamin C", "vitamin D"), None),
        ("Answer: Dear Pablo,", ("Dear pablo,", "dear Pablo,", "Dear Pablo,"), 2),
        ("Answer: **Pigs**", ("*Pigs*", "**Pigs**"), 1),
        ('**B. "Pigs"**', ("Pigs", '"Pigs"'), 1),
        ("B.-5", ("5", "-5"), 1),
        ("It is 10².", ("102", "5"), None),
    ],
)
def test_an_options_own_text_is_neither_denial_nor_letter(
    text: str, options: Sequence[str], index: int | None
) -> None:
    """The "no" of "A. no" denied its A, and the F of 45°F was a second letter; other texts still count."""
    found = read_choice(text, options)
    assert (None if found is None else found.index) == index


@pytest.fixture(scope="module")
def scienceqa() -> list[Mapping[str, Any]]:
    """The 4,241 test questions as `prepare` reads them."""
    if not QUESTIONS.exists():
        pytest.skip(f"needs ScienceQA's questions as LLaVA's {QUESTIONS}")
    document = source.read(QUESTIONS)
    table = Table(QUESTIONS, list(source.items(QUESTIONS, document.value, "")), {})
    return list(prompts("", pictured=False).convert([table]))


BOTH = (
    "The answer is {x}. {text}",
    "{x}. {text}",
    "{x}.{text}",
    "({x}) {text}",
    "Answer: {x}",
    "**{x}. {text}**",
)
TEXT_ALONE = ("{text}", "Answer: {text}")


@pytest.mark.parametrize("form", [*BOTH, *TEXT_ALONE])
def test_every_right_answer_of_scienceqa_is_read(form: str, scienceqa: list[Mapping[str, Any]]) -> None:
    """Options that deny ("no"), end in a unit ("45°F") or differ in case alone made 221 of them unparsed."""
    missed = []
    for row in scienceqa:
        right, options = row["answer"], row["choices"]
        found = read_choice(form.format(x="ABCDE"[right], text=options[right]), options)
        if found is None or found.index != right:
            missed.append(options)
    # The one question whose options are letters themselves: "A", its option D, stays the letter A.
    letters = [["B", "C", "D", "A"]] if form in TEXT_ALONE else []
    assert (len(scienceqa), missed) == (4241, letters)


@pytest.mark.parametrize(
    "form", ["{x}. {text}", "{x}.{text}", "The answer is {x}. {text}", "Answer: {x} ({text})."]
)
def test_a_letter_with_another_options_text_is_unparsed(
    form: str, scienceqa: list[Mapping[str, Any]]
) -> None:
    """Of two options that are named neither may be taken, whatever the texts look like."""
    for row in scienceqa:
        right, options = row["answer"], row["choices"]
        assert read_choice(form.format(x="ABCDE"[right], text=options[right - 1]), options) is None

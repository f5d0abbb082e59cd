"""Charts, pages, books, posters and diagrams: pictures show what their values say, and every answer is true.

Texts are read back from pixels and bars are measured; questions are answered from values by this file's own
reading of them.
"""

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_scripts.drawn.books import Book
from data_scripts.drawn.cards import Card
from data_scripts.drawn.charts import Chart
from data_scripts.drawn.conversations import ASKED, PRINTED, Picture, asked, draw
from data_scripts.drawn.diagrams import Diagram
from data_scripts.drawn.pages import Page
from data_scripts.drawn.posters import Poster
from data_scripts.drawn.scenes import COLOURS, KINDS
from data_scripts.drawn.turns import Turn
from tests.data_scripts.drawn.reading import read

SEEDS = st.integers(0, 2**40)
NAMES = [kind.__name__.lower() for kind in PRINTED]


def yes(truth: bool) -> str:
    return "yes" if truth else "no"


def card_truth(shown: Card, question: str) -> str:
    if match := re.fullmatch(r"What (number|word) is written\?", question):
        assert (match[1] == "number") == shown.text.isdigit()
        return shown.text
    if match := re.fullmatch(r"Is the (number|word) (\w+) written\?", question):
        return yes(match[2] == shown.text)
    assert question in ("How many digits are written?", "How many letters are written?")
    return str(len(shown.text))


def chart_truth(shown: Chart, question: str) -> str:
    bars = dict(zip(shown.colours, shown.values, strict=True))
    if match := re.fullmatch(r"What is the value of the (\w+) bar\?", question):
        return str(bars[match[1]])
    if match := re.fullmatch(r"Is the (\w+) bar taller than the (\w+) bar\?", question):
        return yes(bars[match[1]] > bars[match[2]])
    if match := re.fullmatch(r"Which bar is the (tallest|shortest)\?", question):
        (colour,) = (c for c in bars if bars[c] == (max if match[1] == "tallest" else min)(bars.values()))
        return colour
    assert question == "How many bars are there?"
    return str(len(bars))


def page_truth(shown: Page, question: str) -> str:
    lines = [line.lower() for line in read(draw(shown))]
    if match := re.fullmatch(r"Is the word (\w+) on the first line\?", question):
        return yes(match[1] == lines[0])
    if question == "What is written on the first line?":
        return lines[0]
    if question == "How many lines are there?":
        return str(len(lines))
    form = {
        "What is the number?": r"no (\d+)",
        "Who is it for?": r"to ([a-z]+)",
        "What is the date?": r"(\d+ [a-z]+)",
    }[question]
    (text,) = (match[1] for line in lines if (match := re.fullmatch(form, line)))
    return str(text)


def book_truth(shown: Book, question: str) -> str:
    title, author = (line.lower() for line in read(draw(shown)))
    if match := re.fullmatch(r"Is this book written by (\w+)\?", question):
        return yes(match[1] == author)
    return {
        "What is the title of this book?": title,
        "Who wrote this book?": author,
        "Who is the author of this book?": author,
        "What colour is the book?": shown.colour,
    }[question]


def poster_truth(shown: Poster, question: str) -> str:
    numbers = {item.kind: item.number for item in shown.items}
    if match := re.fullmatch(r"What number is next to the (\w+)\?", question):
        return str(numbers[match[1]])
    if match := re.fullmatch(r"Is there a (\w+)\?", question):
        return yes(match[1] in numbers)
    if question == "What is written on the first line?":
        return read(draw(shown))[0].lower()
    assert question == "Which shape has the largest number?"
    (kind,) = (kind for kind, number in numbers.items() if number == max(numbers.values()))
    return kind


def diagram_truth(shown: Diagram, question: str) -> str:
    letters = {part.kind: part.letter for part in shown.parts}
    if match := re.fullmatch(r"Which letter labels the (\w+)\?", question):
        return letters[match[1]]
    if match := re.fullmatch(r"Is there a (\w+)\?", question):
        return yes(match[1] in letters)
    match = re.fullmatch(r"What shape is labelled ([A-D])\?", question)
    assert match, question
    (kind,) = (kind for kind, letter in letters.items() if letter == match[1])
    return kind


TRUTHS: dict[str, Callable[[Any, str], str]] = {
    "card": card_truth,
    "chart": chart_truth,
    "page": page_truth,
    "book": book_truth,
    "poster": poster_truth,
    "diagram": diagram_truth,
}


def check(shown: Picture, turn: Turn, truth: Callable[[Any, str], str]) -> None:
    """That a turn is in its benchmark's form and true."""
    assert turn.kind in ASKED
    answer = turn.answer.removeprefix(" ")
    assert turn.answer == f" {answer.strip()}"
    if turn.kind == "caption":
        assert turn.question == "Describe the image in English:"
        assert re.fullmatch(r"A [^.]+\.", answer)
        return
    if turn.kind == "choice":
        match = re.fullmatch(r"Context: N/A\nQuestion: (.+)\nOptions: ((?:.+\n)+)Answer:", turn.question)
        assert match
        question, options = match[1], match[2].splitlines()
        assert 3 <= len(options) <= 4
        assert len({option[3:] for option in options}) == len(options)
        (answer,) = (option[3:] for option in options if option[0] == answer)
    else:
        assert turn.question.endswith(" Answer:")
        question = turn.question.removesuffix(" Answer:")
    assert answer == truth(shown, question), question


@pytest.mark.parametrize("name", NAMES)
@settings(deadline=None, max_examples=60)
@given(seed=SEEDS)
def test_every_answer_is_true(name: str, seed: int) -> None:
    """Guards the training against a single false row, and evaluation against marking a right answer wrong."""
    shown, turns = asked(seed, shows=(name,))
    assert type(shown).__name__.lower() == name
    for turn in turns:
        check(shown, turn, TRUTHS[name])
    assert len({turn.question for turn in turns}) == len(turns) >= 5, "one question asked twice"
    answers = [turn.answer for turn in turns if turn.kind == "yes/no"]
    assert answers.count(" yes") == answers.count(" no") == 1
    assert sum(turn.kind == "caption" for turn in turns) == 1


@settings(deadline=None, max_examples=100)
@given(seed=SEEDS)
def test_bars_are_as_high_as_their_values(seed: int) -> None:
    """Guards the values: a bar is measured in pixels, in steps of the axis from its foot."""
    shown, _ = asked(seed, shows=("chart",))
    assert isinstance(shown, Chart)
    assert len(set(shown.colours)) == len(set(shown.values)) == len(shown.colours) in (3, 4)
    left, base = shown.width // 4, round(84 * shown.height / 96)  # the axis and its numbers are black as well
    pixels = np.asarray(draw(shown))[:base, left:]
    order = []
    for colour, value in zip(shown.colours, shown.values, strict=True):
        painted = (pixels == COLOURS[colour]).all(axis=2)
        rows, columns = np.flatnonzero(painted.sum(axis=1) > 5), np.flatnonzero(painted.sum(axis=0) > 5)
        steps = (rows[-1] + 1 - rows[0]) / shown.height * 96 / 8
        assert abs(steps - value / shown.step) < 0.2
        order.append(columns[0])
    assert order == sorted(order)


@settings(deadline=None, max_examples=60)
@given(seed=SEEDS)
def test_print_stands_where_it_is_said_to(seed: int) -> None:
    """Guards lookups: numbers beside their shapes, letters beside theirs, headings above."""
    poster, _ = asked(seed, shows=("poster",))
    assert isinstance(poster, Poster)
    lines = [str(item.number) for item in poster.items]
    assert read(draw(poster)) == ([poster.heading.upper()] if poster.heading else []) + lines
    diagram, _ = asked(seed, shows=("diagram",))
    assert isinstance(diagram, Diagram)
    rows: dict[int, str] = {}
    for part in sorted(diagram.parts, key=lambda part: part.place):
        rows[part.place // 2] = rows.get(part.place // 2, "") + part.letter
    assert ["".join(line.split()) for line in read(draw(diagram))] == list(rows.values())
    book, _ = asked(seed, shows=("book",))
    assert isinstance(book, Book)
    assert read(draw(book)) == [book.title.upper(), book.author.upper()]


@pytest.mark.parametrize(("name", "kind"), [("poster", "items"), ("diagram", "parts")])
def test_shapes_are_seen(name: str, kind: str) -> None:
    """Guards against shapes drawn over text or over each other: every one is there to see."""
    for seed in range(40):
        shown, _ = asked(seed, shows=(name,))
        pixels = np.asarray(draw(shown))
        for one in getattr(shown, kind):
            colour = COLOURS[getattr(one, "colour", getattr(shown, "colour", ""))]
            assert (pixels == colour).all(axis=2).sum() > 60, one
            assert one.kind in KINDS


def test_values_and_places_are_spread() -> None:
    """Guards against answers that one learns without looking: every value comes up, none most of the time."""
    for name, kind, least in (("chart", "value", 17), ("diagram", "label", 4), ("poster", "beside", 80)):
        answers = [t.answer for seed in range(400) for t in asked(seed, shows=(name,))[1] if t.kind == kind]
        assert len(set(answers)) >= least
        assert max(answers.count(answer) for answer in set(answers)) < 0.45 * len(answers)

"""Questions beyond the lessons: their answers are true all the same."""

import random
import re

import pytest

from data_scripts.drawn.annotators import OTHER_WORDS, answers, captions
from data_scripts.drawn.charts import Chart
from data_scripts.drawn.conversations import SHOWS, asked, draw
from data_scripts.drawn.diagrams import PLACES, Diagram
from data_scripts.drawn.harder import NAMES_OF, harder
from data_scripts.drawn.phrases import find
from data_scripts.drawn.printing import WORDS
from data_scripts.drawn.scenes import Scene
from tests.data_scripts.drawn.reading import read

SEEDS = range(60)


@pytest.mark.parametrize("name", SHOWS)
def test_no_lesson_asks_them(name: str) -> None:
    """Guards the demo's wrong answers: a question that training asks would be answered right."""
    found = 0
    for seed in SEEDS:
        shown, turns = asked(seed, shows=(name,))
        question = harder(shown, random.Random(seed))
        if question:
            found += 1
            assert question[1]
            assert all(turn.question != f"{question[0]} Answer:" for turn in turns)
    assert found >= 10


def test_their_answers_are_true() -> None:
    """Guards against rows that mark a right answer wrong."""
    for seed in SEEDS:
        scene, _ = asked(seed, shows=("scene",))
        assert isinstance(scene, Scene)
        if related := harder(scene, random.Random(seed)):
            question, answer = related
            match = re.fullmatch(r"What colour is the (thing .+ the \w+ \w+)\?", question)
            assert match
            (shape,) = find(scene, match[1])
            assert shape.colour == answer
        chart, _ = asked(seed, shows=("chart",))
        assert isinstance(chart, Chart)
        question, answer = harder(chart, random.Random(seed)) or ("", "")
        match = re.fullmatch(r"What is the difference between the (\w+) bar and the (\w+) bar\?", question)
        assert match
        assert int(answer) == abs(chart.value(match[1]) - chart.value(match[2])) > 0
        diagram, _ = asked(seed, shows=("diagram",))
        assert isinstance(diagram, Diagram)
        if below := harder(diagram, random.Random(seed)):
            places = {part.kind: PLACES[part.place] for part in diagram.parts}
            match = re.fullmatch(r"What shape is below the (\w+)\?", below[0])
            assert match
            assert places[below[1]] == (places[match[1]][0], places[match[1]][1] + 48)
        poster, _ = asked(seed, shows=("poster",))
        numbers = [int(line) for line in read(draw(poster)) if line.isdigit()]
        assert harder(poster, random.Random(0)) == ("What is the sum of all numbers?", str(sum(numbers)))
        page, _ = asked(seed, shows=("page",))
        assert harder(page, random.Random(0)) == (
            "How many letters has the first line?",
            str(len(read(draw(page))[0])),
        )
        book, _ = asked(seed, shows=("book",))
        assert harder(book, random.Random(0)) == (
            "Which letter does the title begin with?",
            read(draw(book))[0][0].lower(),
        )
    named = [word for words in NAMES_OF.values() for word in words]
    assert len(set(named)) == len(named)
    assert set(named) <= set(WORDS)


def test_people_mostly_agree() -> None:
    """Guards VQA accuracy on the demo: the true answer is said often enough to count in full."""
    rng = random.Random(0)
    varied = 0
    for answer in [*OTHER_WORDS, "zebra"]:
        for _ in range(20):
            said = answers(answer, rng)
            assert len(said) == 10
            assert said.count(answer) >= 7
            varied += len(set(said)) > 1
    assert 100 < varied < 20 * len(OTHER_WORDS)


def test_captions_name_what_is_shown_and_differ() -> None:
    """Guards CIDEr on the demo: ten descriptions that share words, none twice."""
    for seed in SEEDS:
        for name in SHOWS:
            shown, _ = asked(seed, shows=(name,))
            texts = captions(shown, random.Random(seed), 10)
            assert len(set(texts)) == 10
            assert all(text[0].isupper() and len(text) > 10 for text in texts)
            if isinstance(shown, Scene):
                for shape in shown.shapes:
                    assert all(f"{shape.colour} {shape.kind}" in text.lower() for text in texts)

"""Conversations about scenes: every answer is true of its picture, checked without the code that made it.

Those about print are in test_print_families.py.
"""

import re
from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_scripts.drawn.conversations import ASKED, ORDER, SHOWS, asked, draw
from data_scripts.drawn.phrases import find
from data_scripts.drawn.scenes import COLOURS, KINDS, SIZES, Scene, Shape, scene
from data_scripts.drawn.turns import Turn

SEEDS = st.integers(0, 2**40)
BOX = re.compile(r"\((\d+),(\d+)\),\((\d+),(\d+)\)</box>")


def like(shown: Scene, text: str) -> list[Shape]:
    """The shapes with every size, colour and kind that the text names, in singular or plural."""
    words = [word for word in re.findall("[a-z]+", text) if word not in ("shapes", "things")]
    singular = {"crosses": "cross"} | {f"{kind}s": kind for kind in KINDS}
    wanted = {singular.get(word, word) for word in words} & {*SIZES, *COLOURS, *KINDS}
    return [shape for shape in shown.shapes if wanted <= {shape.size, shape.colour, shape.kind}]


def truth(shown: Scene, question: str) -> str:
    """The answer to a short question, by this test's own reading."""
    if match := re.fullmatch(r"What (colour|shape) is the (.+)\?", question):
        named = like(shown, match[2])
        if not named:
            return "unanswerable"
        (shape,) = named
        return shape.colour if match[1] == "colour" else shape.kind
    if question in ("What word is written?", "What number is written?", "What is the title of this book?"):
        return "unanswerable"
    if match := re.fullmatch(r"How many corners does the (.+) have\?", question):
        (shape,) = like(shown, match[1])
        return {"circle": "0", "triangle": "3", "square": "4", "star": "10", "cross": "12"}[shape.kind]
    if match := re.fullmatch(r"How many (.+) are there\?", question):
        return str(len(like(shown, match[1])))
    if match := re.fullmatch(r"Is there a (.+)\?", question):
        return "yes" if like(shown, match[1]) else "no"
    if match := re.fullmatch(r"What is at \((\d+),(\d+)\)\?", question):
        x, y = int(match[1]) / 999 * shown.width, int(match[2]) / 999 * shown.height
        (shape,) = (s for s in shown.shapes if s.box[0] < x < s.box[2] and s.box[1] < y < s.box[3])
        return f"{shape.colour} {shape.kind}"
    match = re.fullmatch(r"Where is the (.+)\?", question)
    assert match, question
    (shape,) = like(shown, match[1])
    x, y = (shape.box[0] + shape.box[2]) / 2, (shape.box[1] + shape.box[3]) / 2
    across = "left" if x < shown.width / 3 else "right" if x > shown.width * 2 / 3 else ""
    down = "top" if y < shown.height / 3 else "bottom" if y > shown.height * 2 / 3 else ""
    return f"{down} {across}".strip() or "middle"


def check(shown: Scene, turn: Turn) -> None:
    """That the turn is in its benchmark's form and true of the picture."""
    assert turn.kind in ASKED
    assert (turn.box is not None) == (turn.kind == "grounding")
    if turn.kind == "caption":
        assert turn.question == "Describe the image in English:"
        parts = re.findall(r"[Aa] (small|medium|large) (\w+) (\w+)", turn.answer)
        ordered = sorted(shown.shapes, key=lambda shape: (shape.box[0] + shape.box[2], shape.centre[1]))
        assert parts == [(shape.size, shape.colour, shape.kind) for shape in ordered]
        assert len(re.findall(r"\w+|[.,]", turn.answer)) >= 8
        assert re.fullmatch(r" A [^.]+\.", turn.answer)
        return
    if turn.kind == "grounding":
        match = re.fullmatch(r"<ref>(.+)</ref><box>", turn.question)
        assert match
        (shape,) = find(shown, match[1])
        assert turn.box == shape.box
        given_box = BOX.fullmatch(turn.answer)
        assert given_box
        sides = (shown.width, shown.height) * 2
        for text, pixel, side in zip(given_box.groups(), shape.box, sides, strict=True):
            assert int(text) % 10 == 0
            assert 0 <= int(text) <= 999
            assert abs(int(text) - pixel / side * 999) <= 5.000001
        return
    answer = turn.answer.removeprefix(" ")
    assert turn.answer == f" {answer.strip()}"
    if turn.kind == "choice":
        match = re.fullmatch(r"Context: N/A\nQuestion: (.+)\nOptions: ((?:.+\n)+)Answer:", turn.question)
        assert match
        question, options = match[1], match[2].splitlines()
        assert 3 <= len(options) <= 4
        assert len({option[3:] for option in options}) == len(options)
        assert all(
            option.startswith(f"{letter}. ")
            for option, letter in zip(options, "ABCD"[: len(options)], strict=True)
        )
        (answer,) = (option[3:] for option in options if option[0] == answer)
    else:
        assert turn.question.endswith(" Answer:")
        question = turn.question.removesuffix(" Answer:")
        for x in re.findall(r"\d+(?=[,)])", question):
            assert int(x) % 10 == 0
            assert int(x) <= 999
    assert answer == truth(shown, question)
    assert (turn.kind == "unanswerable") == (answer == "unanswerable")


@settings(deadline=None, max_examples=300)
@given(seed=SEEDS, most=st.integers(1, 3))
def test_every_answer_is_true(seed: int, most: int) -> None:
    """Guards the training against a single false row, and evaluation against marking a right answer wrong."""
    shown, turns = asked(seed, most, shows=("scene",))
    assert isinstance(shown, Scene)
    for turn in turns:
        check(shown, turn)
    assert len({turn.question for turn in turns}) == len(turns), "one question asked twice"
    assert 10 <= len(turns) <= 18
    assert len(shown.shapes) <= most
    assert {turn.box for turn in turns if turn.box} == {shape.box for shape in shown.shapes}


@pytest.fixture(scope="module")
def many() -> Sequence[Turn]:
    return [turn for seed in range(1500) for turn in asked(seed)[1]]


def test_the_same_seed_gives_the_same_turns() -> None:
    """Guards evaluation on scenes made anew: no state may leak from one picture into the next."""
    first = [asked(seed) for seed in range(20)]
    again = [asked(seed) for seed in reversed(range(20))]
    assert first == again[::-1]
    assert draw(first[10][0]).tobytes() == draw(again[9][0]).tobytes()


def test_the_picture_is_the_one_of_its_seed() -> None:
    """Guards the meaning of an evaluation seed: its scene is one that other code can make."""
    for seed in range(40):
        shown = asked(seed)[0]
        assert isinstance(shown, SHOWS[ORDER[seed % len(ORDER)]])
        assert shown.seed == seed
        if isinstance(shown, Scene):
            assert shown == scene(seed)


def test_what_pictures_show_can_be_asked_for() -> None:
    """Guards a lesson about some things only; and the usual order, in which scenes stay the most."""
    wanted = ("chart", "chart", "scene")
    assert [asked(seed, shows=wanted)[0] for seed in range(6)] == [
        (SHOWS[wanted[seed % 3]] is Scene and scene(seed)) or asked(seed, shows=("chart",))[0]
        for seed in range(6)
    ]
    assert set(ORDER) == set(SHOWS)
    assert ORDER.count("scene") == 0.6 * len(ORDER)


def test_yes_and_no_are_balanced_in_every_form(many: Sequence[Turn]) -> None:
    """Guards against a model that is right by always saying yes, or by looking at the form alone."""
    forms: dict[str, Counter[str]] = {}
    for turn in many:
        if turn.kind == "yes/no":
            form = re.sub("|".join(KINDS), "KIND", re.sub("|".join(COLOURS), "COLOUR", turn.question))
            form = re.sub(r"(number|word|by) \w+", r"\1 TEXT", form)
            forms.setdefault(form, Counter())[turn.answer] += 1
    assert len(forms) == 8
    assert all(answers[" yes"] == answers[" no"] > 0 for answers in forms.values()), forms


def test_negatives_are_plausible() -> None:
    """Guards against a "no" that shows from a colour or kind which is nowhere in the picture."""
    near, tried = 0, 0
    for seed in range(600):
        shown, turns = asked(seed)
        for turn in turns:
            match = re.match(r"Is there a (\w+) (\w+)\?", turn.question)
            if isinstance(shown, Scene) and match and match[2] != "shape" and turn.answer == " no":
                tried += 1
                near += bool(like(shown, match[1]) or like(shown, match[2]))
    assert near == tried > 100


def test_no_letter_or_answer_dominates(many: Sequence[Turn]) -> None:
    """Guards against answers that one learns without looking: letters, colours and kinds come up evenly."""
    for kind, least in (("choice", 0.12), ("colour", 0.12), ("shape", 0.15), ("position", 0.05)):
        answers = Counter(turn.answer for turn in many if turn.kind == kind)
        expected = {"choice": 4, "colour": len(COLOURS), "shape": len(KINDS), "position": 9}[kind]
        assert len(answers) == expected
        assert min(answers.values()) / answers.total() > least, answers


def test_every_kind_is_asked_often_enough(many: Sequence[Turn]) -> None:
    """Guards a kind of question that would silently disappear from the training."""
    kinds = Counter(turn.kind for turn in many)
    assert set(kinds) == set(ASKED)
    of_print = set(ASKED[ASKED.index("number") :])
    assert all(number > (25 if kind in of_print else 700) for kind, number in kinds.items()), kinds
    expressions = [turn.question for turn in many if turn.kind == "grounding"]
    lengths = sorted(len(re.findall("[a-z]+", text)) - 3 for text in expressions)  # without the three marks
    assert lengths[len(lengths) // 2] <= 3, "mostly simple"
    assert lengths[-1] >= 9, "but longer ones as well"

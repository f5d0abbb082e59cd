"""Pairs of questions about a drawn picture in the manner of MME: one is answered by yes, one by no."""

import random
from typing import NamedTuple

from data_scripts.drawn.cards import Card
from data_scripts.drawn.conversations import Picture
from data_scripts.drawn.options import SHOWN, Ask, Asked, name, related
from data_scripts.drawn.posters import Poster
from data_scripts.drawn.printing import WORDS
from data_scripts.drawn.scenes import COLOURS, KINDS, Scene

REQUEST = " Please answer yes or no."

NUMBERS = ("no", "one", "two", "three", "four")


class Subtask(NamedTuple):
    """One of MME's sub-tasks, what its pictures show, and the words of a question.

    `ask` gives the question with `{}` where the answer belongs, the true word, and false ones.
    """

    name: str
    show: str
    ask: Ask


def pair(asked: Asked) -> tuple[tuple[str, str], tuple[str, str]]:
    """The question that is answered by Yes and the one that is answered by No, with these answers."""
    yes, no = (asked.question.format(word) + REQUEST for word in (asked.answer, asked.wrong[0]))
    return (yes, "Yes"), (no, "No")


def _existence(picture: Picture, rng: random.Random) -> Asked | None:
    if not isinstance(picture, Scene):
        return None
    shown = [one.kind for one in picture.shapes]
    absent = rng.sample([kind for kind in KINDS if kind not in shown], 2)
    return Asked("Is there a {} in this image?", rng.choice(shown), tuple(absent))


def _count(picture: Picture, rng: random.Random) -> Asked | None:
    if not isinstance(picture, Scene):
        return None
    number = len(picture.shapes)
    wrong = [NUMBERS[other] for other in (number - 1, number + 1) if other > 1]
    if number == 1:
        return None
    return Asked("Are there {} shapes in this image?", NUMBERS[number], tuple(rng.sample(wrong, len(wrong))))


def _position(picture: Picture, rng: random.Random) -> Asked | None:
    if not isinstance(picture, Scene):
        return None
    opposite = {"to the left": "to the right", "above": "below"}
    opposite |= {after: before for before, after in opposite.items()}
    pairs = [(a, b) for a in picture.shapes for b in picture.shapes if a is not b and related(a, b)]
    if not pairs:
        return None
    one, other = rng.choice(pairs)
    where = related(one, other)
    of = " of" if where.startswith("to") else ""
    question = f"Is the {name(one)} {{}}{of} the {name(other)}?"
    return Asked(question, where, (opposite[where],))


def _colour(picture: Picture, rng: random.Random) -> Asked | None:
    if not isinstance(picture, Scene):
        return None
    one = rng.choice(picture.shapes)
    if [other.kind for other in picture.shapes].count(one.kind) > 1:
        return None
    wrong = rng.sample([word for word in COLOURS if word != one.colour], 3)
    return Asked(f"Is the {one.kind} in this image {{}}?", one.colour, tuple(wrong))


def _poster(picture: Picture, rng: random.Random) -> Asked | None:
    if not isinstance(picture, Poster):
        return None
    item, other = rng.sample(picture.items, 2)
    return Asked(f"Is the number {{}} next to the {item.kind}?", str(item.number), (str(other.number),))


def _scene(picture: Picture, rng: random.Random) -> Asked | None:
    right = SHOWN[type(picture)]
    wrong = rng.sample([words for words in SHOWN.values() if words != right], 2)
    return Asked("Does this image show {}?", right, tuple(wrong))


def _ocr(picture: Picture, rng: random.Random) -> Asked | None:
    if not isinstance(picture, Card) or picture.is_number:
        return None
    wrong = rng.sample([word for word in WORDS if word != picture.text], 2)
    return Asked('Is the word in this image "{}"?', picture.text, tuple(wrong))


def _calculation(picture: Picture, rng: random.Random) -> Asked | None:
    if not isinstance(picture, Poster):
        return None
    total = sum(item.number for item in picture.items)
    wrong = total + rng.choice((-10, -2, -1, 1, 2, 10))
    return Asked("Is {} the sum of all numbers in this image?", str(total), (str(wrong),))


SUBTASKS = (
    Subtask("existence", "scene", _existence),
    Subtask("count", "scene", _count),
    Subtask("position", "scene", _position),
    Subtask("color", "scene", _colour),
    Subtask("posters", "poster", _poster),
    Subtask("scene", "chart", _scene),
    Subtask("OCR", "card", _ocr),
    Subtask("numerical_calculation", "poster", _calculation),
)

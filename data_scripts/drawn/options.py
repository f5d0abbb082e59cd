"""Questions about drawn pictures with one right answer and wrong ones to choose from.

Each function asks one thing about a picture and returns None where that picture does not allow it. Wrong
answers are false of the picture, those that it shows elsewhere first.
"""

import random
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from data_scripts.drawn.books import Book
from data_scripts.drawn.cards import Card
from data_scripts.drawn.charts import Chart
from data_scripts.drawn.conversations import Picture, conversations, position
from data_scripts.drawn.diagrams import Diagram
from data_scripts.drawn.harder import harder
from data_scripts.drawn.pages import Page
from data_scripts.drawn.posters import Poster
from data_scripts.drawn.printing import NAMES, WORDS
from data_scripts.drawn.scenes import COLOURS, KINDS, Scene, Shape

SHOWN = {
    Scene: "shapes on a plain ground",
    Card: "a card with print",
    Chart: "a bar chart",
    Page: "a page of a document",
    Book: "a book cover",
    Poster: "a poster with numbers",
    Diagram: "a diagram with letters",
}

PLACES = (
    *("top left", "top", "top right", "left", "middle"),
    *("right", "bottom left", "bottom", "bottom right"),
)

RELATIONS = ("to the left", "to the right", "above", "below")


class Asked(NamedTuple):
    """A question, its right answer, and wrong ones, the most tempting first."""

    question: str
    answer: str
    wrong: tuple[str, ...]


Ask = Callable[[Picture, random.Random], Asked | None]


def overall(picture: Picture, rng: random.Random) -> Asked | None:
    """What the picture is."""
    right = SHOWN[type(picture)]
    return Asked("What does the image show?", right, _others(SHOWN.values(), right, rng))


def colour(picture: Picture, rng: random.Random) -> Asked | None:
    """The colour of a shape, which is named by its kind."""
    return _turn(picture, "colour", list(COLOURS), rng)


def shape(picture: Picture, rng: random.Random) -> Asked | None:
    """The kind of a shape, which is named by its colour or size."""
    return _turn(picture, "shape", list(KINDS), rng)


def count(picture: Picture, rng: random.Random) -> Asked | None:
    """How many there are; not of what a card says."""
    return _turn(picture, "count", list("01234"), rng) if isinstance(picture, Scene) else None


def place(picture: Picture, rng: random.Random) -> Asked | None:
    """In which ninth of the picture a shape is."""
    if not isinstance(picture, Scene):
        return None
    places = [(one, where) for one in picture.shapes if (where := position(picture, one))]
    if not places:
        return None
    one, where = rng.choice(places)
    return Asked(f"Where is the {name(one)}?", where, _others(PLACES, where, rng))


def relation(picture: Picture, rng: random.Random) -> Asked | None:
    """Where a shape is from another one, for pairs of which exactly one of four words is true."""
    if not isinstance(picture, Scene):
        return None
    pairs = [(a, b) for a in picture.shapes for b in picture.shapes if a is not b and related(a, b)]
    if not pairs:
        return None
    one, other = rng.choice(pairs)
    question = f"Where is the {name(one)}, seen from the {name(other)}?"
    return Asked(question, related(one, other), _others(RELATIONS, related(one, other), rng))


def common(picture: Picture, rng: random.Random) -> Asked | None:
    """What two shapes share, where it is one thing at most."""
    if not isinstance(picture, Scene) or len(picture.shapes) != 2:
        return None
    one, other = picture.shapes
    shared = [
        word
        for word, same in (
            ("the colour", one.colour == other.colour),
            ("the kind", one.kind == other.kind),
            ("the size", one.size == other.size),
        )
        if same
    ]
    if len(shared) > 1:
        return None
    answer = shared[0] if shared else "none of these"
    words = ("the colour", "the kind", "the size", "none of these")
    return Asked("What do the two shapes have in common?", answer, _others(words, answer, rng))


def reasoning(picture: Picture, rng: random.Random) -> Asked | None:
    """The colour of a shape that is named by its place beside another one."""
    found = harder(picture, rng) if isinstance(picture, Scene) else None
    return Asked(*found, _wrong(picture, found[1], list(COLOURS), rng)) if found else None


def corners(picture: Picture, rng: random.Random) -> Asked | None:
    """How many corners a shape has."""
    return _turn(picture, "corners", ["0", "3", "4", "10", "12"], rng)


def text(picture: Picture, rng: random.Random) -> Asked | None:
    """What is printed."""
    match picture:
        case Card(is_number=True):
            words = [str(number) for number in range(10, 100)]
            return _turn(picture, "number", words, rng)
        case Card():
            return _turn(picture, "word", list(WORDS), rng)
        case Book():
            return _turn(picture, "title", list(WORDS), rng)
        case Page():
            return _turn(picture, "heading", list(WORDS), rng)
    return None


def author(picture: Picture, rng: random.Random) -> Asked | None:
    """Who wrote a book."""
    return _turn(picture, "author", list(NAMES), rng)


def cover(picture: Picture, rng: random.Random) -> Asked | None:
    """The colour of a book."""
    return _turn(picture, "cover", list(COLOURS), rng)


def tallest(picture: Picture, rng: random.Random) -> Asked | None:
    """Which bar of a chart is the tallest or shortest, among its own bars."""
    found = _turn(picture, "tallest", list(COLOURS), rng)
    if not isinstance(picture, Chart) or found is None:
        return None
    return found._replace(wrong=tuple(word for word in found.wrong if word in picture.colours))


def part(picture: Picture, rng: random.Random) -> Asked | None:
    """Which shape a letter labels."""
    return _turn(picture, "part", list(KINDS), rng)


def label(picture: Picture, rng: random.Random) -> Asked | None:
    """Which letter labels a shape, among the letters of the diagram."""
    found = _turn(picture, "label", list("ABCD"), rng)
    if not isinstance(picture, Diagram) or found is None:
        return None
    letters = {part.letter for part in picture.parts}
    return found._replace(wrong=tuple(letter for letter in found.wrong if letter in letters))


def largest(picture: Picture, rng: random.Random) -> Asked | None:
    """Which shape of a poster has the largest number."""
    return _turn(picture, "largest", list(KINDS), rng)


def related(one: Shape, other: Shape) -> str:
    """Where `one` is from `other` if it is beside, above or below it and no two of these; else ""."""
    x1, y1, x2, y2 = one.box
    a1, b1, a2, b2 = other.box
    beside, over = y1 < b2 and b1 < y2, x1 < a2 and a1 < x2
    if beside == over:
        return ""
    if beside:
        return "to the left" if x2 <= a1 else "to the right"
    return "above" if y2 <= b1 else "below"


def name(shape: Shape) -> str:
    """Colour and kind, which no two shapes of a scene share."""
    return f"{shape.colour} {shape.kind}"


def _turn(picture: Picture, kind: str, words: Sequence[str], rng: random.Random) -> Asked | None:
    """A question of the conversations about the picture, with wrong answers from `words`."""
    turns = [turn for turn in conversations(picture, rng) if turn.kind == kind]
    if not turns:
        return None
    turn = rng.choice(turns)
    answer = turn.answer.strip()
    return Asked(turn.question.removesuffix(" Answer:"), answer, _wrong(picture, answer, words, rng))


def _wrong(picture: Picture, answer: str, words: Sequence[str], rng: random.Random) -> tuple[str, ...]:
    """All words but the answer, those that a scene shows first."""
    shapes = picture.shapes if isinstance(picture, Scene) else ()
    shown = {word for one in shapes for word in (one.colour, one.kind)}
    return tuple(sorted(_others(words, answer, rng), key=lambda word: word not in shown))


def _others(words: Iterable[str], answer: str, rng: random.Random) -> tuple[str, ...]:
    others = [word for word in words if word != answer]
    rng.shuffle(others)
    return tuple(others)

r"""Questions about drawn pictures with their true answers: what a small model is trained on and asked.

`picture` makes the picture of a seed, a scene or one of six kinds of printed matter, `conversations` what one
may ask about it, in the texts of the benchmark prompts (protocol qwen-vl) and with the leading space that a
base model writes:

    grounding  <ref>red circle</ref><box>          (100,250),(410,560)</box>
    caption    Describe the image in English:       A small red circle and a large blue star.
    choice     Context: N/A\nQuestion: ..\nAnswer:  B
    others     What colour is the star? Answer:     red

Scenes are asked here, printed matter each in its own file. A box and a point are given in thousandths,
pixel / side x 999, rounded to tens: the last digit is then always 0, and a model need not learn digits that
no picture of 96 pixels could tell it.
"""

import random
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from PIL import Image

from data_scripts.drawn import books, cards, charts, diagrams, pages, posters, scenes
from data_scripts.drawn.books import Book
from data_scripts.drawn.cards import Card
from data_scripts.drawn.charts import Chart
from data_scripts.drawn.diagrams import Diagram
from data_scripts.drawn.pages import Page
from data_scripts.drawn.phrases import find, pick
from data_scripts.drawn.posters import Poster
from data_scripts.drawn.scenes import COLOURS, KINDS, WEIGHTS, Box, Scene, Shape
from data_scripts.drawn.turns import Turn, choice, short, yes_no
from data_scripts.drawn.turns import caption as caption_turn

ASKED = (
    *("grounding", "colour", "shape", "count", "position", "yes/no", "point", "caption", "choice"),
    *("corners", "unanswerable"),
    *("number", "word"),
    *("value", "tallest", "bars"),
    *("heading", "field", "name", "date", "lines"),
    *("title", "author", "cover"),
    *("beside", "largest"),
    *("label", "part"),
)
"""The kinds of turns: of scenes, of every picture, then of cards, charts, pages, books, posters, diagrams."""

Picture = Scene | Card | Chart | Page | Book | Poster | Diagram


class Family(NamedTuple):
    """One kind of printed matter."""

    make: Callable[[int], Any]
    draw: Callable[[Any], Image.Image]
    conversation: Callable[[Any, random.Random], list[Turn]]


PRINTED: dict[type, Family] = {
    Card: Family(cards.card, cards.draw, cards.conversation),
    Chart: Family(charts.chart, charts.draw, charts.conversation),
    Page: Family(pages.page, pages.draw, pages.conversation),
    Book: Family(books.book, books.draw, books.conversation),
    Poster: Family(posters.poster, posters.draw, posters.conversation),
    Diagram: Family(diagrams.diagram, diagrams.draw, diagrams.conversation),
}

SHOWS: dict[str, type] = {
    "scene": Scene,
    **{kind.__name__.lower(): kind for kind in PRINTED},
}
"""What a picture may show, by name."""

ORDER = (
    *("card", "scene", "chart", "scene", "page", "scene", "scene", "book", "scene", "scene"),
    *("card", "diagram", "scene", "chart", "scene", "scene", "poster", "scene", "scene", "scene"),
)
"""What the pictures of twenty seeds in a row show: 12 scenes and 8 pieces of printed matter."""

CORNERS = {"circle": "0", "triangle": "3", "square": "4", "star": "10", "cross": "12"}

_CLEAR = 0.04
"""How far a centre must be from the lines between thirds of a picture for its place to be asked for."""


def picture(
    seed: int, max_shapes: int = len(WEIGHTS), min_shapes: int = 1, shows: Sequence[str] = ()
) -> Picture:
    """The picture of a seed: seeds show in turn what `ORDER` says, or `shows` where it is given."""
    order = shows or ORDER
    kind = SHOWS[order[seed % len(order)]]
    if kind is Scene:
        return scenes.scene(seed, max_shapes, min_shapes)
    made: Picture = PRINTED[kind].make(seed)
    return made


def draw(picture: Picture) -> Image.Image:
    """The pixels of a picture, RGB."""
    return scenes.draw(picture) if isinstance(picture, Scene) else PRINTED[type(picture)].draw(picture)


def asked(
    seed: int, max_shapes: int = len(WEIGHTS), min_shapes: int = 1, shows: Sequence[str] = ()
) -> tuple[Picture, list[Turn]]:
    """The picture of a seed and its turns; the same for that seed wherever and whenever it is called."""
    shown = picture(seed, max_shapes, min_shapes, shows)
    return shown, conversations(shown, random.Random(f"turns {seed}"))


def conversations(picture: Picture, rng: random.Random) -> list[Turn]:
    """About fourteen turns about a scene, half as many about printed matter: each true, none ambiguous."""
    if isinstance(picture, Scene):
        return _about_scene(picture, rng)
    return PRINTED[type(picture)].conversation(picture, rng)


def caption(scene: Scene) -> str:
    """One sentence: every shape from left to right."""
    shapes = sorted(scene.shapes, key=lambda shape: shape.centre)
    *first, last = [f"a {shape.size} {shape.colour} {shape.kind}" for shape in shapes]
    # alone it would end before the 8 tokens that the caption benchmarks ask for
    listed = f"{', '.join(first)} and {last}" if first else f"{last} on a plain pale ground"
    return f"{listed[0].upper()}{listed[1:]}."


def point(scene: Scene, shape: Shape) -> str:
    """The middle of a shape as text."""
    x, y = shape.centre
    return f"({_thousandths(x, scene.width)},{_thousandths(y, scene.height)})"


def box_text(scene: Scene, box: Box) -> str:
    """A box in pixels as text, without its marks."""
    x1, y1, x2, y2 = box
    w, h = scene.width, scene.height
    return f"({_thousandths(x1, w)},{_thousandths(y1, h)}),({_thousandths(x2, w)},{_thousandths(y2, h)})"


def position(scene: Scene, shape: Shape) -> str | None:
    """Which ninth of the picture the middle of a shape is in; None where it is near a line between two."""
    x, y = shape.centre[0] / scene.width, shape.centre[1] / scene.height
    if any(abs(value - line) < _CLEAR for value in (x, y) for line in (1 / 3, 2 / 3)):
        return None
    words = (("top", "", "bottom")[int(y * 3)], ("left", "", "right")[int(x * 3)])
    return " ".join(filter(None, words)) or "middle"


def _thousandths(pixel: float, side: int) -> int:
    return min(990, 10 * round(pixel / side * 99.9))


def _about_scene(scene: Scene, rng: random.Random) -> list[Turn]:
    one = rng.choice(scene.shapes)
    turns = _grounding(scene, rng)
    for ask in (_colour, _shape):
        turn = ask(scene, rng.choice(scene.shapes), rng)
        turns += [turn] if turn else []
    turns.append(_count(scene, rng))
    places = [(shape, place) for shape in scene.shapes if (place := position(scene, shape))]
    for shape, place in rng.sample(places, min(2, len(places))):
        turns.append(short("position", f"Where is the {_name(scene, shape, rng)}?", place))
    turns += _yes_no(scene, rng)
    for shape in rng.sample(scene.shapes, min(2, len(scene.shapes))):
        turns.append(short("point", f"What is at {point(scene, shape)}?", f"{shape.colour} {shape.kind}"))
    turns.append(caption_turn(caption(scene)))
    turns.append(_corners(scene, one, rng))
    turns.append(_unanswerable(scene, rng))
    turn = rng.choice((_colour, _shape))(scene, one, rng)
    if turn:
        words = {"colour": tuple(COLOURS), "shape": tuple(KINDS)}[turn.kind]
        shown = [word for shape in scene.shapes for word in (shape.colour, shape.kind)]
        turns.append(choice(turn, words, shown, rng))
    return turns


def _grounding(scene: Scene, rng: random.Random) -> list[Turn]:
    """Expressions and boxes: every shape by its looks, and two or more times in any style."""
    chosen = [(shape, "refcoco+") for shape in scene.shapes]
    for _ in range(2):
        chosen.append((rng.choice(scene.shapes), rng.choice(("refcoco+", "refcoco", "refcoco", "refcocog"))))
    turns = {}
    for shape, style in chosen:
        text = pick(scene, shape, style, rng)
        assert text is not None, f"{shape} of scene {scene.seed} has no expression in style {style}"
        question = f"<ref>{text}</ref><box>"
        turns[question] = Turn("grounding", question, f"{box_text(scene, shape.box)}</box>", shape.box)
    return list(turns.values())


def _colour(scene: Scene, shape: Shape, rng: random.Random) -> Turn | None:
    """A question for the colour that only its kind and size lead to; None where they do not."""
    names = (shape.kind, f"{shape.size} {shape.kind}", f"{shape.size} shape")
    name = _unambiguous(scene, shape, names, rng)
    return short("colour", f"What colour is the {name}?", shape.colour) if name else None


def _shape(scene: Scene, shape: Shape, rng: random.Random) -> Turn | None:
    """A question for the kind, likewise."""
    names = (f"{shape.colour} thing", f"{shape.size} {shape.colour} thing", f"{shape.size} thing")
    name = _unambiguous(scene, shape, names, rng)
    return short("shape", f"What shape is the {name}?", shape.kind) if name else None


def _corners(scene: Scene, shape: Shape, rng: random.Random) -> Turn:
    """What the picture alone does not say."""
    return short(
        "corners", f"How many corners does the {_name(scene, shape, rng)} have?", CORNERS[shape.kind]
    )


def _unanswerable(scene: Scene, rng: random.Random) -> Turn:
    """A question about something that is not there."""
    absent = sorted(set(KINDS) - {shape.kind for shape in scene.shapes})
    questions = ("What word is written?", "What number is written?", "What is the title of this book?")
    form = f"What colour is the {rng.choice(absent)}?"
    return short("unanswerable", rng.choice((form, form, *questions)), "unanswerable")


def _name(scene: Scene, shape: Shape, rng: random.Random) -> str:
    """What the shape is called: mostly colour and kind, which no two shapes share."""
    full = f"{shape.colour} {shape.kind}"
    return _unambiguous(scene, shape, (full, full, shape.kind, f"{shape.size} {shape.kind}"), rng) or full


def _unambiguous(scene: Scene, shape: Shape, names: Sequence[str], rng: random.Random) -> str | None:
    fitting = [name for name in names if find(scene, name) == (shape,)]
    return rng.choice(fitting) if fitting else None


def _count(scene: Scene, rng: random.Random) -> Turn:
    """How many of a kind, of a colour, or in all; of a kind or colour that is shown or of any."""
    shape = rng.choice(scene.shapes)
    kind = shape.kind if rng.random() < 0.7 else rng.choice(list(KINDS))
    colour = shape.colour if rng.random() < 0.7 else rng.choice(list(COLOURS))
    kinds = f"{kind}es" if kind.endswith("s") else f"{kind}s"
    what, number = rng.choice(
        (
            ("shapes", len(scene.shapes)),
            (kinds, sum(other.kind == kind for other in scene.shapes)),
            (f"{colour} shapes", sum(other.colour == colour for other in scene.shapes)),
        )
    )
    return short("count", f"How many {what} are there?", str(number))


def _yes_no(scene: Scene, rng: random.Random) -> list[Turn]:
    """A question with yes and one of the same form with no, so that neither form nor number tells which."""
    shape = rng.choice(scene.shapes)
    form = rng.choice(("{colour} {kind}", "{colour} {kind}", "{kind}", "{colour} shape"))
    shown = {form.format(colour=other.colour, kind=other.kind) for other in scene.shapes}
    mixed = [(a.colour, b.kind) for a in scene.shapes for b in scene.shapes]
    near = [(shape.colour, kind) for kind in KINDS] + [(colour, shape.kind) for colour in COLOURS]
    for pairs in (mixed, near):
        absent = sorted({form.format(colour=colour, kind=kind) for colour, kind in pairs} - shown)
        if absent:
            break
    there = form.format(colour=shape.colour, kind=shape.kind)
    return yes_no("Is there a {}?", there, rng.choice(absent))

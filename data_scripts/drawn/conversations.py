r"""Questions about drawn pictures with their true answers: what a small model is trained on and asked.

`picture` makes a scene or a card of a seed, `conversations` what one may ask about it, in the texts of the
benchmark prompts (protocol qwen-vl) and with the leading space that a base model writes:

    grounding  <ref>red circle</ref><box>          (100,250),(410,560)</box>
    caption    Describe the image in English:       A small red circle and a large blue star.
    choice     Context: N/A\nQuestion: ..\nAnswer:  B
    others     What colour is the star? Answer:     red

A box and a point are given in thousandths, pixel / side x 999, rounded to tens: the last digit is then always
0, and a model need not learn digits that no picture of 96 pixels could tell it.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image

from data_scripts.drawn import cards, scenes
from data_scripts.drawn.cards import WORDS, Card
from data_scripts.drawn.phrases import find, pick
from data_scripts.drawn.scenes import COLOURS, KINDS, WEIGHTS, Box, Scene, Shape

ASKED = (
    *("grounding", "colour", "shape", "count", "position", "yes/no", "point", "caption", "choice"),
    *("number", "word"),
)
"""The kinds of turns; a card's own are its number or word, and count, yes/no, caption and choice."""

CARD_EVERY = 10
"""Of so many pictures one shows a card."""

LETTERS = "ABCD"

_CLEAR = 0.04
"""How far a centre must be from the lines between thirds of a picture for its place to be asked for."""

Picture = Scene | Card


@dataclass(frozen=True, slots=True)
class Turn:
    """One question and its answer. `question` is all that follows the image in the prompt."""

    kind: str
    """One of `ASKED`."""

    question: str
    answer: str
    """As a base model continues the prompt, so with a space before it, except after `<box>`."""

    box: Box | None = None
    """Grounding: the shape's box in pixels, x1, y1, x2, y2."""


def picture(seed: int, max_shapes: int = len(WEIGHTS), min_shapes: int = 1) -> Picture:
    """The picture of a seed: mostly the scene of that seed, every tenth a card."""
    return cards.card(seed) if seed % CARD_EVERY == 0 else scenes.scene(seed, max_shapes, min_shapes)


def draw(picture: Picture) -> Image.Image:
    """The pixels of a picture, RGB."""
    return cards.draw(picture) if isinstance(picture, Card) else scenes.draw(picture)


def asked(seed: int, max_shapes: int = len(WEIGHTS), min_shapes: int = 1) -> tuple[Picture, list[Turn]]:
    """The picture of a seed and its turns; the same for that seed wherever and whenever it is called."""
    shown = picture(seed, max_shapes, min_shapes)
    return shown, conversations(shown, random.Random(f"turns {seed}"))


def conversations(picture: Picture, rng: random.Random) -> list[Turn]:
    """About twelve turns about a scene, six about a card: each true, none ambiguous."""
    return _about_card(picture, rng) if isinstance(picture, Card) else _about_scene(picture, rng)


def caption(picture: Picture) -> str:
    """One sentence: every shape from left to right, or what the card says."""
    if isinstance(picture, Card):
        return f"A card with the {'number' if picture.is_number else 'word'} {picture.text}."
    shapes = sorted(picture.shapes, key=lambda shape: shape.centre)
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
        turns.append(_short("position", f"Where is the {_name(scene, shape, rng)}?", place))
    turns += _yes_no(scene, rng)
    for shape in rng.sample(scene.shapes, min(2, len(scene.shapes))):
        turns.append(_short("point", f"What is at {point(scene, shape)}?", f"{shape.colour} {shape.kind}"))
    turns.append(Turn("caption", "Describe the image in English:", f" {caption(scene)}"))
    turn = rng.choice((_colour, _shape))(scene, one, rng)
    if turn:
        words = {"colour": tuple(COLOURS), "shape": tuple(KINDS)}[turn.kind]
        shown = [word for shape in scene.shapes for word in (shape.colour, shape.kind)]
        turns.append(_choice(turn, words, shown, rng))
    return turns


def _about_card(card: Card, rng: random.Random) -> list[Turn]:
    kind = "number" if card.is_number else "word"
    turn = _short(kind, f"What {kind} is written?", card.text)
    others = [_like(card.text, rng) for _ in range(8)] if card.is_number else list(WORDS)
    wrong = rng.choice([other for other in others if other != card.text])
    marks = "digits" if card.is_number else "letters"
    return [
        turn,
        _short("count", f"How many {marks} are written?", str(len(card.text))),
        _short("yes/no", f"Is the {kind} {card.text} written?", "yes"),
        _short("yes/no", f"Is the {kind} {wrong} written?", "no"),
        Turn("caption", "Describe the image in English:", f" {caption(card)}"),
        _choice(turn, others, [], rng),
    ]


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
    return _short("colour", f"What colour is the {name}?", shape.colour) if name else None


def _shape(scene: Scene, shape: Shape, rng: random.Random) -> Turn | None:
    """A question for the kind, likewise."""
    names = (f"{shape.colour} thing", f"{shape.size} {shape.colour} thing", f"{shape.size} thing")
    name = _unambiguous(scene, shape, names, rng)
    return _short("shape", f"What shape is the {name}?", shape.kind) if name else None


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
    return _short("count", f"How many {what} are there?", str(number))


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
    return [
        _short("yes/no", f"Is there a {there}?", "yes"),
        _short("yes/no", f"Is there a {rng.choice(absent)}?", "no"),
    ]


def _choice(turn: Turn, words: Sequence[str], preferred: Sequence[str], rng: random.Random) -> Turn:
    """A question with three or four lettered options, wrong ones from `words`, those in `preferred` first."""
    answer, question = turn.answer.strip(), turn.question.removesuffix(" Answer:")
    wrong = sorted(set(words) - {answer})
    rng.shuffle(wrong)
    wrong.sort(key=lambda word: word not in preferred)
    options = [answer, *wrong[: rng.randint(2, 3)]]
    rng.shuffle(options)
    listed = "\n".join(
        f"{letter}. {option}" for letter, option in zip(LETTERS[: len(options)], options, strict=True)
    )
    letter = LETTERS[options.index(answer)]
    return Turn("choice", f"Context: N/A\nQuestion: {question}\nOptions: {listed}\nAnswer:", f" {letter}")


def _like(number: str, rng: random.Random) -> str:
    """Another number of as many digits, which differs in one of them."""
    place = rng.randrange(len(number))
    digits = "123456789" if place == 0 and len(number) > 1 else "0123456789"
    return number[:place] + rng.choice([d for d in digits if d != number[place]]) + number[place + 1 :]


def _short(kind: str, question: str, answer: str) -> Turn:
    return Turn(kind, f"{question} Answer:", f" {answer}")

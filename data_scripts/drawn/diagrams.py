"""Diagrams: two to four shapes, each with a printed letter to its right."""

import random
from dataclasses import dataclass

from PIL import Image

from data_scripts.drawn import printing, turns
from data_scripts.drawn.printing import PAPER
from data_scripts.drawn.scenes import COLOURS, KINDS, Colour
from data_scripts.drawn.turns import LETTERS, Turn

PLACES = ((0, 0), (48, 0), (0, 48), (48, 48))
"""The quarters of a picture in 96ths."""


@dataclass(frozen=True, slots=True)
class Part:
    """One shape of a diagram, with its letter, in one of `PLACES`."""

    kind: str
    letter: str
    place: int


@dataclass(frozen=True, slots=True)
class Diagram:
    """A picture of one diagram. No two parts share kind, letter or place."""

    seed: int
    width: int
    height: int
    ground: Colour
    colour: str
    parts: tuple[Part, ...]


def diagram(seed: int) -> Diagram:
    """The diagram of that seed."""
    rng = random.Random(seed)
    size = rng.randint(2, 4)
    kinds, letters = rng.sample(list(KINDS), size), rng.sample(LETTERS[:size], size)
    places = sorted(rng.sample(range(4), size))
    parts = tuple(map(Part, kinds, letters, places))
    return Diagram(seed, *printing.sides(rng), PAPER, rng.choice(list(COLOURS)), parts)


def draw(diagram: Diagram) -> Image.Image:
    """The picture of a diagram, RGB."""
    pixels = printing.sheet(diagram.width, diagram.height, diagram.ground)
    for part in diagram.parts:
        x, y = PLACES[part.place]
        printing.put_shape(pixels, part.kind, diagram.colour, x + 3, y + 9, 18)
        printing.set_text(pixels, part.letter, x // 12 + 2, y // 12 + 1)
    return printing.picture(pixels)


def caption(diagram: Diagram) -> str:
    """One sentence: the shapes row by row."""
    *first, last = (f"a {part.kind}" for part in diagram.parts)
    return f"A {diagram.colour} diagram with {', '.join(first)} and {last}."


def conversation(diagram: Diagram, rng: random.Random) -> list[Turn]:
    """Turns about a diagram: two letters, two shapes."""
    asked = rng.sample(diagram.parts, 2)
    there = rng.choice(diagram.parts)
    absent = rng.choice([kind for kind in KINDS if all(kind != part.kind for part in diagram.parts)])
    named = [turns.short("part", f"What shape is labelled {part.letter}?", part.kind) for part in asked]
    return [
        *(turns.short("label", f"Which letter labels the {part.kind}?", part.letter) for part in asked),
        *named,
        *turns.yes_no("Is there a {}?", there.kind, absent),
        turns.caption(caption(diagram)),
        turns.choice(named[0], list(KINDS), [part.kind for part in diagram.parts], rng),
    ]

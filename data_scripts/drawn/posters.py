"""Posters, the simplest infographics: shapes beside their numbers, three or two under a printed heading."""

import random
from dataclasses import dataclass

from PIL import Image

from data_scripts.drawn import printing, turns
from data_scripts.drawn.printing import CELL, WORDS
from data_scripts.drawn.scenes import COLOURS, KINDS, Colour
from data_scripts.drawn.turns import Turn


@dataclass(frozen=True, slots=True)
class Item:
    """One line of a poster."""

    kind: str
    colour: str
    number: int


@dataclass(frozen=True, slots=True)
class Poster:
    """A picture of one poster. No two items share kind, colour or number."""

    seed: int
    width: int
    height: int
    ground: Colour
    heading: str | None
    items: tuple[Item, ...]
    column: int
    """Where the numbers begin."""


def poster(seed: int) -> Poster:
    """The poster of that seed."""
    rng = random.Random(seed)
    size = rng.choice((2, 3))
    heading = rng.choice(WORDS) if size == 2 else None
    kinds, colours = rng.sample(list(KINDS), size), rng.sample(list(COLOURS), size)
    numbers = rng.sample(range(1, 100), size)
    items = tuple(map(Item, kinds, colours, numbers))
    sides, ground = printing.sides(rng), printing.ground(rng)
    return Poster(seed, *sides, ground, heading, items, rng.choice((4, 5)))


def draw(poster: Poster) -> Image.Image:
    """The picture of a poster, RGB."""
    pixels = printing.sheet(poster.width, poster.height, poster.ground)
    if poster.heading:
        printing.set_text(pixels, poster.heading, 1, 1)
    for number, item in enumerate(poster.items):
        row = 1 + 2 * number + 2 * bool(poster.heading)
        printing.put_shape(pixels, item.kind, item.colour, 15, row * CELL - 3, 18)
        printing.set_text(pixels, str(item.number), poster.column, row)
    return printing.picture(pixels)


def caption(poster: Poster) -> str:
    """One sentence: the shapes from above."""
    *first, last = (f"a {item.colour} {item.kind}" for item in poster.items)
    heading = f"the word {poster.heading}, " if poster.heading else ""
    return f"A poster with {heading}{', '.join(first)} and {last}."


def conversation(poster: Poster, rng: random.Random) -> list[Turn]:
    """Every turn about a poster."""
    largest = max(poster.items, key=lambda item: item.number)
    largest_turn = turns.short("largest", "Which shape has the largest number?", largest.kind)
    there = rng.choice(poster.items)
    absent = rng.choice([kind for kind in KINDS if all(kind != item.kind for item in poster.items)])
    heading = [turns.short("heading", "What is written on the first line?", poster.heading or "")]
    return [
        *(heading if poster.heading else []),
        *(
            turns.short("beside", f"What number is next to the {item.kind}?", str(item.number))
            for item in poster.items
        ),
        largest_turn,
        *turns.yes_no("Is there a {}?", there.kind, absent),
        turns.caption(caption(poster)),
        turns.choice(largest_turn, list(KINDS), [item.kind for item in poster.items], rng),
    ]

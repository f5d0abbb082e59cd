"""Cards that show a number or a word: the least that reading text in pictures takes.

A `Card` is a value that its seed alone decides. Words are printed in capitals and meant in small letters, as
one would say them.
"""

import random
from dataclasses import dataclass

from PIL import Image

from data_scripts.drawn import printing, turns
from data_scripts.drawn.printing import CELL, CELLS, WORDS
from data_scripts.drawn.scenes import Colour
from data_scripts.drawn.turns import Turn


@dataclass(frozen=True, slots=True)
class Card:
    """A picture of one card. `text` is digits or a word, printed from cell `column`, `row` on."""

    seed: int
    width: int
    height: int
    ground: Colour
    text: str
    column: int
    row: int

    @property
    def is_number(self) -> bool:
        """Whether digits are printed, not a word."""
        return self.text.isdigit()


def card(seed: int) -> Card:
    """The card of that seed: one or two digits or a word, as often the one as the other."""
    rng = random.Random(seed)
    text = _number(rng) if rng.random() < 0.5 else rng.choice(WORDS)
    column, row = rng.randint(1, CELLS - 1 - len(text)), rng.randint(1, CELLS - 2)
    return Card(seed, *printing.sides(rng), printing.ground(rng), text, column, row)


def draw(card: Card) -> Image.Image:
    """The picture of a card, RGB."""
    pixels = printing.sheet(card.width, card.height, card.ground)
    x, y = card.column * CELL, card.row * CELL
    printing.plate(pixels, (x - 6, y - 5, x + len(card.text) * CELL + 6, y + CELL + 5))
    printing.set_text(pixels, card.text, card.column, card.row)
    return printing.picture(pixels)


def caption(card: Card) -> str:
    """One sentence."""
    return f"A card with the {'number' if card.is_number else 'word'} {card.text}."


def conversation(card: Card, rng: random.Random) -> list[Turn]:
    """Every turn about a card."""
    kind = "number" if card.is_number else "word"
    turn = turns.short(kind, f"What {kind} is written?", card.text)
    others = [_like(card.text, rng) for _ in range(8)] if card.is_number else list(WORDS)
    wrong = rng.choice([other for other in others if other != card.text])
    marks = "digits" if card.is_number else "letters"
    return [
        turn,
        turns.short("count", f"How many {marks} are written?", str(len(card.text))),
        *turns.yes_no(f"Is the {kind} {{}} written?", card.text, wrong),
        turns.caption(caption(card)),
        turns.choice(turn, others, [], rng),
    ]


def _number(rng: random.Random) -> str:
    return str(rng.randint(0, 9) if rng.random() < 0.3 else rng.randint(10, 99))


def _like(number: str, rng: random.Random) -> str:
    """Another number of as many digits, which differs in one of them."""
    place = rng.randrange(len(number))
    digits = "123456789" if place == 0 and len(number) > 1 else "0123456789"
    return number[:place] + rng.choice([d for d in digits if d != number[place]]) + number[place + 1 :]

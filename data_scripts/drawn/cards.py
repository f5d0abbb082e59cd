"""Cards that show a number or a word in large print: the least that reading text in pictures takes.

A `Card` is a value that its seed alone decides, drawn with the 5 x 7 dots of `FONT`. Words are printed in
capitals and meant in small letters, as one would say them.
"""

import random
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
from PIL import Image

from data_scripts.drawn.scenes import GROUNDS, SIDES, Box

WORDS = (
    *(
        "go",
        "up",
        "ox",
        "cat",
        "dog",
        "sun",
        "car",
        "bus",
        "cup",
        "hat",
        "key",
        "map",
        "tea",
        "box",
        "jam",
        "fox",
    ),
    *("bird", "book", "fish", "tree", "door", "milk", "lamp", "moon", "wolf", "vase"),
    *("apple", "bread", "house", "water", "piano", "queen", "zebra"),
)

PAPER, EDGE, INK = (255, 254, 248), (150, 150, 156), (30, 30, 34)

FONT = """\
0     1     2     3     4     5     6     7     8     9     A     B
.###. ..#.. .###. ####. #..#. ##### .###. ##### .###. .###. ..#.. ####.
#...# .##.. #...# ....# #..#. #.... #.... ....# #...# #...# .#.#. #...#
#..## ..#.. ....# ....# #..#. ####. #.... ...#. #...# #...# #...# #...#
#.#.# ..#.. ..##. .###. ##### ....# ####. ...#. .###. .#### #...# ####.
##..# ..#.. .#... ....# ...#. ....# #...# ..#.. #...# ....# ##### #...#
#...# ..#.. #.... ....# ...#. #...# #...# ..#.. #...# ....# #...# #...#
.###. .###. ##### ####. ...#. .###. .###. ..#.. .###. .###. #...# ####.
C     D     E     F     G     H     I     J     K     L     M     N
.#### ####. ##### ##### .#### #...# .###. ....# #...# #.... #...# #...#
#.... #...# #.... #.... #.... #...# ..#.. ....# #..#. #.... ##.## ##..#
#.... #...# #.... #.... #.... #...# ..#.. ....# #.#.. #.... #.#.# ##..#
#.... #...# ####. ####. #..## ##### ..#.. ....# ##... #.... #.#.# #.#.#
#.... #...# #.... #.... #...# #...# ..#.. ....# #.#.. #.... #...# #..##
#.... #...# #.... #.... #...# #...# ..#.. #...# #..#. #.... #...# #..##
.#### ####. ##### #.... .#### #...# .###. .###. #...# ##### #...# #...#
O     P     Q     R     S     T     U     V     W     X     Y     Z
.###. ####. .###. ####. .#### ##### #...# #...# #...# #...# #...# #####
#...# #...# #...# #...# #.... ..#.. #...# #...# #...# #...# #...# ....#
#...# #...# #...# #...# #.... ..#.. #...# #...# #...# .#.#. .#.#. ...#.
#...# ####. #...# ####. .###. ..#.. #...# #...# #.#.# ..#.. ..#.. ..#..
#...# #.... #.#.# #.#.. ....# ..#.. #...# .#.#. #.#.# .#.#. ..#.. .#...
#...# #.... #..#. #..#. ....# ..#.. #...# .#.#. ##.## #...# ..#.. #....
.###. #.... .##.# #...# ####. ..#.. .###. ..#.. #...# #...# ..#.. #####
"""
"""Every character above its dots: 5 columns, 7 rows."""


@dataclass(frozen=True, slots=True)
class Card:
    """A picture of one card. `text` is digits or a word; `box` is the card's, x1, y1, x2, y2 in pixels."""

    seed: int
    width: int
    height: int
    ground: tuple[int, int, int]
    text: str
    dot: int
    """Side of one dot of the font in pixels."""

    box: Box

    @property
    def is_number(self) -> bool:
        """Whether digits are printed, not a word."""
        return self.text.isdigit()


def card(seed: int) -> Card:
    """The card of that seed: one to three digits or a word, as often the one as the other."""
    rng = random.Random(seed)
    width, height = rng.randint(*SIDES), rng.randint(*SIDES)
    ground = rng.choice(GROUNDS)
    if rng.random() < 0.5:
        digits = rng.randint(1, 3)
        text = str(rng.randint(10 ** (digits - 1) if digits > 1 else 0, 10**digits - 1))
    else:
        text = rng.choice(WORDS)
    columns, rows = 6 * len(text) - 1, 7
    dot = min(width // (columns + 2), height // (2 * rows))
    across, down = (columns + 2) * dot, (rows + 3) * dot
    x, y = (rng.randint(free // 4, free - free // 4) for free in (width - across, height - down))
    return Card(seed, width, height, ground, text, dot, (x, y, x + across, y + down))


def draw(card: Card) -> Image.Image:
    """The picture of a card, RGB."""
    pixels = np.empty((card.height, card.width, 3), np.uint8)
    pixels[:] = card.ground
    x1, y1, x2, y2 = card.box
    pixels[y1:y2, x1:x2] = EDGE
    pixels[y1 + 2 : y2 - 2, x1 + 2 : x2 - 2] = PAPER
    printed = np.concatenate([_dots()[mark] for mark in " ".join(card.text.upper())], axis=1)
    printed = printed.repeat(card.dot, axis=0).repeat(card.dot, axis=1)
    y, x = y1 + 3 * card.dot // 2, x1 + card.dot
    pixels[y : y + printed.shape[0], x : x + printed.shape[1]][printed] = INK
    return Image.fromarray(pixels, "RGB")


@cache
def _dots() -> dict[str, npt.NDArray[np.bool_]]:
    """The dots of every character, 7 x 5; of a blank between two of them, 7 x 1."""
    lines = FONT.splitlines()
    dots = {" ": np.zeros((7, 1), bool)}
    for top in range(0, len(lines), 8):
        for column in range(0, len(lines[top]), 6):
            rows = [line[column : column + 5] for line in lines[top + 1 : top + 8]]
            dots[lines[top][column]] = np.array([[dot == "#" for dot in row] for row in rows])
    return dots

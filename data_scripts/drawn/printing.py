"""Print on drawn pictures: dark capitals and digits of 5 x 7 dots.

Text is set on a grid of `CELLS` x `CELLS` cells over the whole picture, one character to a cell, whatever the
picture's size: shrunk to 96 x 96 a cell is 12 pixels wide and high, just what the demo model takes in at a
time, so that a character looks the same wherever it stands. All measures here are 96ths of a side.
"""

import random
from functools import cache

import numpy as np
import numpy.typing as npt
from PIL import Image

from data_scripts.drawn.scenes import COLOURS, GROUNDS, Box, Colour, coverage

Pixels = npt.NDArray[np.uint8]

CELLS = 8
CELL = 12
"""Side of a cell in 96ths."""

SIDES = (144, 168, 192, 216, 240)
"""Widths and heights of printed pictures in pixels: cells and dots come out in nearly whole ones."""

PAPER, EDGE, INK = (255, 254, 248), (150, 150, 156), (30, 30, 34)

WORDS = (
    *("go", "up", "ox"),
    *("cat", "dog", "sun", "car", "bus", "cup", "hat", "key", "map", "tea", "box", "jam", "fox"),
    *("bird", "book", "fish", "tree", "door", "milk", "lamp", "moon", "wolf", "vase"),
    *("apple", "bread", "house", "water", "piano", "queen", "zebra"),
)
"""All that headings, titles and cards may say: few enough for a small model to know."""

NAMES = ("ada", "ben", "eva", "ida", "jon", "leo", "max", "mia", "tom", "sam", "lea", "kim")
"""People who write books and get letters."""

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


def sides(rng: random.Random) -> tuple[int, int]:
    """A width and a height in pixels."""
    return rng.choice(SIDES), rng.choice(SIDES)


def sheet(width: int, height: int, ground: Colour) -> Pixels:
    """An empty picture, (height, width, 3)."""
    pixels = np.empty((height, width, 3), np.uint8)
    pixels[:] = ground
    return pixels


def fill(pixels: Pixels, area: tuple[float, float, float, float], colour: Colour) -> None:
    """Paints a rectangle x1, y1, x2, y2, given in 96ths of the sides."""
    x1, y1, x2, y2 = in_pixels(area, pixels.shape[1], pixels.shape[0])
    pixels[y1:y2, x1:x2] = colour


def plate(pixels: Pixels, area: tuple[float, float, float, float]) -> None:
    """Paints a piece of paper with an edge."""
    x1, y1, x2, y2 = in_pixels(area, pixels.shape[1], pixels.shape[0])
    pixels[y1:y2, x1:x2] = EDGE
    pixels[y1 + 2 : y2 - 2, x1 + 2 : x2 - 2] = PAPER


def in_pixels(area: tuple[float, float, float, float], width: int, height: int) -> Box:
    """A rectangle in 96ths as whole pixels."""
    x1, y1, x2, y2 = area
    return round(x1 * width / 96), round(y1 * height / 96), round(x2 * width / 96), round(y2 * height / 96)


def set_text(pixels: Pixels, text: str, column: int, row: int) -> None:
    """Prints a text in capitals from a cell on; a space leaves a cell empty."""
    assert 0 <= column <= CELLS - len(text), f"{text} from column {column}"
    assert 0 <= row < CELLS, f"{text} in row {row}"
    for number, mark in enumerate(text.upper()):
        if mark != " ":
            stamp(pixels, mark, (column + number) * CELL + 1, row * CELL + 0.75)


def stamp(pixels: Pixels, mark: str, x: float, y: float, width: float = 10) -> None:
    """Prints one character with its left upper corner at x, y in 96ths: 10.5 high."""
    x1, y1, x2, y2 = in_pixels((x, y, x + width, y + 10.5), pixels.shape[1], pixels.shape[0])
    rows, columns = (np.arange(size) * dots // size for size, dots in ((y2 - y1, 7), (x2 - x1, 5)))
    pixels[y1:y2, x1:x2][dots_of(mark)[np.ix_(rows, columns)]] = INK


def set_digits(pixels: Pixels, digits: str, right: float, top: float) -> None:
    """Prints a number of one or two digits, flush right, anywhere: 96ths from the left and from above."""
    for number, mark in enumerate(reversed(digits)):
        stamp(pixels, mark, right - 10 * (number + 1), top, 8)


def put_shape(pixels: Pixels, kind: str, colour: str, x: float, y: float, side: float) -> None:
    """Draws a shape of a scene in a box whose sides are `side` 96ths of the shorter side of the picture."""
    height, width, _ = pixels.shape
    length = round(side * min(width, height) / 96)
    left = round((x + side / 2) * width / 96 - length / 2)
    top = round((y + side / 2) * height / 96 - length / 2)
    cover = coverage(kind, length).astype(np.int32)[:, :, None]
    under = pixels[top : top + length, left : left + length]
    under[:] = under + (cover * (np.array(COLOURS[colour], np.int32) - under)) // 255


def picture(pixels: Pixels) -> Image.Image:
    """The finished picture, RGB."""
    return Image.fromarray(pixels, "RGB")


def ground(rng: random.Random) -> Colour:
    """A pale ground."""
    return rng.choice(GROUNDS)


@cache
def dots_of(mark: str) -> npt.NDArray[np.bool_]:
    """The dots of a character, 7 x 5."""
    lines = FONT.splitlines()
    for top in range(0, len(lines), 8):
        if mark in lines[top].split():
            column = lines[top].index(mark)
            rows = [line[column : column + 5] for line in lines[top + 1 : top + 8]]
            return np.array([[dot == "#" for dot in row] for row in rows])
    raise AssertionError(f"no dots for {mark!r}")

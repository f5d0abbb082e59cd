"""Reads drawn print back from pixels, knowing only the font and that text stands in cells."""

import numpy as np
import numpy.typing as npt
from PIL import Image

from data_scripts.drawn.printing import CELLS, FONT, INK


def glyphs() -> dict[str, str]:
    """Every character and its 35 dots as text, row by row."""
    found: dict[str, str] = {}
    for block in range(3):
        head, *rows = FONT.splitlines()[8 * block : 8 * block + 8]
        for number, mark in enumerate(head.split()):
            found[mark] = "".join(row.split()[number] for row in rows)
    return found


def read(picture: Image.Image) -> list[str]:
    """The lines of text of a picture, without empty ones; what is no character counts as blank."""
    ink = (np.asarray(picture) == INK).all(axis=2)
    lines = ["".join(_mark(ink, row, column) for column in range(CELLS)) for row in range(CELLS)]
    return [line.strip() for line in lines if line.strip()]


def _mark(ink: npt.NDArray[np.bool_], row: int, column: int) -> str:
    """The character of a cell, from the pixels in the middle of its dots."""
    height, width = ink.shape
    top, left = (row * 12 + 0.75) * height / 96, (column * 12 + 1) * width / 96
    down, across = 10.5 * height / 96 / 7, 10 * width / 96 / 5
    ys = [int(top + (dot + 0.5) * down) for dot in range(7)]
    xs = [int(left + (dot + 0.5) * across) for dot in range(5)]
    dots = "".join(".#"[int(ink[y, x])] for y in ys for x in xs)
    return {dots: mark for mark, dots in glyphs().items()}.get(dots, " ")

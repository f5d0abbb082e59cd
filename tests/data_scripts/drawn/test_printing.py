"""Print: a font whose characters are told apart, set so that it can be read again."""

from itertools import product

import numpy as np
import pytest
from PIL import Image

from data_scripts.drawn import printing
from data_scripts.drawn.printing import CELLS, INK, NAMES, SIDES, WORDS
from tests.data_scripts.drawn.reading import glyphs, read


def test_the_font_is_whole_and_its_characters_differ() -> None:
    """Guards reading: two characters with nearly the same dots could not be told apart when shrunk."""
    font = glyphs()
    assert "".join(sorted(font)) == "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    assert all(len(dots) == 35 and set(dots) == {".", "#"} for dots in font.values())
    for one, dots in font.items():
        for other in font:
            if one < other and {one, other} != {"0", "O"}:
                assert sum(a != b for a, b in zip(dots, font[other], strict=True)) >= 2, one + other


def test_words_are_short_and_distinct() -> None:
    """Guards the answers: small letters only, none twice, few enough to be learnt, short enough to fit."""
    assert len(set(WORDS)) == len(WORDS)
    assert 30 <= len(WORDS) <= 40
    assert all(word.isalpha() and word == word.lower() and 2 <= len(word) <= 5 for word in WORDS)
    assert len(set(NAMES)) == len(NAMES) == 12
    assert all(name.isalpha() and name == name.lower() and len(name) == 3 for name in NAMES)
    assert not set(NAMES) & set(WORDS)


@pytest.mark.parametrize(("width", "height"), list(product(SIDES, SIDES)))
def test_every_character_can_be_read_at_every_size(width: int, height: int) -> None:
    """Guards print against dots that vanish or run together where cells are no whole number of dots."""
    font = "".join(sorted(glyphs()))
    for start in range(0, len(font), CELLS):
        pixels = printing.sheet(width, height, (250, 250, 248))
        printing.set_text(pixels, font[start : start + CELLS], 0, start % CELLS)
        assert read(printing.picture(pixels)) == [font[start : start + CELLS]]


def test_characters_survive_the_model_s_size() -> None:
    """Guards legibility at 96 x 96, where a cell is one patch: every two characters still look different."""
    small = []
    for mark in glyphs():
        pixels = printing.sheet(192, 192, (250, 250, 248))
        printing.set_text(pixels, mark, 3, 3)
        shrunk = Image.fromarray(pixels).resize((96, 96), Image.Resampling.BICUBIC)
        patch = np.asarray(shrunk, np.int32)[36:48, 36:48]
        small.append((mark, patch))
    for number, (one, a) in enumerate(small):
        for other, b in small[:number]:
            if {one, other} != {"0", "O"}:
                assert np.abs(a - b).mean() > 3, one + other


def test_text_outside_is_an_error() -> None:
    """Guards against words that silently run over the border."""
    pixels = printing.sheet(144, 144, INK)
    for text, column, row in (("zebra", 4, 0), ("a", 0, CELLS), ("a", -1, 0)):
        with pytest.raises(AssertionError, match=text):
            printing.set_text(pixels, text, column, row)

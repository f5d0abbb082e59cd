"""Cards: a font whose characters are told apart, and pictures that show what they say."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from data_scripts.drawn.cards import FONT, INK, WORDS, Card, card, draw

SEEDS = st.integers(0, 2**40)


def glyphs() -> dict[str, str]:
    """Every character and its 35 dots as text, row by row."""
    found: dict[str, str] = {}
    for block in range(3):
        head, *rows = FONT.splitlines()[8 * block : 8 * block + 8]
        for number, mark in enumerate(head.split()):
            found[mark] = "".join(row.split()[number] for row in rows)
    return found


def read(shown: Card) -> str:
    """The text of a drawn card, from the pixels in the middle of its dots."""
    x1, y1, x2, y2 = shown.box
    pixels = np.asarray(draw(shown))[y1:y2, x1:x2]
    ink = (pixels == INK).all(axis=2)
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    assert (rows[-1] + 1 - rows[0]) == 7 * shown.dot
    half = shown.dot // 2
    dots = ink[rows[0] + half :: shown.dot, half % shown.dot :: shown.dot][:7]
    texts = {dots: mark for mark, dots in glyphs().items()}
    assert columns[0] >= shown.dot
    return "".join(
        texts["".join(".#"[int(dot)] for dot in dots[:, left : left + 5].ravel())]
        for left in range(1, dots.shape[1] - 5, 6)
    )


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
    """Guards the answers: small letters only, none twice, and few enough to be learnt."""
    assert len(set(WORDS)) == len(WORDS)
    assert 30 <= len(WORDS) <= 40
    assert all(word.isalpha() and word == word.lower() and 2 <= len(word) <= 5 for word in WORDS)


@settings(deadline=None)
@given(seed=SEEDS)
def test_a_card_shows_its_text(seed: int) -> None:
    """Guards answers about text against a font read at the wrong place, and print against the border."""
    shown = card(seed)
    assert card(seed) == shown
    x1, y1, x2, y2 = shown.box
    assert 0 <= x1 < x2 <= shown.width
    assert 0 <= y1 < y2 <= shown.height
    assert read(shown).lower() == shown.text
    assert 7 * shown.dot >= 0.1 * shown.height, "too small to be read at 96 pixels"


def test_every_length_of_number_occurs() -> None:
    """Guards against numbers of which nine in ten have three digits, and against a leading zero."""
    texts = [card(seed).text for seed in range(600)]
    numbers = [text for text in texts if text.isdigit()]
    assert 240 < len(numbers) < 360
    assert all(70 < sum(len(text) == length for text in numbers) < 140 for length in (1, 2, 3))
    assert all(str(int(text)) == text for text in numbers)
    assert set(texts) - set(numbers) == set(WORDS)

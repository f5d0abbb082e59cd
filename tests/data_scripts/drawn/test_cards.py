"""Cards: pictures that show what they say."""

from hypothesis import given, settings
from hypothesis import strategies as st

from data_scripts.drawn.cards import card, draw
from data_scripts.drawn.printing import CELLS, WORDS
from tests.data_scripts.drawn.reading import read

SEEDS = st.integers(0, 2**40)


@settings(deadline=None)
@given(seed=SEEDS)
def test_a_card_shows_its_text(seed: int) -> None:
    """Guards answers about text against a font read at the wrong place, and print against the border."""
    shown = card(seed)
    assert card(seed) == shown
    assert 1 <= shown.column <= CELLS - 1 - len(shown.text)
    assert 1 <= shown.row <= CELLS - 2
    assert read(draw(shown)) == [shown.text.upper()]


def test_every_length_of_number_occurs() -> None:
    """Guards against numbers of which nine in ten have two digits, and against a leading zero."""
    texts = [card(seed).text for seed in range(600)]
    numbers = [text for text in texts if text.isdigit()]
    assert 240 < len(numbers) < 360
    assert 60 < sum(len(text) == 1 for text in numbers) < 140
    assert all(str(int(text)) == text and len(text) <= 2 for text in numbers)
    assert set(texts) - set(numbers) == set(WORDS)

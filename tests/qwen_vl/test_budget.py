"""The size of the cache: what is needed fits, and it grows in steps."""

from hypothesis import given
from hypothesis import strategies as st

from qwen_vl.budget import STEP, Shape, fitted

SHAPES = st.builds(Shape, *(st.integers(0, limit) for limit in (20, 300, 20, 300)))


@given(SHAPES, SHAPES, st.integers(0, 20_000))
def test_what_is_needed_fits(shape: Shape, needed: Shape, most: int) -> None:
    """A cache that is smaller than a row writes over its neighbour; one that is over the budget takes the
    memory of the pass; none although there is room gives a row up.
    """
    found = fitted(shape, needed, 16, most)
    if found is None:
        assert needed.rounded(STEP).tokens > most
    else:
        assert found == found.covering(needed)
        assert found.tokens <= most


def test_a_cache_that_suffices_stays() -> None:
    """Whatever changes its shape copies all keys and values."""
    shape = Shape(8, 64, 4, 320)
    assert fitted(shape, Shape(3, 20, 4, 300), 8, 10_000) == shape


def test_near_the_budget_it_grows_in_steps() -> None:
    """Rows that grow by a token a step were copied in every step, each time as tight as could be."""
    shape, copies = Shape(), 0
    for tokens in range(1, 200):
        grown = fitted(shape, Shape(10, tokens, 1, 100), 64, 10 * 208 + 112)
        assert grown is not None
        copies += grown != shape
        shape = grown
    assert copies <= 200 / STEP
    assert fitted(shape, Shape(10, 209, 1, 100), 64, 10 * 208 + 112) is None


def test_far_from_it_in_large_ones() -> None:
    """The first slots and blocks are seldom the last; but more slots than there can be rows are wasted."""
    assert fitted(Shape(), Shape(3, 20, 5, 260), 64, 100_000) == Shape(4, 64, 8, 320)
    assert fitted(Shape(), Shape(33, 20, 1, 260), 40, 100_000) == Shape(40, 64, 1, 320)

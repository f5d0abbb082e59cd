"""Boxes drawn on small pictures, pixel by pixel."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from qwen_vl.boxes import COLOURS, RefBox, check_font, draw_boxes, pixels

GREY = (120, 120, 120)


def picture(width: int = 100, height: int = 50) -> Image.Image:
    return Image.new("RGB", (width, height), GREY)


def coloured(image: Image.Image, colour: tuple[int, int, int]) -> tuple[int, int, int, int] | None:
    """Left, top, right, bottom (both inside) of the pixels of a colour."""
    rows, columns = np.nonzero((np.asarray(image) == colour).all(axis=-1))
    if not len(rows):
        return None
    return int(columns.min()), int(rows.min()), int(columns.max()), int(rows.max())


def test_an_outline_is_where_the_box_is() -> None:
    """Thousandths of width and height, each of its own side; the inside and the original stay untouched."""
    original = picture()
    drawn = draw_boxes(original, [RefBox((100, 200, 500, 800), None)])
    assert coloured(drawn, COLOURS[0]) == (10, 10, 50, 40)
    values = np.asarray(drawn)
    assert (values[12:39, 12:49] == GREY).all()
    assert (values[10:41, 10:12] == COLOURS[0]).all(), "two pixels wide"
    assert (values[:10] == GREY).all()
    assert (values[41:] == GREY).all()
    assert (np.asarray(original) == GREY).all()


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        ((0, 0, 1000, 1000), (0, 0, 99, 49)),
        ((999, 999, 999, 999), (99, 49, 99, 49)),
        ((500, 800, 100, 200), (10, 10, 50, 40)),
        ((-400, -1, 500, 4000), (0, 0, 50, 49)),
        ((2000, 2000, 3000, 3000), (99, 49, 99, 49)),
        ((10**30, 0, -(10**30), 0), (0, 0, 99, 0)),
    ],
)
def test_boxes_out_of_range_or_inside_out(
    box: tuple[int, int, int, int], expected: tuple[int, int, int, int]
) -> None:
    """Pillow refuses corners in the wrong order; what leaves the picture ends at its edge."""
    assert pixels(box, 100, 50) == expected
    assert coloured(draw_boxes(picture(), [RefBox(box, None)]), COLOURS[0]) == expected


def test_colours() -> None:
    """Boxes that look alike cannot be told apart; boxes of one ref should look alike."""
    assert len(set(COLOURS)) == len(COLOURS)
    far = [sum(abs(a - b) for a, b in zip(c, d, strict=True)) for c in COLOURS for d in COLOURS if c != d]
    assert min(far) >= 90
    places = [(0, 0, 100, 300), (200, 0, 300, 300), (400, 0, 500, 300), (600, 0, 700, 300)]
    refs = ["a", None, "b", "a"]
    image = picture(400, 200)
    drawn = draw_boxes(image, [RefBox(box, ref) for box, ref in zip(places, refs, strict=True)])
    at = [drawn.getpixel((pixels(box, 400, 200)[0], 50)) for box in places]
    assert at == [COLOURS[0], COLOURS[0], COLOURS[1], COLOURS[0]]
    lone = draw_boxes(image, [RefBox(box, None) for box in places])
    assert [lone.getpixel((pixels(box, 400, 200)[0], 50)) for box in places] == list(COLOURS[:4])
    many = draw_boxes(image, [RefBox(places[0], None)] * (len(COLOURS) + 1))
    assert many.getpixel((0, 50)) == COLOURS[0], "round and round"


def test_a_label_stands_above_its_box() -> None:
    """A label somewhere else names another thing."""
    drawn = draw_boxes(picture(300, 200), [RefBox((100, 500, 900, 900), "the dog")])
    left, top, right, bottom = coloured(drawn, COLOURS[0]) or (0, 0, 0, 0)
    assert (left, right, bottom) == (30, 270, 180)
    assert 80 <= top < 100
    label = np.asarray(drawn)[top:100, 30:90]
    assert (label > 200).all(axis=-1).any(), "white letters on it"
    assert (np.asarray(drawn)[:top] == GREY).all()


@pytest.mark.parametrize(
    "box", [(0, 0, 200, 200), (950, 0, 1000, 50), (900, 940, 1000, 1000), (500, 20, 510, 30)]
)
@pytest.mark.parametrize(
    "ref", ["the dog", "a very long description that no picture of this size can hold" * 3]
)
@pytest.mark.parametrize("size", [(160, 90), (90, 160)])
def test_labels_stay_inside(box: tuple[int, int, int, int], ref: str, size: tuple[int, int]) -> None:
    """Near an edge a label is moved, a long one shortened: all its letters are on the picture."""
    drawn = np.asarray(draw_boxes(picture(*size), [RefBox(box, ref)]))
    letters = drawn.min(axis=-1) > 200  # white; the ground is grey
    rows = np.nonzero(letters.any(axis=1))[0]
    assert rows.max() - rows.min() >= 7
    edge = np.ones_like(letters)
    edge[1:-1, 1:-1] = False
    assert not (letters & edge).any(), "a margin is left on every side"
    if ref == "the dog":
        elsewhere = np.asarray(draw_boxes(picture(*size), [RefBox((200, 500, 300, 600), ref)]))
        assert letters.sum() == (elsewhere.min(axis=-1) > 200).sum(), "not a letter is cut"


@settings(deadline=None, max_examples=60)
@given(
    st.integers(1, 40),
    st.integers(1, 40),
    st.lists(
        st.tuples(
            st.tuples(*[st.integers(-2000, 2000)] * 4),
            st.none() | st.text(max_size=20),
        ),
        max_size=4,
    ),
)
def test_anything_can_be_drawn(
    width: int, height: int, found: list[tuple[tuple[int, int, int, int], str | None]]
) -> None:
    """Pictures of one pixel, labels of control characters, no letters, letters no font has."""
    drawn = draw_boxes(picture(width, height), [RefBox(box, ref) for box, ref in found])
    assert drawn.size == (width, height)


def test_other_modes() -> None:
    """Grey and transparent pictures are drawn on in colour."""
    for mode in ("L", "RGBA", "P", "1"):
        drawn = draw_boxes(Image.new(mode, (20, 20)), [RefBox((0, 0, 1000, 1000), None)])
        assert drawn.mode == "RGB"
        assert drawn.getpixel((0, 0)) == COLOURS[0]


def test_fonts(tmp_path: Path) -> None:
    """A file that is no font is the user's mistake, found before the model is asked."""
    path = tmp_path / "no.ttf"
    path.write_bytes(b"nothing")
    assert not check_font(path)
    assert not check_font(tmp_path / "missing.ttf")

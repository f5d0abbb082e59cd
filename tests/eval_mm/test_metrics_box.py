"""Boxes: golden values of the published scorer, and what no text may do."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval_mm.metrics.box import Box, ReadBox, iou, read_any, read_published, to_pixels
from eval_mm.schema import BoxScale

GOLDENS = json.loads((Path(__file__).parents[1] / "goldens" / "boxes.json").read_text(encoding="utf-8"))


def test_equals_the_published_scorer() -> None:
    """200 answers: what is read and what is right exactly, the overlap to 1e-6."""
    assert len(GOLDENS) == 200
    for row in GOLDENS:
        found = read_published(row["text"])
        assert (None if found is None else list(found.box)) == row["parsed"], row
        overlap = 0.0
        if found is not None:
            overlap = iou(to_pixels(found.box, "999", row["width"], row["height"]), Box(*row["target"]))
        assert overlap == pytest.approx(row["iou"], abs=1e-6), row
        assert (overlap >= 0.5) == row["correct"], row


FORMS = [
    ("(1,2),(3,4)", (1, 2, 3, 4)),
    ("( 1 , 2 ), (3,4)", (1, 2, 3, 4)),
    ("The box is [10, 20, 30.5, 40].", (10, 20, 30.5, 40)),
    ('```json\n{"bbox_2d": [1, 2, 3, 4]}\n```', (1, 2, 3, 4)),
    ("(1,2,3,4)", (1, 2, 3, 4)),
    ("[[1,2],[3,4]]", (1, 2, 3, 4)),
    ("[0.1, 0.2, 0.3, 0.4] and (5,6),(7,8)", (0.1, 0.2, 0.3, 0.4)),
    ("(5,6),(7,8) and [0.1, 0.2, 0.3, 0.4]", (5, 6, 7, 8)),
    ("[-1, 0, 3, 4]", (-1, 0, 3, 4)),
    ("1, 2, 3, 4", None),
    ("[1, 2, 3]", None),
    ("[1, 2, 3, 4, 5]", None),
    ("no box", None),
    ("", None),
]


@pytest.mark.parametrize(("text", "numbers"), FORMS)
def test_usual_forms(text: str, numbers: tuple[float, ...] | None) -> None:
    """Protocol `instruct` reads the first box in any usual form, and never guesses at bare numbers."""
    found = read_any(text)
    assert (None if found is None else tuple(found.box)) == numbers


@pytest.mark.parametrize(
    ("scale", "wanted"),
    [
        ("999", (200.2002, 50.05005, 400.4004, 100.1001)),
        ("1000", (200, 50, 400, 100)),
        ("fraction", (2e5, 5e4, 4e5, 1e5)),
        ("pixels", (100, 50, 200, 100)),
    ],
)
def test_scales(scale: BoxScale, wanted: tuple[float, ...]) -> None:
    """Dividing by 1000 where the script divides by 999 moves every box by up to a pixel."""
    assert to_pixels(Box(100, 50, 200, 100), scale, 2000, 1000) == pytest.approx(wanted, rel=1e-6)


@given(st.text(max_size=60) | st.text(alphabet="(),. 0123456789-+e[]", max_size=60))
def test_no_text_raises(text: str) -> None:
    """Whatever a model writes, a reader returns a box of finite numbers or None."""
    for found in (read_published(text), read_any(text)):
        assert found is None or isinstance(found, ReadBox)
        if found is not None:
            pixels = to_pixels(found.box, "999", 640, 480)
            assert 0 <= iou(pixels, Box(10, 20, 300, 400)) <= 1


coordinate = st.floats(-2000, 2000)


@given(st.tuples(*[coordinate] * 4), st.tuples(*[coordinate] * 4))
def test_overlap_is_a_symmetric_fraction(a: tuple[float, ...], b: tuple[float, ...]) -> None:
    """Boxes inside out, empty or far apart overlap by a number in 0..1, the same both ways."""
    overlap = iou(Box(*a), Box(*b))
    assert 0 <= overlap <= 1 + 1e-9
    assert overlap == iou(Box(*b), Box(*a))


def test_overlap_by_hand() -> None:
    """Two unit-thick halves: 1 of 3 squares is common; a box equals itself; touching edges share nothing."""
    assert iou(Box(0, 0, 2, 1), Box(1, 0, 3, 1)) == pytest.approx(1 / 3)
    assert iou(Box(0, 0, 2, 1), Box(0, 0, 2, 1)) == 1
    assert iou(Box(0, 0, 1, 1), Box(1, 0, 2, 1)) == 0
    assert iou(Box(5, 5, 1, 1), Box(0, 0, 9, 9)) == 0

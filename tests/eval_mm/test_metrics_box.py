"""Boxes: golden values of the published scorer, and what no text may do."""

import json
import math
import re
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval_mm.data import Row
from eval_mm.errors import DataError
from eval_mm.kinds.grounding import box_in_pixels
from eval_mm.metrics.box import Box, BoxReader, ReadBox, iou, read_any, read_published, to_pixels
from eval_mm.schema import BoxScale, Context, ModelInfo, Prediction, Sample

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


PUBLISHED = re.compile(r"\((.*?)\),\((.*?)\)")


def groups_of_the_script(text: str) -> tuple[float, ...] | None:
    """What the script's own pattern, conversion and count of numbers make of a text."""
    match = PUBLISHED.search(text)
    try:
        pairs = [[float(part) for part in pair.split(",")] for pair in match.groups()] if match else []
    except ValueError:
        return None
    numbers = tuple(number for pair in pairs for number in pair)
    as_wanted = [len(pair) for pair in pairs] == [2, 2] and all(map(math.isfinite, numbers))
    return numbers if as_wanted else None


NEAR_BOXES = st.lists(
    st.sampled_from(["(", ")", ",", "),(", "1", "2.5", "\n", "\r", " ", "x", "inf", "(1,2)", "(1,2),(3,4)"])
)


@given(NEAR_BOXES.map("".join))
def test_reads_what_the_pattern_of_the_script_reads(text: str) -> None:
    """The pattern takes 18 s on 20,000 brackets, so it is not run; what is read must be the same."""
    found = read_published(text)
    assert (None if found is None else tuple(found.box)) == groups_of_the_script(text)


@pytest.mark.parametrize("piece", ["(1", "(1,2)", "),(", "(1,2),(", "(1,2)" + " " * 5, "[1,2]\n", "(1, "])
def test_long_answers_are_read_in_no_time(piece: str) -> None:
    """A model that repeats itself kept scoring busy for minutes: 18 s for 20,000 brackets."""
    for text in (piece * 100_000, piece + " " * 100_000, "(1,2)" + " " * 100_000 + piece):
        assert read_published(text) is None
        read_any(text)


@pytest.mark.parametrize("scale", get_args(BoxScale))
@pytest.mark.parametrize("reader", [read_published, read_any])
def test_a_box_that_is_not_finite_in_pixels_is_no_box(scale: BoxScale, reader: BoxReader) -> None:
    """1e308 / 999 x 5,000 is infinite: the submission file died of it after every answer was paid for."""
    sample = Sample("1", (), "", target=Box(0, 0, 9, 9), metadata={"width": 5000, "height": 5000})
    context = Context(ModelInfo("m", box_scale=scale))
    texts = (f"({'9' * 308},1),({'9' * 308},3)", f"({'9' * 400},1),(9,3)", "(1,1),(9,3)")
    answers = [Prediction("1", text, image_size=(50, 50)) for text in texts]
    found = [box_in_pixels(reader, sample, answer, context) is not None for answer in answers]
    assert found == [scale == "pixels", False, True]


def test_pixels_of_a_picture_of_unknown_size_are_no_box() -> None:
    """A box in pixels of a resized picture was placed by a size that nobody had recorded."""
    sample = Sample("1", (), "", target=Box(0, 0, 9, 9), metadata={"width": 50, "height": 50})
    context = Context(ModelInfo("m", box_scale="resized"))
    assert box_in_pixels(read_any, sample, Prediction("1", "(1,1),(9,3)"), context) is None


def test_sizes_of_pictures_have_a_bound() -> None:
    """A width of 401 digits ended in "int too large to convert to float", without a line to look at."""
    row = Row({"width": 10**400, "height": 10**9}, Path("rows.jsonl"), 3)
    assert row.positive_int("height") == 10**9
    with pytest.raises(DataError, match=r"rows\.jsonl:3: field 'width': .* at most 1000000000, got 1000"):
        row.positive_int("width")


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


def test_pixels_of_a_resized_picture() -> None:
    """Coordinates of Qwen2.5-VL count the picture it saw: read as the file's, every box would be off."""
    found = to_pixels(Box(28, 14, 56, 28), "resized", 200, 100, seen=(56, 28))
    assert found == pytest.approx((100, 50, 200, 100))


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

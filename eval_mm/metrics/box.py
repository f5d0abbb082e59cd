"""Boxes in answers: reading them, placing them in pixels, intersection over union.

Follows the grounding script of Qwen-VL (https://github.com/QwenLM/Qwen-VL, eval_mm/evaluate_grounding.py),
whose overlap is torchvision's box_iou. Deviations: overlap is computed in float64 (published: float32), so a
verdict could differ only within 1e-6 of the threshold; a box of non-finite numbers, as written or in pixels,
counts as unreadable (published: a wrong box), which changes no score.
"""

import math
import re
from collections.abc import Callable
from typing import NamedTuple

from eval_mm.schema import BoxScale


class Box(NamedTuple):
    """Two corners: x1, y1 left and top, x2, y2 right and bottom."""

    x1: float
    y1: float
    x2: float
    y2: float


class ReadBox(NamedTuple):
    """A box as a model wrote it, and the name of the form it was written in."""

    box: Box
    form: str


_NUMBER = r"\s*([-+]?\d+(?:\.\d+)?)\s*"
_FORMS = {
    "(x1,y1),(x2,y2)": rf"\({_NUMBER},{_NUMBER}\)\s*(?:,\s*)?\({_NUMBER},{_NUMBER}\)",
    "[x1,y1,x2,y2]": rf"\[{_NUMBER},{_NUMBER},{_NUMBER},{_NUMBER}\]",
    "(x1,y1,x2,y2)": rf"\({_NUMBER},{_NUMBER},{_NUMBER},{_NUMBER}\)",
    "[x1,y1],[x2,y2]": rf"\[{_NUMBER},{_NUMBER}\]\s*(?:,\s*)?\[{_NUMBER},{_NUMBER}\]",
}
_ANY_FORM = [(form, re.compile(pattern)) for form, pattern in _FORMS.items()]

_SIDE: dict[BoxScale, float] = {"999": 999.0, "1000": 1000.0, "fraction": 1.0}


def read_published(text: str) -> ReadBox | None:
    """The first `(x1,y1),(x2,y2)` as the published script reads it, or None where it reads nothing.

    The script takes the first match of its pattern only: "a (b), (1,2),(3,4)" holds a box for a human reader,
    not for the published number. A space between the two pairs makes them unreadable too.
    """
    numbers = []
    pairs = _published_pairs(text)
    for pair in pairs:
        parts = pair.split(",")
        if len(parts) != 2:
            return None
        try:
            numbers += [float(part) for part in parts]
        except ValueError:
            return None
    return ReadBox(Box(*numbers), "(x1,y1),(x2,y2)") if pairs and all(map(math.isfinite, numbers)) else None


def _published_pairs(text: str) -> tuple[str, ...]:
    r"""The groups of the script's pattern `\((.*?)\),\((.*?)\)`, or none, in linear time.

    The first line with "(", then "),(", then ")" holds the match; the pattern itself takes 18 s on 20,000
    brackets.
    """
    for line in text.split("\n"):
        _, _, inside = line.partition("(")
        first, _, rest = inside.partition("),(")
        second, closed, _ = rest.partition(")")
        if closed:
            return first, second
    return ()


def read_any(text: str) -> ReadBox | None:
    """The first box in the text in any of the usual forms, spaces allowed; None where there is none."""
    found = [(match.start(), form, match) for form, pattern in _ANY_FORM if (match := pattern.search(text))]
    if not found:
        return None
    _, form, match = min(found, key=lambda entry: entry[0])
    numbers = [float(group) for group in match.groups()]
    return ReadBox(Box(*numbers), form) if all(map(math.isfinite, numbers)) else None


def to_pixels(box: Box, scale: BoxScale, width: int, height: int, seen: tuple[int, int] | None = None) -> Box:
    """A box in the model's unit as pixels of a picture of the given size.

    `seen`, width and height as the model saw the picture, is needed where the unit is "resized".
    """
    if scale == "pixels":
        return box
    if scale == "resized":
        assert seen is not None, "pixels of a picture whose size is not known"
        across, down = float(seen[0]), float(seen[1])
    else:
        across = down = _SIDE[scale]
    return Box(
        box.x1 / across * width, box.y1 / down * height, box.x2 / across * width, box.y2 / down * height
    )


def iou(a: Box, b: Box, added: float = 0.0) -> float:
    """Intersection over union, 0 to 1; 0 for boxes that are empty or inside out.

    `added` is added to the union, as some scorers do to avoid a division by zero.
    """
    width = min(a.x2, b.x2) - max(a.x1, b.x1)
    height = min(a.y2, b.y2) - max(a.y1, b.y1)
    if width <= 0 or height <= 0:
        return 0.0
    intersection = width * height
    union = (a.x2 - a.x1) * (a.y2 - a.y1) + (b.x2 - b.x1) * (b.y2 - b.y1) - intersection
    return intersection / (union + added)


BoxReader = Callable[[str], ReadBox | None]

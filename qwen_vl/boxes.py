"""Boxes as the model writes them, in thousandths of the picture's sides, and drawn on the picture.

Follows the box reader and `draw_bbox_on_latest_picture` of the published tokenizer
(https://huggingface.co/Qwen/Qwen-VL-Chat): x / 1000 of the width, cut to whole pixels. Deviations: colours go
round a fixed list (published: drawn by lot); a box inside out is turned, one that leaves the picture ends at
its edge; labels are moved and shortened until they are inside the picture.
"""

from collections.abc import Iterable, Sequence
from functools import cache
from itertools import cycle
from pathlib import Path
from typing import NamedTuple

from PIL import Image, ImageDraw, ImageFont

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
BOX_ERRORS = (ValueError, TypeError, OverflowError)  # what four things that are no finite numbers raise
COLOURS = (
    (230, 25, 75),
    (0, 114, 178),
    (0, 158, 75),
    (245, 130, 48),
    (145, 30, 180),
    (0, 190, 200),
    (240, 50, 230),
    (255, 225, 25),
    (128, 80, 20),
    (20, 20, 20),
)
WIDE_FONTS = (
    "NotoSansCJK-Regular.ttc",
    "NotoSansCJKsc-Regular.otf",
    "NotoSansSC-Regular.otf",
    "wqy-microhei.ttc",
    "wqy-zenhei.ttc",
    "msyh.ttc",
    "simsun.ttc",
    "PingFang.ttc",
    "Arial Unicode.ttf",
    "DejaVuSans.ttf",
)
"""Tried for labels beyond Latin letters, which Pillow's own font cannot write."""


class RefBox(NamedTuple):
    """A box in thousandths and the text it was given for, if any."""

    box: tuple[int, int, int, int]
    ref: str | None


def box_text(box: Sequence[float]) -> str:
    """The published form of a box, fractions cut off; ValueError where it is not four finite numbers."""
    left, top, right, bottom = (int(edge) for edge in box)
    return f"<box>({left},{top}),({right},{bottom})</box>"


def parse_box(text: str) -> tuple[int, int, int, int]:
    """The four numbers within a <box>; ValueError shows a text that does not hold them."""
    numbers = [int(part) for part in text.replace("(", "").replace(")", "").split(",")]
    if len(numbers) != 4:
        raise ValueError(f"a <box> holds (x1,y1),(x2,y2), not {text!r:.60}")
    left, top, right, bottom = numbers
    return left, top, right, bottom


def pixels(box: Sequence[int], width: int, height: int) -> tuple[int, int, int, int]:
    """A box in thousandths as the first and last column and row of a picture that it covers."""

    def place(edge: int, side: int) -> int:
        return min(max(edge, 0) * side // 1000, side - 1)

    x1, x2 = sorted(place(edge, width) for edge in (box[0], box[2]))
    y1, y2 = sorted(place(edge, height) for edge in (box[1], box[3]))
    return x1, y1, x2, y2


def draw_boxes(picture: Image.Image, boxes: Iterable[RefBox], font: str | Path | None = None) -> Image.Image:
    """A copy of the picture with outlines and labels.

    Boxes of one ref have one colour; a box without a ref goes with the ref before it, as published, and
    before any ref has a colour of its own. font: a font file for the labels; OSError if it is none.
    """
    drawn = picture.convert("RGB")
    if drawn is picture:
        drawn = picture.copy()
    canvas = ImageDraw.Draw(drawn)
    shorter = min(drawn.size)
    line, size = max(2, round(shorter / 200)), max(10, round(shorter / 28))
    colours = cycle(COLOURS)
    known: dict[str, tuple[int, int, int]] = {}
    current: tuple[int, int, int] | None = None
    labels = []
    for box, ref in boxes:
        if ref is not None:
            if ref not in known:
                known[ref] = next(colours)
            current = known[ref]
        colour = next(colours) if current is None else current
        corners = left, top, right, bottom = pixels(box, *drawn.size)
        for inset in range(line):  # Pillow's rectangle leaves a box that is narrower than its line
            x1, y1, x2, y2 = left + inset, top + inset, right - inset, bottom - inset
            if x1 <= x2 and y1 <= y2:
                canvas.line([(x1, y1), (x2, y1), (x2, y2), (x1, y2), (x1, y1)], fill=colour)
        if ref:
            labels.append((ref, corners, colour))
    for ref, corners, colour in labels:  # last, so that no outline crosses a label
        _label(canvas, drawn.size, ref, corners, colour, _font(font, size, ref.isascii()))
    return drawn


def check_font(path: str | Path) -> bool:
    """Whether a file is a font."""
    try:
        _font(path, 10, True)
    except OSError:
        return False
    return True


def _label(
    canvas: ImageDraw.ImageDraw,
    size: tuple[int, int],
    text: str,
    corners: tuple[int, int, int, int],
    colour: tuple[int, int, int],
    font: Font,
) -> None:
    """Writes above the box where there is room, else within its upper edge; nothing where no letter fits."""
    text = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    pad = 2

    def extent(words: str) -> tuple[int, int]:
        left, top, right, bottom = canvas.textbbox((0, 0), words, font=font)
        return int(right - left) + 1 + 2 * pad, int(bottom - top) + 1 + 2 * pad

    shown = text = text[:200]
    while shown and extent(shown)[0] > size[0]:
        text = text[:-1]
        shown = text.rstrip() + "..." if text else ""
    width, height = extent(shown)
    if not shown or height > size[1]:
        return
    left = max(0, min(corners[0], size[0] - width))
    top = corners[1] - height if corners[1] >= height else min(corners[1], size[1] - height)
    canvas.rectangle((left, top, left + width - 1, top + height - 1), fill=colour)
    red, green, blue = colour
    dark = 299 * red + 587 * green + 114 * blue < 140_000
    offset = canvas.textbbox((0, 0), shown, font=font)
    place = (left + pad - offset[0], top + pad - offset[1])
    canvas.text(place, shown, font=font, fill=(255, 255, 255) if dark else (0, 0, 0))


@cache
def _font(path: str | Path | None, size: int, ascii_only: bool) -> Font:
    if path is not None:
        return ImageFont.truetype(str(path), size)
    for name in () if ascii_only else WIDE_FONTS:
        try:
            return ImageFont.truetype(name, size)
        except OSError:
            continue
    return ImageFont.load_default(size)

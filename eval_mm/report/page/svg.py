"""The charts of a page as inline SVG: pure functions from numbers to markup.

Colours come from the page's style, by the class `s0`, `s1`, ... of a series; shapes and dashes say the same
again for who sees no colours. Bars have no fixed width: they are drawn in percent, so that their text stays
legible on a phone.
"""

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from markupsafe import Markup, escape

NUM_LOOKS = 8
"""Colours; further series begin again."""

REFERENCE = -1
"""The place of the published model among the runs."""

DASHES = ("", "7 3", "2 3", "9 3 2 3")

SIZE, CENTRE_X, CENTRE_Y, RADIUS = (760, 580), 380, 290, 222
FEW = 2
"""So many polygons are filled without hiding one another."""

RINGS = (0.25, 0.5, 0.75, 1.0)
LABEL_GAP = 18
LINE_HEIGHT = 15

BAR_HEIGHT = 18
MIDDLE = BAR_HEIGHT / 2

REFERENCE_DASH = "1 4"

MARKERS = (
    "M-4.5 0a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0 -9 0Z",  # circle
    "M-4 -4H4V4H-4Z",  # square
    "M0 -5.2L5 3.8H-5Z",  # triangle
    "M0 -5.4L5.4 0L0 5.4L-5.4 0Z",  # diamond
    "M0 5.2L5 -3.8H-5Z",  # triangle that points down
    "M-1.8 -5H1.8V-1.8H5V1.8H1.8V5H-1.8V1.8H-5V-1.8H-1.8Z",  # plus
    "M-5 -2L-2 -5H2L5 -2V2L2 5H-2L-5 2Z",  # octagon
    "M0 -5.5L5.2 -1.7L3.2 4.5H-3.2L-5.2 -1.7Z",  # pentagon
)


class Axis(NamedTuple):
    """One spoke of a radar: a benchmark, its split, and where it ends."""

    label: str
    detail: str
    end: float


class Series(NamedTuple):
    """One polygon of a radar: its place among the runs, and a value for every spoke or None."""

    look: int
    name: str
    values: Sequence[float | None]


class Bar(NamedTuple):
    """One bar: its place among the runs, its value and 95 % interval, and what is said of it.

    `aside` is one that may not be compared, `reference` a published value to be marked on it.
    """

    look: int
    value: float
    interval: tuple[float, float] | None
    told: str
    aside: bool = False
    reference: float | None = None


class Part(NamedTuple):
    """One part of a whole: the class of its colour, how many, and their name."""

    kind: str
    size: int
    name: str


def look(place: int) -> str:
    """The class of a series."""
    return "reference" if place == REFERENCE else f"s{place % NUM_LOOKS}"


def _marker(place: int) -> str:
    """Another one where the colours begin again."""
    return MARKERS[3 if place == REFERENCE else (place + place // NUM_LOOKS) % len(MARKERS)]


def swatch(place: int) -> Markup:
    """The sign of a series in legends and tables: its colour and its marker."""
    return Markup(
        '<svg class="swatch {}" viewBox="-7 -7 14 14" width="14" height="14" aria-hidden="true">'
        '<path d="{}"/></svg>'
    ).format(look(place), Markup(_marker(place)))


def radar(axes: Sequence[Axis], series: Sequence[Series]) -> Markup:
    """Every series as a polygon over the benchmarks; a gap where it has no value."""
    angles = [2 * math.pi * place / len(axes) - math.pi / 2 for place in range(len(axes))]
    grid = [_ring(angles, RADIUS * part) for part in RINGS]
    grid += [f'<path class="spoke" d="M{CENTRE_X} {CENTRE_Y}L{_at(angle, RADIUS)}"/>' for angle in angles]
    ticks = [_tick(part, math.pi / len(axes) - math.pi / 2) for part in RINGS[:-1]]
    labels = [_label(axis, angle) for axis, angle in zip(axes, angles, strict=True)]
    drawn = [_polygon(one, axes, angles) for one in series]
    title = f"Radar of {len(axes)} benchmarks: {', '.join(one.name for one in series)}"
    kind = "radar many" if len(series) > FEW else "radar"
    return Markup('<svg class="{}" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>').format(
        kind, *SIZE, title, Markup("").join([*map(Markup, grid + ticks), *labels, *drawn])
    )


def _at(angle: float, distance: float) -> str:
    return f"{CENTRE_X + distance * math.cos(angle):.1f} {CENTRE_Y + distance * math.sin(angle):.1f}"


def _tick(part: float, angle: float) -> str:
    x, y = _at(angle, RADIUS * part).split()
    return f'<text class="tick" text-anchor="middle" x="{x}" y="{y}" dy="4">{part:.0%}</text>'


def _ring(angles: Sequence[float], distance: float) -> str:
    return f'<path class="ring" d="M{"L".join(_at(angle, distance) for angle in angles)}Z"/>'


def _label(axis: Axis, angle: float) -> Markup:
    """Two lines at the end of a spoke, on the side that it points to."""
    across, down = math.cos(angle), math.sin(angle)
    anchor = "middle" if abs(across) < 0.2 else "start" if across > 0 else "end"
    x = CENTRE_X + (RADIUS + LABEL_GAP) * across
    y = CENTRE_Y + (RADIUS + LABEL_GAP) * down + LINE_HEIGHT * (down - 1) / 2 + 4
    end = f", of {axis.end:,.0f}" if axis.end != 100 else ""
    return Markup(
        '<text class="spoke-label" text-anchor="{}" x="{}" y="{}">{}'
        '<tspan class="split" x="{}" dy="{}">{}{}</tspan></text>'
    ).format(anchor, f"{x:.1f}", f"{y:.1f}", axis.label, f"{x:.1f}", LINE_HEIGHT, axis.detail, end)


def _polygon(one: Series, axes: Sequence[Axis], angles: Sequence[float]) -> Markup:
    points = [
        None if value is None else _at(angle, RADIUS * min(1.0, max(0.0, value / axis.end)))
        for value, axis, angle in zip(one.values, axes, angles, strict=True)
    ]
    whole = None not in points
    strokes = "".join(
        f"M{here}L{there}"
        for here, there in zip(points, [*points[1:], points[0]], strict=True)
        if here is not None and there is not None
    )
    path = f"M{'L'.join(point for point in points if point)}Z" if whole else strokes
    marker = _marker(one.look)
    dots = "".join(
        f'<path class="dot" transform="translate({point})" d="{marker}"/>' for point in points if point
    )
    return Markup(
        '<g class="series {}" data-run="{}"><title>{}</title>'
        '<path class="{}" stroke-dasharray="{}" d="{}"/>{}</g>'
    ).format(
        look(one.look),
        one.look,
        one.name,
        "area" if whole else "edge",
        REFERENCE_DASH if one.look == REFERENCE else DASHES[one.look % len(DASHES)],
        path,
        Markup(dots),
    )


def bar(one: Bar, end: float) -> Markup:
    """A bar from 0 to its value with its 95 % interval, on an axis from 0 to `end`.

    An interval that goes on beyond the axis has an arrow there, since a cap would be its end.
    """
    parts = [
        f'<rect class="track" width="100%" height="{BAR_HEIGHT - 8}" y="4" rx="2"/>',
        f'<rect class="fill" width="{_percent(one.value, end)}" height="{BAR_HEIGHT - 8}" y="4" rx="2"/>',
    ]
    if one.interval is not None:
        low, high = (_percent(edge, end) for edge in one.interval)
        parts.append(f'<line class="whisker" x1="{low}" x2="{high}" y1="{MIDDLE}" y2="{MIDDLE}"/>')
        parts.append(_cap(low, -1 if one.interval[0] < 0 else 0))
        parts.append(_cap(high, 1 if one.interval[1] > end else 0))
    if one.reference is not None:
        diamond = f"M0 1L5 {MIDDLE}L0 {BAR_HEIGHT - 1}L-5 {MIDDLE}Z"
        x = _percent(one.reference, end)
        parts.append(f'<svg x="{x}" overflow="visible"><path class="published" d="{diamond}"/></svg>')
    return Markup(
        '<svg class="bar {}{}" width="100%" height="{}" role="img" aria-label="{}">{}</svg>'
    ).format(look(one.look), " aside" if one.aside else "", BAR_HEIGHT, one.told, Markup("".join(parts)))


def _cap(x: str, beyond: int) -> str:
    """The end of an interval; `beyond` is -1 or 1 where it is left or right of the axis."""
    if not beyond:
        return f'<line class="whisker" x1="{x}" x2="{x}" y1="5" y2="{BAR_HEIGHT - 5}"/>'
    arrow = f"M{-5 * beyond} {MIDDLE - 4.5}L0 {MIDDLE}L{-5 * beyond} {MIDDLE + 4.5}"
    return f'<svg x="{x}" overflow="visible"><path class="whisker beyond" d="{arrow}"/></svg>'


def scale(end: float) -> Markup:
    """The numbers below bars."""
    steps = 3 if end % 4 and end % 3 == 0 else 4
    anchors = ["start", *["middle"] * (steps - 1), "end"]
    ticks = [
        f'<text x="{100 * place / steps:g}%" y="11" text-anchor="{anchor}">{end * place / steps:,.0f}</text>'
        for place, anchor in enumerate(anchors)
    ]
    return Markup('<svg class="scale" width="100%" height="14" aria-hidden="true">{}</svg>').format(
        Markup("".join(ticks))
    )


def stack(parts: Iterable[Part]) -> Markup:
    """Parts of a whole side by side."""
    shown = [part for part in parts if part.size]
    total = sum(part.size for part in shown) or 1
    told = ", ".join(f"{part.size:,} {part.name}" for part in shown)
    start = 0.0
    pieces = []
    for part in shown:
        width = 100 * part.size / total
        pieces.append(
            f'<rect class="{escape(part.kind)}" x="{start:.3f}%" width="{width:.3f}%" height="12"/>'
        )
        start += width
    return Markup('<svg class="stack" width="100%" height="12" role="img" aria-label="{}">{}</svg>').format(
        told, Markup("".join(pieces))
    )


def _percent(value: float, end: float) -> str:
    return f"{100 * min(1.0, max(0.0, value / end)):.3f}%"

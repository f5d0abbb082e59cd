"""Expressions that refer to shapes of a scene, and what they refer to.

`find` reads an expression word by word, without knowing how it was made, and returns every shape it may mean;
`expressions` proposes texts that are true of a shape and keeps those that may mean no other. So no expression
is ambiguous even for a reader who takes "left" for "in the left half" where another takes it for "leftmost".
"""

import random
import re
from collections.abc import Iterator, Sequence

from data_scripts.drawn.scenes import COLOURS, KINDS, SIZES, Scene, Shape

STYLES = ("refcoco", "refcoco+", "refcocog")
"""refcoco: short, may use the place. refcoco+: appearance only. refcocog: a longer noun phrase."""

RELATIONS = ("to the left of", "to the right of", "above", "below")
PLACES = ("left", "right", "top", "bottom", "middle")

_RELATION = re.compile(rf"\b({'|'.join(RELATIONS)})\b")
_TIE = 20
"""Pixels by which the extreme shape must lead for a reader to see it as the extreme one."""


def find(scene: Scene, text: str) -> tuple[Shape, ...]:
    """The shapes that `text` may refer to, in the scene's order; several mean that it is ambiguous."""
    head, *rest = _RELATION.split(text, maxsplit=1)
    words = re.findall(r"[a-z]+", head)
    alike = _alike(scene.shapes, words)
    places = [word for word in words if word in PLACES]
    shapes = tuple(s for s in alike if all(_may_be_at(scene, s, place, alike) for place in places))
    if rest:
        relation, anchor_text = rest
        anchors = find(scene, anchor_text)
        shapes = tuple(s for s in shapes if any(_related(s, relation, a) for a in anchors if a is not s))
    return shapes


def expressions(scene: Scene, shape: Shape, style: str) -> tuple[str, ...]:
    """Every expression of that style that means this shape and no other; empty where there is none."""
    return tuple(text for text in _proposals(scene, shape, style) if find(scene, text) == (shape,))


def pick(scene: Scene, shape: Shape, style: str, rng: random.Random) -> str | None:
    """One of `expressions`, each as likely, without looking at all of them; None where there is none."""
    proposals = _proposals(scene, shape, style)
    rng.shuffle(proposals)
    return next((text for text in proposals if find(scene, text) == (shape,)), None)


def _proposals(scene: Scene, shape: Shape, style: str) -> list[str]:
    """Texts of that style that are true of the shape, ambiguous ones among them."""
    assert style in STYLES, f"style {style}, expected one of {STYLES}"
    propose = {"refcoco": _refcoco, "refcoco+": _refcoco_plus, "refcocog": _refcocog}[style]
    return list(dict.fromkeys(propose(scene, shape)))


def _alike(shapes: Sequence[Shape], words: Sequence[str]) -> tuple[Shape, ...]:
    """The shapes that have every size, colour and kind among the words."""
    wanted = [word for word in words if word in SIZES or word in COLOURS or word in KINDS]
    return tuple(s for s in shapes if all(word in (s.size, s.colour, s.kind) for word in wanted))


def _may_be_at(scene: Scene, shape: Shape, place: str, others: Sequence[Shape]) -> bool:
    """Whether a reader may take the shape to be at `place`: in that half, or the outermost of its like."""
    x, y = shape.centre
    if place == "middle":
        return _offset(scene, shape) < 0.3
    along, side = (x, scene.width) if place in ("left", "right") else (y, scene.height)
    values = [other.centre[0 if place in ("left", "right") else 1] for other in others]
    if place in ("left", "top"):
        return along < side / 2 or along < min(values) + _TIE
    return along > side / 2 or along > max(values) - _TIE


def _places(scene: Scene, shape: Shape) -> list[str]:
    """The places where the shape clearly is: well inside a half, or close to the middle."""
    x, y = shape.centre[0] / scene.width, shape.centre[1] / scene.height
    across = "left" if x < 0.35 else "right" if x > 0.65 else ""
    down = "top" if y < 0.35 else "bottom" if y > 0.65 else ""
    corner = [f"{down} {across}"] if across and down else []
    return corner + [place for place in (across, down) if place] + ["middle"] * (_offset(scene, shape) < 0.1)


def _offset(scene: Scene, shape: Shape) -> float:
    """How far the shape is from the middle of the picture, as the greater fraction of a side."""
    x, y = shape.centre
    return max(abs(x / scene.width - 0.5), abs(y / scene.height - 0.5))


def _related(shape: Shape, relation: str, anchor: Shape) -> bool:
    """Whether a reader may say that `shape` is so related to `anchor`: by centres, however slightly."""
    (x, y), (x0, y0) = shape.centre, anchor.centre
    return {"to the left of": x < x0, "to the right of": x > x0, "above": y < y0, "below": y > y0}[relation]


def _clear_relations(shape: Shape, anchor: Shape) -> Iterator[str]:
    """The relations that nobody would dispute: boxes apart in that direction, and mostly in that one."""
    (x, y), (x0, y0) = shape.centre, anchor.centre
    if abs(x - x0) > 1.5 * abs(y - y0):
        if shape.box[2] <= anchor.box[0]:
            yield "to the left of"
        if shape.box[0] >= anchor.box[2]:
            yield "to the right of"
    if abs(y - y0) > 1.5 * abs(x - x0):
        if shape.box[3] <= anchor.box[1]:
            yield "above"
        if shape.box[1] >= anchor.box[3]:
            yield "below"


def _names(shape: Shape) -> list[str]:
    """What one may call the shape: kind or "one", with colour, size, both or neither."""
    size, colour, kind = shape.size, shape.colour, shape.kind
    return [
        kind,
        f"{colour} {kind}",
        f"{size} {kind}",
        f"{size} {colour} {kind}",
        f"{colour} one",
        f"{size} one",
        f"{size} {colour} one",
    ]


def _refcoco_plus(scene: Scene, shape: Shape) -> Iterator[str]:
    for name in _names(shape):
        yield name if not name.endswith("one") else f"the {name}"
    yield f"{shape.colour} shape"
    yield f"the {shape.size} {shape.colour} thing"


def _refcoco(scene: Scene, shape: Shape) -> Iterator[str]:
    yield from (name for name in _names(shape) if not name.endswith("one"))
    for place in _places(scene, shape):
        for name in _names(shape):
            yield f"{place} {name}" if not name.endswith("one") else f"the {name} {place}"
        yield f"{shape.colour} {shape.kind} {'in the' if place == 'middle' else 'on the'} {place}"
        yield f"{shape.kind} {place}"


def _refcocog(scene: Scene, shape: Shape) -> Iterator[str]:
    full = f"{shape.size} {shape.colour} {shape.kind}"
    for anchor in scene.shapes:
        for relation in _clear_relations(shape, anchor):
            for anchor_name in (
                f"{anchor.colour} {anchor.kind}",
                f"{anchor.size} {anchor.colour} {anchor.kind}",
            ):
                if find(scene, anchor_name) == (anchor,):
                    yield f"the {full} {relation} the {anchor_name}"
                    yield f"the {shape.colour} {shape.kind} {relation} the {anchor_name}"
                    yield f"a {shape.kind} that is {relation} the {anchor_name}"
    for place in _places(scene, shape):
        where = "in the middle" if place == "middle" else f"near the {place}"
        yield f"the {full} {where} of the picture"
        yield f"a {shape.kind} {where} of the picture, {shape.colour} and {shape.size}"
    yield f"the {shape.kind} that is {shape.size} and {shape.colour}"
    yield f"a {full} on a pale ground"

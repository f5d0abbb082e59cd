"""Scenes of coloured shapes: unlimited pictures whose boxes are known exactly.

A `Scene` is a value that its seed alone decides, and cheap to make; `draw` turns it into a picture. Seeds
below `FIRST_TRAINING_SEED` are for evaluation, all others for training, so that a model trained on scenes is
never asked about one it has seen.

They are as simple as they can be while words like "small", "left" or "the other circle" still mean something:
even a small shape is 13 pixels wide when a picture is shrunk to 96, the ground is plain, and no two shapes of
a scene have both kind and colour in common.

Pixels come from outlines sampled here, not from a drawing library's idea of a circle: the same seed gives the
same picture with every version of numpy and Pillow.
"""

import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
from PIL import Image

FIRST_TRAINING_SEED = 1_000_000

COLOURS = {
    "red": (214, 39, 40),
    "green": (38, 152, 66),
    "blue": (38, 92, 214),
    "yellow": (244, 208, 0),
    "purple": (150, 60, 190),
    "black": (30, 30, 34),
}
GROUNDS = ((250, 250, 248), (232, 234, 238), (225, 236, 246), (228, 240, 226), (245, 236, 224))
"""Pale enough that every colour stands out."""

SIZES = {"small": (18, 22), "medium": (30, 36), "large": (48, 56)}
"""Side of a shape's box in percent of the root of the picture's area, so that a model that sees all pictures
shrunk to one size can still tell; the gaps make the words clear."""

SIDES = (160, 256)
"""Least and greatest width and height of a picture in pixels."""

WEIGHTS = (1, 3, 3)
"""How often a scene has one, two and three shapes."""

GAP = 6
"""Least distance of two boxes, and of a box from the border, in pixels."""

Box = tuple[int, int, int, int]
Colour = tuple[int, int, int]
Coverage = npt.NDArray[np.uint8]
Grid = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Shape:
    """One thing in a scene. `box` is x1, y1, x2, y2: pixel columns x1 to x2 - 1, rows y1 to y2 - 1, tight."""

    kind: str
    colour: str
    size: str
    box: Box

    @property
    def centre(self) -> tuple[float, float]:
        """The middle of the box in pixels."""
        x1, y1, x2, y2 = self.box
        return (x1 + x2) / 2, (y1 + y2) / 2


@dataclass(frozen=True, slots=True)
class Scene:
    """All that a picture shows. No two shapes agree in both kind and colour."""

    seed: int
    width: int
    height: int
    ground: Colour
    shapes: tuple[Shape, ...]


def scene(seed: int, max_shapes: int = len(WEIGHTS), min_shapes: int = 1) -> Scene:
    """The scene of that seed: `min_shapes` to `max_shapes` shapes that do not overlap.

    Evaluation keeps to the defaults; a training that begins with easy pictures asks for fewer shapes.
    """
    assert 1 <= min_shapes <= max_shapes <= len(WEIGHTS), f"{min_shapes} to {max_shapes} shapes"
    rng = random.Random(seed)
    width, height = rng.randint(*SIDES), rng.randint(*SIDES)
    ground = rng.choice(GROUNDS)
    numbers = range(min_shapes, max_shapes + 1)
    number = rng.choices(numbers, weights=WEIGHTS[min_shapes - 1 : max_shapes])[0]
    shapes: list[Shape] = []
    while len(shapes) < number:
        shape = _place(rng, width, height, shapes)
        shapes = [*shapes, shape] if shape else []  # a large one in the middle may leave no room: begin anew
    return Scene(seed, width, height, ground, tuple(shapes))


def draw(scene: Scene) -> Image.Image:
    """The picture of a scene, RGB."""
    pixels = np.empty((scene.height, scene.width, 3), np.uint8)
    pixels[:] = scene.ground
    for shape in scene.shapes:
        x1, y1, x2, y2 = shape.box
        cover = coverage(shape.kind, x2 - x1).astype(np.int32)[:, :, None]
        under = pixels[y1:y2, x1:x2]
        under[:] = under + (cover * (np.array(COLOURS[shape.colour], np.int32) - under)) // 255
    return Image.fromarray(pixels, "RGB")


@cache
def coverage(kind: str, side: int) -> Coverage:
    """How much of each pixel of a `side` x `side` box the shape covers, 0 to 255 (4 x 4 samples a pixel)."""
    fine = 4
    middles = (np.arange(side * fine) + 0.5) / (side * fine)
    inside = KINDS[kind](*np.meshgrid(middles, middles))
    hits: npt.NDArray[np.int64] = inside.reshape(side, fine, side, fine).sum(axis=(1, 3))
    return (hits * 255 // fine**2).astype(np.uint8)


def _place(rng: random.Random, width: int, height: int, others: list[Shape]) -> Shape | None:
    """A shape in a free place, often like an earlier one in kind or colour: one word must not always do."""
    taken = {(other.kind, other.colour) for other in others}
    kind, colour = rng.choice(list(KINDS)), rng.choice(list(COLOURS))
    if others and rng.random() < 0.5:
        model = rng.choice(others)
        kind, colour = rng.choice([(model.kind, colour), (kind, model.colour)])
    if (kind, colour) in taken:
        return None
    mean = math.isqrt(width * height)
    for _ in range(30):
        size = rng.choice(list(SIZES))
        side = rng.randint(*(percent * mean // 100 for percent in SIZES[size]))
        x, y = rng.randint(GAP, width - GAP - side), rng.randint(GAP, height - GAP - side)
        box = (x, y, x + side, y + side)
        if not any(_near(box, other.box) for other in others):
            return Shape(kind, colour, size, box)
    return None


def _near(a: Box, b: Box) -> bool:
    return a[0] < b[2] + GAP and b[0] < a[2] + GAP and a[1] < b[3] + GAP and b[1] < a[3] + GAP


# Outlines in the unit square, x to the right and y down; each touches all four sides, so boxes are tight.
def _polygon(corners: list[tuple[float, float]]) -> Callable[[Grid, Grid], npt.NDArray[np.bool_]]:
    """Inside a polygon by the even-odd rule, its corners stretched to fill the unit square."""
    xs, ys = zip(*corners, strict=True)
    points = [((x - min(xs)) / (max(xs) - min(xs)), (y - min(ys)) / (max(ys) - min(ys))) for x, y in corners]

    def inside(x: Grid, y: Grid) -> npt.NDArray[np.bool_]:
        odd = np.zeros(x.shape, bool)
        for (xa, ya), (xb, yb) in zip(points, points[1:] + points[:1], strict=True):
            if ya != yb:
                odd ^= ((ya > y) != (yb > y)) & (x < xa + (y - ya) * (xb - xa) / (yb - ya))
        return odd

    return inside


def _star_corners() -> list[tuple[float, float]]:
    turns = [(i * math.pi / 5, 1.0 if i % 2 == 0 else 0.42) for i in range(10)]
    return [(radius * math.sin(angle), -radius * math.cos(angle)) for angle, radius in turns]


KINDS: dict[str, Callable[[Grid, Grid], npt.NDArray[np.bool_]]] = {
    "circle": lambda x, y: (x - 0.5) ** 2 + (y - 0.5) ** 2 <= 0.25,
    "square": lambda x, y: (x >= 0) & (y >= 0),
    "triangle": _polygon([(0.5, 0), (1, 1), (0, 1)]),
    "star": _polygon(_star_corners()),
    "cross": lambda x, y: (abs(x - 0.5) <= 0.17) | (abs(y - 0.5) <= 0.17),
}

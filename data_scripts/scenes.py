"""Scenes of coloured shapes: unlimited pictures whose boxes are known exactly.

A `Scene` is a value that its seed alone decides, and cheap to make; `draw` turns it into a picture. Seeds
below `FIRST_TRAINING_SEED` are for evaluation, all others for training, so that a model trained on scenes is
never asked about one it has seen.

Pixels come from numpy's raw PCG64 stream and from outlines sampled here, not from a drawing library's idea of
a circle: the same seed gives the same picture with every version of numpy and Pillow.
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
    "orange": (250, 140, 20),
    "yellow": (244, 208, 0),
    "green": (38, 152, 66),
    "blue": (38, 92, 214),
    "purple": (128, 52, 168),
    "pink": (246, 134, 190),
    "black": (30, 30, 34),
}
GROUNDS = ((250, 250, 248), (232, 234, 238), (225, 236, 246), (228, 240, 226), (245, 236, 224))
"""Pale enough that every colour stands out."""

SIZES = {"small": (24, 32), "medium": (46, 58), "large": (80, 100)}
"""Side of a shape's box in pixels, both ends included; the gaps make the words clear."""

SIDES = (160, 320)
"""Least and greatest width and height of a picture in pixels."""

GAP = 6
"""Least distance of two boxes, and of a box from the border, in pixels."""

Box = tuple[int, int, int, int]
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
    """All that a picture shows. `noise` is the seed of the ground's soft clouds, None for a plain ground."""

    seed: int
    width: int
    height: int
    ground: tuple[int, int, int]
    noise: int | None
    shapes: tuple[Shape, ...]


def scene(seed: int) -> Scene:
    """The scene of that seed: one to four shapes that do not overlap."""
    rng = random.Random(seed)
    width, height = rng.randint(*SIDES), rng.randint(*SIDES)
    ground = rng.choice(GROUNDS)
    noise = rng.getrandbits(32) if rng.random() < 0.5 else None
    shapes: list[Shape] = []
    for _ in range(rng.choices((1, 2, 3, 4), weights=(1, 3, 4, 4))[0]):
        shape = _place(rng, width, height, shapes)
        if shape is not None:
            shapes.append(shape)
    return Scene(seed, width, height, ground, noise, tuple(shapes))


def draw(scene: Scene) -> Image.Image:
    """The picture of a scene, RGB."""
    pixels = _ground(scene)
    for shape in scene.shapes:
        x1, y1, x2, y2 = shape.box
        cover = coverage(shape.kind, x2 - x1).astype(np.int32)[:, :, None]
        under = pixels[y1:y2, x1:x2]
        under += (cover * (np.array(COLOURS[shape.colour], np.int32) - under)) // 255
    return Image.fromarray(pixels.astype(np.uint8), "RGB")


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
    kind, colour = rng.choice(list(KINDS)), rng.choice(list(COLOURS))
    if others and rng.random() < 0.5:
        model = rng.choice(others)
        kind, colour = rng.choice([(model.kind, colour), (kind, model.colour), (model.kind, model.colour)])
    for _ in range(30):
        size = rng.choice(list(SIZES))
        side = rng.randint(*SIZES[size])
        x, y = rng.randint(GAP, width - GAP - side), rng.randint(GAP, height - GAP - side)
        box = (x, y, x + side, y + side)
        if not any(_near(box, other.box) for other in others):
            return Shape(kind, colour, size, box)
    return None


def _near(a: Box, b: Box) -> bool:
    return a[0] < b[2] + GAP and b[0] < a[2] + GAP and a[1] < b[3] + GAP and b[1] < a[3] + GAP


def _ground(scene: Scene) -> npt.NDArray[np.int32]:
    """The ground, H x W x 3: one colour, or four shades of it in soft clouds (few shades compress well)."""
    pixels = np.empty((scene.height, scene.width, 3), np.int32)
    pixels[:] = scene.ground
    if scene.noise is not None:
        cell = 32
        rows, columns = scene.height // cell + 2, scene.width // cell + 2
        raw = np.random.PCG64(scene.noise).random_raw(rows * columns)
        heights = (raw >> np.uint64(56)).astype(np.int32).reshape(rows, columns)
        y, x = np.arange(scene.height)[:, None], np.arange(scene.width)[None, :]
        i, j, v, u = y // cell, x // cell, y % cell, x % cell
        smooth = (heights[i, j] * (cell - u) + heights[i, j + 1] * u) * (cell - v)
        smooth += (heights[i + 1, j] * (cell - u) + heights[i + 1, j + 1] * u) * v
        pixels -= (4 * (smooth // (64 * cell * cell)))[:, :, None]
    return pixels


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
    "diamond": _polygon([(0.5, 0), (1, 0.5), (0.5, 1), (0, 0.5)]),
    "star": _polygon(_star_corners()),
    "cross": lambda x, y: (abs(x - 0.5) <= 0.17) | (abs(y - 0.5) <= 0.17),
    "ring": lambda x, y: abs((x - 0.5) ** 2 + (y - 0.5) ** 2 - 0.165) <= 0.085,
}

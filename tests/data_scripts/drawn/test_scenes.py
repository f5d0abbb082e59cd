"""Scenes: values that their seed decides, drawn exactly."""

import itertools
import math

import numpy as np
import pytest

from data_scripts.drawn.scenes import COLOURS, GAP, KINDS, SIDES, SIZES, Scene, Shape, draw, scene

SEEDS = range(200)


def test_a_seed_decides_the_scene_and_its_pixels() -> None:
    """Guards reproducibility: no state may leak from one scene into the next."""
    first = [(scene(seed), draw(scene(seed)).tobytes()) for seed in range(5)]
    again = [(scene(seed), draw(scene(seed)).tobytes()) for seed in reversed(range(5))]
    assert first == again[::-1]


@pytest.mark.parametrize("seed", [0, 1_000_000, 2**40])
def test_scenes_of_one_to_three_shapes(seed: int) -> None:
    """Guards the promised bounds, for evaluation and training seeds alike."""
    for number in range(seed, seed + 100):
        drawn = scene(number)
        assert 1 <= len(drawn.shapes) <= 3
        assert all(SIDES[0] <= side <= SIDES[1] for side in (drawn.width, drawn.height))
        for shape in drawn.shapes:
            x1, y1, x2, y2 = shape.box
            percent = 100 * (x2 - x1) / math.sqrt(drawn.width * drawn.height)
            assert SIZES[shape.size][0] - 1 <= percent <= SIZES[shape.size][1]
            assert x2 - x1 == y2 - y1
            assert min(x1, y1) >= GAP
            assert x2 <= drawn.width - GAP
            assert y2 <= drawn.height - GAP


@pytest.mark.parametrize(("least", "most"), [(1, 1), (2, 2), (3, 3), (1, 2)])
def test_the_number_of_shapes_can_be_asked_for(least: int, most: int) -> None:
    """Guards a training that begins with one shape: a scene without room must not come with fewer."""
    numbers = {len(scene(seed, most, least).shapes) for seed in SEEDS}
    assert numbers == set(range(least, most + 1))


def test_no_two_shapes_share_kind_and_colour() -> None:
    """Guards questions like "Where is the red circle?", which have one answer only then."""
    for seed in SEEDS:
        named = [(shape.kind, shape.colour) for shape in scene(seed).shapes]
        assert len(set(named)) == len(named)


def test_shapes_do_not_touch() -> None:
    """Guards boxes: a covered shape would have a smaller visible box than its row says."""
    for seed in SEEDS:
        shapes = scene(seed).shapes
        for i, a in enumerate(shapes):
            for b in shapes[:i]:
                apart = (a.box[0] - b.box[2], b.box[0] - a.box[2], a.box[1] - b.box[3], b.box[1] - a.box[3])
                assert max(apart) >= GAP, f"seed {seed}: {a} and {b}"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("side", [36, 43, 67, 112])
def test_boxes_are_tight_in_pixels(kind: str, side: int) -> None:
    """Guards the targets: the pixels that differ from the ground fill the box, to within one pixel."""
    box = (11, 17, 11 + side, 17 + side)
    picture = draw(Scene(0, 160, 170, (250, 250, 248), (Shape(kind, "black", "small", box),)))
    changed = (np.asarray(picture) != (250, 250, 248)).any(axis=2)
    rows, columns = np.flatnonzero(changed.any(axis=1)), np.flatnonzero(changed.any(axis=0))
    seen = (int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)
    assert all(abs(a - b) <= 1 for a, b in zip(seen, box, strict=True)), f"{seen} for {box}"
    assert box[0] <= seen[0]
    assert seen[2] <= box[2]
    assert box[1] <= seen[1]
    assert seen[3] <= box[3]


def test_colours_and_sizes_are_told_apart() -> None:
    """Guards expressions that rest on a colour or size alone: no two may look alike."""
    values = [np.array(value) for value in COLOURS.values()]
    distances = [np.abs(a - b).sum() for i, a in enumerate(values) for b in values[:i]]
    assert min(distances) >= 80
    ranges = sorted(SIZES.values())
    assert all(low[1] * 1.3 < high[0] for low, high in itertools.pairwise(ranges))


def test_every_kind_colour_and_size_occurs() -> None:
    """Guards a training stream that would never show some word."""
    shapes = [shape for seed in SEEDS for shape in scene(seed).shapes]
    assert {shape.kind for shape in shapes} == set(KINDS)
    assert {shape.colour for shape in shapes} == set(COLOURS)
    assert {shape.size for shape in shapes} == set(SIZES)

"""The bundled demo data: a RefCOCO-like benchmark of drawn scenes, small enough to ship.

Eight splits in the canonical layout, ten pictures each and no picture in two. It shows that everything works
and what a result looks like; a number on it says nothing about natural pictures.
"""

import io
import random
from pathlib import Path
from typing import Any

from data_scripts.drawn.phrases import expressions
from data_scripts.drawn.scenes import Scene, draw, scene
from eval_mm import files
from eval_mm.console import align, count
from eval_mm.data import DEMO_MARK, DEMO_ROOT
from eval_mm.errors import UserError
from eval_mm.tasks.refcoco import TASKS

PICTURES = 10
"""Distinct pictures in each split."""

LEAST, MOST = 3, 4
"""Expressions for each picture."""

SEEDS = 1000
"""Scenes of one demo seed: --seed S draws from S * 1000 to S * 1000 + 999, all below the training seeds."""


def write(out: Path, seed: int) -> None:
    """Draws everything and writes it under `out`; the same seed gives the same rows and pixels."""
    if not 0 <= seed < SEEDS:
        raise UserError(
            f"--seed {seed}: expected 0 to {SEEDS - 1}; higher seeds draw scenes kept for training"
        )
    splits = rows(seed)
    contents = {out / name: _png(picture) for name, picture in scenes(seed).items()}
    contents[out / DEMO_MARK] = (DEMO_ROOT / DEMO_MARK).read_bytes()
    files.write_all(contents | {out / path: files.jsonl(split) for path, split in splits.items()})
    print(
        align(
            [
                ("split", "rows", "pictures"),
                *((path, count(len(split)), count(PICTURES)) for path, split in splits.items()),
            ]
        )
    )
    print(f"{len(contents) - 1} pictures, {sum(map(len, contents.values())) / 1000:.0f} kB, under {out}")


def rows(seed: int) -> dict[str, list[dict[str, Any]]]:
    """The canonical rows of every split by the path of its file."""
    table: dict[str, list[dict[str, Any]]] = {path: [] for path in (task.path for task in TASKS)}
    for path, picture, asked in _asked(seed):
        for shape_box, expression in asked:
            table[path].append(
                {
                    "id": str(len(table[path])),
                    "image": _name(picture),
                    "expression": expression,
                    "box": list(shape_box),
                    "width": picture.width,
                    "height": picture.height,
                }
            )
    return table


def scenes(seed: int) -> dict[str, Scene]:
    """Every scene by the path of its picture, relative to the data root."""
    return {_name(picture): picture for _, picture, _ in _asked(seed)}


def _asked(seed: int) -> list[tuple[str, Scene, list[tuple[tuple[int, int, int, int], str]]]]:
    """For every picture: the split's file, the scene, and boxes with their expressions."""
    numbers = iter(range(seed * SEEDS, (seed + 1) * SEEDS))
    chosen = []
    for task in TASKS:
        style = task.name.rsplit("_", 1)[0]
        for _ in range(PICTURES):
            asked: list[tuple[tuple[int, int, int, int], str]] = []
            while len(asked) < LEAST:  # a lone shape may have little to say about it
                picture = scene(next(numbers))
                asked = _choose(picture, style)
            chosen.append((task.path, picture, asked))
    return chosen


def _choose(picture: Scene, style: str) -> list[tuple[tuple[int, int, int, int], str]]:
    """Three or four expressions, as evenly over the shapes as they allow."""
    rng = random.Random(picture.seed)
    texts = [(shape.box, list(expressions(picture, shape, style))) for shape in picture.shapes]
    rng.shuffle(texts)
    for _, proposals in texts:
        rng.shuffle(proposals)
    rounds = [(box, proposals[i]) for i in range(MOST) for box, proposals in texts if i < len(proposals)]
    return rounds[: rng.randint(LEAST, MOST)]


def _name(picture: Scene) -> str:
    return f"scenes/{picture.seed:06d}.png"


def _png(picture: Scene) -> bytes:
    buffer = io.BytesIO()
    draw(picture).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()

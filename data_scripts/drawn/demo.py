"""The bundled demo data: every benchmark in miniature, on drawn pictures, small enough to ship.

The eight splits of RefCOCO, RefCOCO+ and RefCOCOg are made here, the benchmarks with options, clips or pairs
of questions in demo_choices.py, TouchStone in demo_dialogue.py, the others in demo_rows.py; no picture stands
in two splits. It shows that
everything works and what a result looks like; a number on it says nothing about natural pictures.
"""

import io
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from data_scripts.drawn import demo_choices, demo_dialogue, demo_rows
from data_scripts.drawn.conversations import Picture, draw
from data_scripts.drawn.phrases import expressions
from data_scripts.drawn.scenes import Scene, scene
from eval_mm import files
from eval_mm.console import align, count
from eval_mm.data import DEMO_MARK, DEMO_ROOT
from eval_mm.errors import UserError
from eval_mm.tasks.refcoco import TASKS

PICTURES = 10
"""Distinct pictures in each split of RefCOCO, RefCOCO+ and RefCOCOg."""

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
    shown = pictures(seed)
    contents = {out / name: _png(picture) for name, picture in shown.items()}
    contents[out / DEMO_MARK] = (DEMO_ROOT / DEMO_MARK).read_bytes()
    files.write_all(contents | {out / path: files.jsonl(split) for path, split in splits.items()})
    print(
        align(
            [
                ("split", "rows", "pictures"),
                *(
                    (
                        path,
                        count(len(split)),
                        count(len({image for row in split for image in images_of(row)})),
                    )
                    for path, split in splits.items()
                ),
            ]
        )
    )
    print(f"{len(contents) - 1} pictures, {sum(map(len, contents.values())) / 1000:.0f} kB, under {out}")


def rows(seed: int) -> dict[str, list[dict[str, Any]]]:
    """The canonical rows of every split by the path of its file."""
    table: dict[str, list[dict[str, Any]]] = {}
    for path, image, _, found in _drawn(seed):
        split = table.setdefault(path, [])
        split += [{"id": str(len(split) + number), "image": image, **row} for number, row in enumerate(found)]
    return table | demo_choices.drawn(seed * SEEDS).rows | demo_dialogue.drawn(seed * SEEDS).rows


def pictures(seed: int) -> dict[str, Picture]:
    """Every picture by its path, relative to the data root."""
    shown = {image: picture for _, image, picture, _ in _drawn(seed)}
    shown |= demo_choices.drawn(seed * SEEDS).pictures
    return shown | demo_dialogue.drawn(seed * SEEDS).pictures


def images_of(row: dict[str, Any]) -> list[str]:
    """The pictures of a row, which may have one, several or none."""
    return row.get("images") or ([row["image"]] if "image" in row else [])


def _drawn(seed: int) -> Iterator[tuple[str, str, Picture, list[dict[str, Any]]]]:
    """For every picture: the split's file, its own file, itself, and its rows without id and image."""
    for path, shown, asked in _asked(seed):
        sides = {"width": shown.width, "height": shown.height}
        found = [{"expression": text, "box": list(box), **sides} for box, text in asked]
        yield path, _name("scene", shown), shown, found
    for one in demo_rows.drawn(seed * SEEDS):
        yield one.path, _name(one.show, one.picture), one.picture, one.rows


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


def _name(show: str, picture: Picture) -> str:
    return f"{show}s/{picture.seed:06d}.png"


def _png(picture: Picture) -> bytes:
    buffer = io.BytesIO()
    draw(picture).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()

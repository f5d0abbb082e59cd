"""The bundled demo data is what its generator makes."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data_scripts.drawn import demo
from data_scripts.drawn.phrases import find
from data_scripts.drawn.scenes import FIRST_TRAINING_SEED, draw
from eval_mm.data import DEMO_ROOT, DataRoot, load
from eval_mm.tasks.refcoco import TASKS
from tests.data_scripts.support import read_jsonl, run, tree

SEED = 0
"""The seed that eval_mm/demo/README.md names."""


def test_the_bundled_rows_are_regenerated_exactly() -> None:
    """Guards against a generator that has moved on while the bundled rows stayed."""
    for path, expected in demo.rows(SEED).items():
        assert read_jsonl(DEMO_ROOT / path) == json.loads(json.dumps(expected)), path


def test_the_bundled_pictures_are_regenerated_pixel_by_pixel() -> None:
    """Guards the pictures likewise; bytes may differ with the PNG encoder, pixels may not."""
    scenes = demo.scenes(SEED)
    assert {f"scenes/{path.name}" for path in (DEMO_ROOT / "scenes").iterdir()} == set(scenes)
    for path, scene in scenes.items():
        with Image.open(DEMO_ROOT / path) as picture:
            assert np.array_equal(np.asarray(picture), np.asarray(draw(scene))), path


def test_the_bundled_data_is_small_and_evaluation_only() -> None:
    """Guards the size of the package, and a model trained on scenes against being asked what it has seen."""
    sizes = {path: len(content) for path, content in tree(DEMO_ROOT).items()}
    assert sum(sizes.values()) < 700_000
    assert all(size <= 8_192 for path, size in sizes.items() if path.startswith("scenes/"))
    assert all(scene.seed < FIRST_TRAINING_SEED for scene in demo.scenes(SEED).values())
    assert max(scene.seed for scene in demo.scenes(demo.SEEDS - 1).values()) < FIRST_TRAINING_SEED


def test_every_split_asks_enough_and_unambiguously() -> None:
    """Guards the demo's use: error bars need several questions on several pictures, each with one answer."""
    scenes = demo.scenes(SEED)
    pictures: dict[str, set[str]] = {}
    rows: dict[str, int] = {}
    for task in TASKS:
        benchmark = task.name.split("_")[0]
        for sample in load(task, DataRoot(DEMO_ROOT, demo=True)).samples:
            (shape,) = find(scenes[sample.images[0].path], sample.question)
            assert shape.box == tuple(sample.target)
            pictures.setdefault(task.name, set()).add(sample.images[0].path)
            rows[benchmark] = rows.get(benchmark, 0) + 1
    assert all(len(seen) == demo.PICTURES for seen in pictures.values())
    assert sum(rows.values()) >= 240
    assert len(set().union(*pictures.values())) == demo.PICTURES * len(TASKS), "a picture in two splits"


def test_the_command_writes_the_layout(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Guards the command of the README: canonical paths, pictures beside them, the same for a seed."""
    assert run(capsys, "demo", "--out", tmp_path / "a", "--seed", 7).code == 0
    assert run(capsys, "demo", "--out", tmp_path / "b", "--seed", 7).code == 0
    written = tree(tmp_path / "a")
    assert written == tree(tmp_path / "b")
    assert {task.path for task in TASKS} == {path for path in written if path.endswith(".jsonl")}
    assert len(written) == len(TASKS) * (1 + demo.PICTURES) + 1
    assert "DEMO" in written, "data that is not marked as drawn"
    assert run(capsys, "check", "refcoco", "--data", tmp_path / "a", "--allow-partial").code == 0


def test_seeds_of_the_training_range_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Guards the separation of evaluation and training at the command line."""
    ran = run(capsys, "demo", "--out", tmp_path / "x", "--seed", 1000)
    assert (ran.code, ran.err.startswith("error: --seed 1000: expected 0 to 999")) == (2, True)
    assert not (tmp_path / "x").exists()

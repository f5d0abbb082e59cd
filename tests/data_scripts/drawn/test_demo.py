"""The bundled demo data is what its generator makes."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data_scripts.drawn import demo, demo_choices, demo_dialogue
from data_scripts.drawn.conversations import draw
from data_scripts.drawn.demo_rows import EACH, FIRST, SPLITS
from data_scripts.drawn.phrases import find
from data_scripts.drawn.scenes import FIRST_TRAINING_SEED, Scene
from data_scripts.drawn.turns import Turn
from eval_mm.data import DEMO_ROOT, DataRoot, load
from eval_mm.kinds import choice, short_answer
from eval_mm.schema import Task
from eval_mm.tasks import all_tasks
from eval_mm.tasks.refcoco import TASKS
from tests.data_scripts.drawn.test_conversations import check as check_scene
from tests.data_scripts.drawn.test_print_families import TRUTHS, check
from tests.data_scripts.support import read_jsonl, run, tree

SEED = 0
"""The seed that eval_mm/demo/README.md names."""


def test_the_bundled_rows_are_regenerated_exactly() -> None:
    """Guards against a generator that has moved on while the bundled rows stayed."""
    for path, expected in demo.rows(SEED).items():
        assert read_jsonl(DEMO_ROOT / path) == json.loads(json.dumps(expected)), path


def test_the_bundled_pictures_are_regenerated_pixel_by_pixel() -> None:
    """Guards the pictures likewise; bytes may differ with the PNG encoder, pixels may not."""
    pictures = demo.pictures(SEED)
    assert {path.relative_to(DEMO_ROOT).as_posix() for path in DEMO_ROOT.rglob("*.png")} == set(pictures)
    for path, shown in pictures.items():
        with Image.open(DEMO_ROOT / path) as picture:
            assert np.array_equal(np.asarray(picture), np.asarray(draw(shown))), path


def test_the_bundled_data_is_small_and_evaluation_only() -> None:
    """Guards the size of the package, and a trained model against being asked what it has seen."""
    sizes = {path: len(content) for path, content in tree(DEMO_ROOT).items()}
    assert sum(sizes.values()) < 1_000_000
    assert all(size <= 8_192 for path, size in sizes.items() if path.endswith(".png"))
    for seed in (SEED, demo.SEEDS - 1):
        seeds = [shown.seed for shown in demo.pictures(seed).values()]
        assert seed * demo.SEEDS <= min(seeds) <= max(seeds) < (seed + 1) * demo.SEEDS <= FIRST_TRAINING_SEED


SCIENCEQA = {"scienceqa/scienceqa_test.jsonl", "scienceqa/scienceqa_test_img.jsonl"}
"""One is a part of the other."""


@pytest.mark.parametrize("seed", [SEED, 1, 37, demo.SEEDS - 1])
def test_no_picture_stands_in_two_splits(seed: int) -> None:
    """Guards few-shot examples against showing what is asked, and error bars against shared pictures."""
    seen: dict[str, str] = {}
    for path, split in demo.rows(seed).items():
        assert len({row["id"] for row in split}) == len(split) > 0
        for image in {image for row in split for image in demo.images_of(row)}:
            pair = {path, seen.get(image, path)}
            assert len(pair) == 1 or pair == SCIENCEQA, f"{path} and {seen[image]}"
            seen[image] = path
    assert FIRST + EACH * len(SPLITS) <= demo.SEEDS
    assert all(split.pictures <= EACH for split in SPLITS)


def test_every_split_asks_enough_and_unambiguously() -> None:
    """Guards the demo's use: error bars need several questions on several pictures, each with one answer."""
    scenes = demo.pictures(SEED)
    pictures: dict[str, set[str]] = {}
    rows: dict[str, int] = {}
    for task in TASKS:
        benchmark = task.name.split("_")[0]
        for sample in load(task, DataRoot(DEMO_ROOT, demo=True)).samples:
            shown = scenes[sample.images[0].path]
            assert isinstance(shown, Scene)
            (shape,) = find(shown, sample.question)
            assert shape.box == tuple(sample.target)
            pictures.setdefault(task.name, set()).add(sample.images[0].path)
            rows[benchmark] = rows.get(benchmark, 0) + 1
    assert all(len(seen) == demo.PICTURES for seen in pictures.values())
    assert sum(rows.values()) >= 240


PATHS = {split.path for split in SPLITS}
ANSWERABLE = [task for task in all_tasks().values() if task.path in PATHS]


def test_no_file_of_rows_is_without_a_task() -> None:
    """Guards against rows under a name that no task reads; few-shot rows are read beside a task's."""
    read = {task.path for task in ANSWERABLE}
    assert all(path in read or path.endswith("_train.jsonl") for path in PATHS)
    assert len(read) == 19


@pytest.mark.parametrize("task", ANSWERABLE, ids=lambda task: task.name)
def test_every_task_has_rows_that_it_reads(task: Task) -> None:
    """Guards `run --task all` on the demo data: rows that their task reads, enough for an error bar."""
    samples = load(task, DataRoot(DEMO_ROOT, demo=True)).samples
    assert 20 <= len(samples) <= 32
    assert len({sample.images[0].path for sample in samples}) >= 10
    public = task.name not in ("vqav2_testdev", "vizwiz_test", "docvqa_test", "infovqa_test")
    assert all((sample.target is not None) == public for sample in samples)
    ten = ("vqav2_val", "okvqa_val", "textvqa_val", "vizwiz_val", "nocaps_val")
    if task.name in ten:
        assert {len(sample.target) for sample in samples} == {10}
    if task.name == "flickr30k_test":
        assert {len(sample.target) for sample in samples} == {5}
    if task.name == "nocaps_val":
        domains = {sample.metadata["domain"] for sample in samples}
        assert domains == {"in-domain", "near-domain", "out-domain"}
    if task.name == "vizwiz_test":
        assert len({sample.images[0].path for sample in samples}) == len(samples), "answers are by picture"


def test_most_answers_are_those_of_the_drawing() -> None:
    """Guards references: what most people say about a picture is true of it, by another reading of it."""
    pictures, checked = demo.pictures(SEED), 0
    for task in ANSWERABLE:
        if task.to_sample not in (short_answer.to_sample, choice.to_sample):
            continue
        for sample in load(task, DataRoot(DEMO_ROOT, demo=True)).samples:
            if sample.target is None or sample.metadata.get("category") == "harder":
                continue
            answer = sample.choices[sample.target] if sample.choices else short_answer.example(sample)
            shown = pictures[sample.images[0].path]
            kind = "unanswerable" if answer == "unanswerable" else "colour"
            turn = Turn(kind, f"{sample.question} Answer:", f" {answer}")
            if HARDER.match(sample.question):
                continue
            if isinstance(shown, Scene):
                check_scene(shown, turn)
            else:
                check(shown, turn, TRUTHS[type(shown).__name__.lower()])
            checked += 1
    assert checked > 200


HARDER = re.compile(
    r"What colour is the thing|What kind of|What is the (difference|sum)|How many letters has|.*begin"
)
"""Questions that go beyond the lessons; tests/data_scripts/drawn/test_harder.py has them."""


def test_few_shot_rows_have_answers() -> None:
    """Guards --few-shot on the demo data: examples of the same form, with answers, for all but NoCaps."""
    for split in SPLITS:
        folder, name = split.path.split("/")
        if name == f"{folder}_train.jsonl":
            rows = read_jsonl(DEMO_ROOT / split.path)
            assert len(rows) == 12
            assert all("answers" in row or "answer" in row or "captions" in row for row in rows)
    trained = {split.path.split("/")[0] for split in SPLITS if split.path.endswith("_train.jsonl")}
    asked = {task.path.split("/")[0] for task in ANSWERABLE}
    assert asked - trained == {"nocaps", "grit"}


def test_the_command_writes_the_layout(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Guards the command of the README: canonical paths, pictures beside them, the same for a seed."""
    assert run(capsys, "demo", "--out", tmp_path / "a", "--seed", 7).code == 0
    assert run(capsys, "demo", "--out", tmp_path / "b", "--seed", 7).code == 0
    written = tree(tmp_path / "a")
    assert written == tree(tmp_path / "b")
    paths = {task.path for task in all_tasks().values() if not task.members}
    assert paths <= set(written), "a task without demo rows"
    paths = {task.path for task in TASKS} | {split.path for split in SPLITS}
    paths |= {*demo_choices.drawn(0).rows, *demo_dialogue.drawn(0).rows}
    assert paths == {path for path in written if path.endswith(".jsonl")}
    assert len(written) == len(paths) + len(demo.pictures(7)) + 1
    assert "DEMO" in written, "data that is not marked as drawn"
    assert run(capsys, "check", "refcoco", "--data", tmp_path / "a", "--allow-partial").code == 0


def test_seeds_of_the_training_range_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Guards the separation of evaluation and training at the command line."""
    ran = run(capsys, "demo", "--out", tmp_path / "x", "--seed", 1000)
    assert (ran.code, ran.err.startswith("error: --seed 1000: expected 0 to 999")) == (2, True)
    assert not (tmp_path / "x").exists()

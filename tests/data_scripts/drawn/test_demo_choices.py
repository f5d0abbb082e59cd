"""The demo rows with options, clips and pairs of questions: what they hold and whether it is true."""

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from data_scripts.drawn import demo, demo_choices
from data_scripts.drawn.cards import Card
from data_scripts.drawn.conversations import Picture
from data_scripts.drawn.options import SHOWN, name
from data_scripts.drawn.posters import Poster
from data_scripts.drawn.scenes import Scene
from data_scripts.drawn.turns import Turn
from eval_mm.cli import main
from eval_mm.data import DEMO_ROOT, DataRoot, load
from eval_mm.schema import Sample
from eval_mm.tasks import all_tasks
from eval_mm.tasks.mme import COGNITION, PERCEPTION
from eval_mm.tasks.seedbench import DIMENSIONS
from tests.data_scripts.drawn.test_conversations import check as check_scene
from tests.data_scripts.drawn.test_print_families import TRUTHS
from tests.data_scripts.drawn.test_print_families import check as check_print

SEED = 0


def samples(task: str) -> list[Sample]:
    """What the task reads of the bundled rows."""
    return list(load(all_tasks()[task], DataRoot(DEMO_ROOT, demo=True)).samples)


def test_school_questions_are_of_every_kind() -> None:
    """Guards the breakdowns of ScienceQA on the demo data, and the two splits against drifting apart."""
    rows, pictured = samples("scienceqa_test"), samples("scienceqa_test_img")
    assert (len(rows), len(pictured)) == (24, 16)
    assert [row for row in rows if row.images] == pictured
    assert {row.metadata["subject"] for row in rows} == {
        "natural science",
        "social science",
        "language science",
    }
    assert {int(row.metadata["grade"].removeprefix("grade")) > 6 for row in rows} == {False, True}
    assert {("hint" in row.metadata, bool(row.images)) for row in rows} == {
        (hint, image) for hint in (False, True) for image in (False, True)
    }
    assert {len(row.choices) for row in rows} == {2, 3, 4, 5}


def test_seed_bench_has_every_dimension() -> None:
    """Guards the breakdown by dimension, and ids, which the submission file cuts at the colon."""
    rows = samples("seedbench_image") + samples("seedbench_video")
    assert len(samples("seedbench_image")) == 36
    assert len(samples("seedbench_video")) == 16
    assert {row.metadata["category"] for row in rows} == set(DIMENSIONS)
    assert [row.id for row in rows] == [f"{n}:{row.metadata['category']}" for n, row in enumerate(rows)]
    for row in rows:
        assert len(row.images) == (4 if int(row.metadata["category"]) >= 10 else 1)
        assert [image.path for image in row.images] == sorted(image.path for image in row.images)
    assert len({row.images for row in samples("seedbench_video")}) == demo_choices.CLIPS


@pytest.mark.parametrize(("task", "questions"), [("mmbench_dev", 8), ("mmbench_test", 6)])
def test_mmbench_asks_every_rotation(task: str, questions: int) -> None:
    """Guards circular accuracy: a rotation that is missing, twice, or whose answer points at another text."""
    groups: dict[int, list[Sample]] = {}
    for row in samples(task):
        groups.setdefault(int(row.id) % demo_choices.ROTATION, []).append(row)
    assert len(groups) == questions
    for rows in groups.values():
        size = len(rows[0].choices)
        assert [int(row.id) // demo_choices.ROTATION for row in rows] == list(range(size))
        rotations = {rows[0].choices[turn:] + rows[0].choices[:turn] for turn in range(size)}
        assert {row.choices for row in rows} == rotations
        assert len({(row.question, row.images, row.metadata["category"]) for row in rows}) == 1
        answers = {row.choices[row.target] if row.target is not None else None for row in rows}
        assert len(answers) == 1
        assert (None in answers) == (task == "mmbench_test")


def test_mme_asks_each_picture_twice() -> None:
    """Guards accuracy+: a picture with one question, or with two of the same answer."""
    rows = samples("mme")
    pictures: dict[str, list[Sample]] = {}
    for row in rows:
        pictures.setdefault(row.images[0].path, []).append(row)
        category, _, rest = row.id.partition("/")
        assert category == row.metadata["category"]
        assert re.fullmatch(rf"{re.escape(row.images[0].path.split('/')[1])}#[01]", rest)
        assert row.question.endswith("? Please answer yes or no.")
    assert all([row.target for row in pair] == ["yes", "no"] for pair in pictures.values())
    parts = Counter(row.metadata["category"] for row in rows)
    assert set(parts.values()) == {8}
    assert len(parts) == 8
    assert set(parts) & set(PERCEPTION)
    assert set(parts) & set(COGNITION)


def test_answers_are_true_and_the_other_options_false() -> None:
    """Guards references: by another reading of the drawing, the right option is true and no other one is."""
    pictures, checked = demo.pictures(SEED), Counter[str]()
    for path, rows in demo_choices.drawn(SEED).rows.items():
        for row in rows:
            beside = path.startswith("mme") or "video" in path  # these have tests of their own
            if beside or "answer" not in row or not demo.images_of(row):
                continue
            shown = pictures[demo.images_of(row)[0]]
            answer = row["choices"][row["answer"]]
            assert len(set(row["choices"])) == len(row["choices"]) >= 2
            wrong = [text for text in row["choices"] if text != answer]
            assert is_true(shown, row["question"], answer), row
            assert not any(is_true(shown, row["question"], text) for text in wrong), row
            checked[path] += 1
    assert min(checked.values()) >= 16
    assert len(checked) == 4


def is_true(shown: Picture, question: str, answer: str) -> bool:
    """Whether the answer is that of the picture."""
    if question == "What does the image show?":
        return answer == SHOWN[type(shown)]
    if isinstance(shown, Scene):
        if question == "What do the two shapes have in common?":
            return common(shown) == answer
        if seen := re.fullmatch(r"Where is the (.*), seen from the (.*)\?", question):
            return stands(shown, seen[1], answer, seen[2])
        if thing := re.fullmatch(r"What colour is the thing (.*) the (\w+ \w+)\?", question):
            words = thing[1].removesuffix(" of")
            alike = [one.colour for one in shown.shapes if leans(shown, name(one), words, thing[2])]
            return answer in alike
    turn = Turn("colour", f"{question} Answer:", f" {answer}")
    try:
        if isinstance(shown, Scene):
            check_scene(shown, turn)
        else:
            check_print(shown, turn, TRUTHS[type(shown).__name__.lower()])
    except AssertionError:
        return False
    return True


def common(shown: Scene) -> str:
    """What the two shapes of a scene share."""
    one, other = shown.shapes
    shared = [word for word in ("colour", "kind", "size") if getattr(one, word) == getattr(other, word)]
    return f"the {shared[0]}" if len(shared) == 1 else "none of these"


def offset(shown: Scene, one: str, other: str) -> tuple[float, float]:
    """How far the middle of a shape is to the right of and below that of another one."""
    by_name = {name(shape): shape.centre for shape in shown.shapes}
    (x, y), (a, b) = by_name[one], by_name[other]
    return x - a, y - b


def stands(shown: Scene, one: str, word: str, other: str) -> bool:
    """Whether the way from one middle to the other goes mostly as the word says."""
    x, y = offset(shown, one, other)
    far = ("to the right" if x > 0 else "to the left") if abs(x) > abs(y) else "below" if y > 0 else "above"
    return far == word


def leans(shown: Scene, one: str, word: str, other: str) -> bool:
    """Whether one middle is beyond the other as the word says, whatever it is besides."""
    if one == other:
        return False
    x, y = offset(shown, one, other)
    return {"to the left": x < 0, "to the right": x > 0, "above": y < 0, "below": y > 0}[word]


def test_pairs_are_true_and_false() -> None:
    """Guards MME's answers by another reading of the drawing."""
    pictures = demo.pictures(SEED)
    for row in demo_choices.drawn(SEED).rows["mme/mme.jsonl"]:
        question = row["question"].removesuffix(" Please answer yes or no.")
        assert holds(pictures[row["image"]], row["category"], question) == (row["answer"] == "Yes"), row


def holds(shown: Picture, category: str, question: str) -> bool:
    """Whether what is asked is so."""
    match shown, category:
        case Scene(), "existence":
            return any(f"a {one.kind} " in question for one in shown.shapes)
        case Scene(), "count":
            return {2: "two", 3: "three"}.get(len(shown.shapes), "?") in question.split()
        case Scene(), "position":
            found = re.fullmatch(r"Is the (\w+ \w+) (.+?)(?: of)? the (\w+ \w+)\?", question)
            assert found, question
            return stands(shown, found[1], found[2], found[3])
        case Scene(), "color":
            found = re.fullmatch(r"Is the (\w+) in this image (\w+)\?", question)
            assert found, question
            (colour,) = [one.colour for one in shown.shapes if one.kind == found[1]]
            return colour == found[2]
        case Poster(), "posters":
            return any(f" {one.number} next to the {one.kind}?" in question for one in shown.items)
        case Poster(), "numerical_calculation":
            return f" {sum(one.number for one in shown.items)} " in question
        case Card(), "OCR":
            return f'"{shown.text}"' in question
        case _, "scene":
            return f" {SHOWN[type(shown)]}?" in question
    raise AssertionError(f"{category} about {shown}")


def test_every_task_runs_on_the_bundled_data(tmp_path: Path) -> None:
    """Guards `run --task all --data demo`: a task without rows, or rows that it or its submission refuses."""
    assert main(["run", "--task", "all", "--data", "demo", "--model", "echo", "--out", str(tmp_path)]) == 0
    for task in all_tasks():
        result = json.loads((tmp_path / task / "result.json").read_text("utf-8"))
        assert (result["num_errors"], result["demo"]) == (0, True)
        assert result["num_samples"] >= 16


@pytest.mark.parametrize("seed", [1, 37, 500, 999])
def test_every_demo_seed_has_enough_pictures(seed: int) -> None:
    """Guards --seed: seeds whose few spare pictures do not allow all questions, or rows of equal ids."""
    made = demo_choices.drawn(seed * demo.SEEDS)
    sizes: dict[str, Any] = {path: len(rows) for path, rows in made.rows.items()}
    assert (sizes["scienceqa/scienceqa_test.jsonl"], sizes["mme/mme.jsonl"]) == (24, 64)
    for path, rows in made.rows.items():
        assert len({row["id"] for row in rows}) == len(rows), path
        for row in rows:
            assert set(demo.images_of(row)) <= set(made.pictures)
    assert not set(made.pictures) & {image for _, image, _, _ in demo._drawn(seed)}

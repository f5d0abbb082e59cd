"""GRIT's referring expressions: boxes are its server's, sizes are read from the pictures."""

import io
import zipfile
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from eval_mm.data import DataRoot, load
from eval_mm.errors import DataError
from eval_mm.schema import Context, ModelInfo, Prediction
from eval_mm.tasks.grit import TASKS
from tests.data_scripts.benchmarks.support import Capture, error_of, prepare, rows, write
from tests.data_scripts.support import Fields


def asked(number: int, picture: str) -> Fields:
    return {
        "example_id": f"refexp_{number}",
        "image_id": picture,
        "task_name": "refexp",
        "task_query": f"thing {number}",
        "task_bbox": None,
        "output_options": None,
    }


COCO, OTHER = "coco/train2014/COCO_train2014_000000000042.jpg", "distorted/refexp/refclef/1.jpg"
SAMPLES = {"samples/test/refexp.json": [asked(0, COCO), asked(1, OTHER)]}


def picture(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (64, 48)).save(path)


def test_sizes_come_from_the_pictures(tmp_path: Path, capsys: Capture) -> None:
    """Guards boxes in pixels: no file of GRIT has the width and height that a model's units need."""
    write(tmp_path / "raw", SAMPLES)
    picture(tmp_path / "GRIT/images" / OTHER)
    picture(tmp_path / "GRIT" / COCO)
    ran = prepare(capsys, "grit", tmp_path, "--images", tmp_path / "GRIT", partial=False)
    assert ran.code == 0, ran.err
    assert rows(tmp_path, "grit/grit_refexp.jsonl") == [
        {
            "id": f"refexp_{number}",
            "image": image,
            "expression": f"thing {number}",
            "subset": "test",
            "width": 64,
            "height": 48,
        }
        for number, image in enumerate((COCO, f"grit/images/{OTHER}"))
    ]
    assert "grit_refexp 2 - 2 2" in " ".join(ran.out.split())


@pytest.mark.parametrize(("folder", "subset"), [("ablation", "ablation"), ("test", "test"), ("mine", None)])
def test_a_submission_is_to_the_right_server(
    folder: str, subset: str | None, tmp_path: Path, capsys: Capture
) -> None:
    """Guards the ablation subset, whose answers went to the server of the test subset."""
    write(tmp_path / f"GRIT/samples/{folder}", {"refexp.json": [asked(0, COCO)]})
    (tmp_path / "raw").symlink_to(tmp_path / "GRIT/samples")
    picture(tmp_path / "out" / COCO)
    named = tmp_path / "raw" / folder / "refexp.json"
    assert prepare(capsys, "grit", tmp_path, "--source", f"grit_refexp={named}", partial=False).code == 0
    (row,) = rows(tmp_path, "grit/grit_refexp.jsonl")
    assert row.get("subset") == subset
    (task,) = TASKS
    data = load(task, DataRoot(tmp_path / "out", demo=False))
    assert task.submission is not None
    answer = Prediction("refexp_0", "(0,0),(500,500)")
    (content,) = task.submission.write(data.samples, [answer], Context(ModelInfo("m", parameters=10**9)))
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        where = subset or "test"
        assert archive.namelist() == [f"{where}/refexp.json", f"{where}/params.json"]


def test_another_subset_is_an_error(tmp_path: Path) -> None:
    """Guards the names in the zip, which come from the rows."""
    row = {"id": "1", "image": COCO, "expression": "x", "width": 4, "height": 4, "subset": "../val"}
    write(tmp_path, {"grit/grit_refexp.jsonl": [row]})
    with pytest.raises(
        DataError, match=r"jsonl:1: field 'subset': expected ablation or test, got '\.\./val'"
    ):
        load(TASKS[0], DataRoot(tmp_path, demo=False))


def test_a_missing_picture_needs_a_word(tmp_path: Path, capsys: Capture) -> None:
    """Guards against fewer expressions than there are, and against none at all."""
    write(tmp_path / "raw", SAMPLES)
    picture(tmp_path / "out" / COCO)
    error = error_of(prepare(capsys, "grit", tmp_path, partial=False))
    assert f"1 of 2 rows have no picture to read width and height from: {tmp_path}/out/grit/images/" in error
    ran = prepare(capsys, "grit", tmp_path)
    assert ran.code == 0
    assert "they are left out" in ran.err
    assert [row["id"] for row in rows(tmp_path, "grit/grit_refexp.jsonl")] == ["refexp_0"]
    (tmp_path / "out" / COCO).write_bytes(b"no picture")
    assert "2 of 2 rows have no picture" in error_of(prepare(capsys, "grit", tmp_path))


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (asked(0, COCO), "[1]: field 'example_id': 'refexp_0' already stands in [0]"),
        (asked(1, "../x.jpg"), "[1]: field 'image_id': expected a path relative to the data root"),
        (asked(1, COCO) | {"task_query": None}, "[1]: field 'task_query': expected a string, got null"),
    ],
)
def test_a_bad_sample_is_named(tmp_path: Path, capsys: Capture, row: Any, message: str) -> None:
    """Guards paths that lead out of the data root."""
    write(tmp_path / "raw", {"refexp.json": [asked(0, COCO), row]})
    assert f"refexp.json: {message}" in error_of(prepare(capsys, "grit", tmp_path))


def example(**truth: Any) -> Fields:
    return {
        "gt": {"bboxes": [[1, 2, 30, 40]], "words": None} | truth,
        "input": {"image_path": "examples/images/refexp_0.png", "task_query": "white cat", "task_bbox": None},
        "src": "refcocop",
    }


def test_examples_of_the_repository(tmp_path: Path, capsys: Capture) -> None:
    """Guards the one file of GRIT that has boxes, and that it is not taken for the benchmark."""
    picture(tmp_path / "mine/refexp_0.png")
    write(tmp_path / "raw", {"samples.json": {"vqa": [], "refexp": [example()]}})
    images = ("--images", tmp_path / "mine")
    assert "the examples of GRIT's repository only" in error_of(
        prepare(capsys, "grit", tmp_path, *images, partial=False)
    )
    assert prepare(capsys, "grit", tmp_path, *images).code == 0
    (row,) = rows(tmp_path, "grit/grit_refexp.jsonl")
    assert (row["box"], row["expression"], row["width"]) == ([1, 2, 30, 40], "white cat", 64)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (example(bboxes=None), "refexp[1].gt: field 'bboxes': expected a list of one box, got null"),
        (example(bboxes=[[1, 2, 3]]), "refexp[1].gt: field 'bboxes': expected 4 numbers"),
        (example() | {"gt": []}, "refexp[1]: field 'gt': expected an object, got a list of 0"),
        ({"input": {}, "src": "refcocop"}, "refexp[1]: field 'gt': expected an object, got null"),
    ],
)
def test_a_bad_example_is_named(tmp_path: Path, capsys: Capture, row: Fields, message: str) -> None:
    """Guards the place of a fault inside an example."""
    write(tmp_path / "raw", {"samples.json": {"refexp": [example(), row]}})
    assert f"samples.json: {message}" in error_of(prepare(capsys, "grit", tmp_path))

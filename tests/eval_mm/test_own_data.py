"""Benchmarks of one's own: a file and a metric, no code."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

import eval_mm
from eval_mm import tasks
from eval_mm.cli import main
from eval_mm.errors import UserError
from eval_mm.metrics import NAMES
from eval_mm.own_data import SHORT_ANSWERS
from eval_mm.run import run
from tests.eval_mm.support import BOX_ANSWER, ScriptedModel, write_data
from tests.eval_mm.support import rows as boxes

PICTURE = {"image": "pictures/0.png"}
ROWS: dict[str, tuple[dict[str, Any], str]] = {
    **{name: ({"question": "Q?", "answers": ["7"] * 10}, "7") for name in SHORT_ANSWERS},
    "cider": ({"captions": ["a man rides a horse"]}, "a man rides a horse"),
    "box": ({"expression": "it", "box": [100, 200, 500, 600], "width": 999, "height": 999}, BOX_ANSWER),
    "choice": ({"question": "Q?", "choices": ["x", "y"], "answer": 1}, "B"),
}


def write(folder: Path, *rows: dict[str, Any]) -> Path:
    """A file of one's own, its pictures beside it."""
    write_data(folder, boxes(1))
    path = folder / "my.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.mark.parametrize("metric", NAMES)
def test_every_metric_takes_its_rows(metric: str, tmp_path: Path) -> None:
    """A right answer gets full marks; pictures are found beside the file; the run can be scored again."""
    row, answer = ROWS[metric]
    path = write(tmp_path, {"id": "a", **PICTURE, **row}, {"id": "b", **PICTURE, **row})
    model = ScriptedModel(lambda request: answer)
    protocol = "instruct" if metric == "choice" else None
    report = run(model, [f"file:{path}"], metric=metric, out=tmp_path / "run", protocol=protocol)
    (outcome,) = report.outcomes
    assert outcome.result.num_errors == 0
    assert outcome.result.task == "file-my"
    if metric != "cider":  # two pictures with the same captions: no word tells them apart
        assert next(iter(outcome.result.metrics.values())).value == 100
    assert eval_mm.score(tmp_path / "run") == [outcome.result]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--task", "file:x.jsonl"], "needs --metric, one of vqa, "),
        (["--task", "file:x.jsonl", "--metric", "bleurt"], "not 'bleurt'"),
        (["--task", "file:", "--metric", "anls"], "the path is empty"),
        (["--task", "file:x.jsonl", "--metric", "anls"], "x.jsonl: no such file"),
        (["--task", "refcoco_val", "--metric", "anls"], "--metric is for --task file:PATH"),
        (["--task", "caption"], "needs --references FILE"),
        (["--task", "refcoco_val", "--references", "x.json"], "--references is for --task caption"),
    ],
)
def test_what_is_missing_is_said(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In one line, exit code 2."""
    assert main(["run", *arguments, "--model", "echo", "--out", str(tmp_path / "run")]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_vqa_accuracy_needs_annotators(tmp_path: Path) -> None:
    """It counts three others who agree: with one reference even the right answer would get 0."""
    path = write(tmp_path, {"id": "a", **PICTURE, "question": "Q?", "answers": ["7"]})
    with pytest.raises(UserError, match=r"my\.jsonl:1.*'answers'.*at least 4.*--metric exact"):
        run(ScriptedModel(), [f"file:{path}"], metric="vqa", out=tmp_path / "run")


def coco(images: Any, annotations: Any) -> dict[str, Any]:
    return {"images": images, "annotations": annotations}


NOTES = [{"image_id": 12, "caption": "a dog"}, {"image_id": 7, "caption": "a cat on a mat"}]
FILES: dict[str, Any] = {
    "coco": coco(
        [{"id": 12, "file_name": "COCO_000000000012.jpg"}, {"id": 7, "file_name": "x/7.jpg"}], NOTES
    ),
    "coco without images": {"annotations": NOTES},
    "coco without names": coco([{"id": 12}, {"id": 7}], NOTES),
    "list": [
        {"image": "COCO_000000000012.jpg", "captions": ["a dog"]},
        {"image_name": "x/7.jpg", "captions": ["a cat on a mat"]},
    ],
}


@pytest.mark.parametrize(
    ("form", "key", "packed"),
    [
        ("coco", "image_id", False),
        ("coco", "image_name", True),
        ("coco without images", "image_name", False),
        ("coco without names", "order", False),
        ("list", "image_name", True),
        ("list", "image_id", False),
    ],
)
def test_captions_in_every_form(form: str, key: str, packed: bool, tmp_path: Path) -> None:
    """References in COCO's form or a list, answers by number or by file name: the same CIDEr."""
    path = tmp_path / ("refs.json.gz" if packed else "refs.json")
    raw = json.dumps(FILES[form]).encode()
    path.write_bytes(gzip.compress(raw, mtime=0) if packed else raw)
    answers = tmp_path / "answers.json"
    names = {"image_id": (7, 12), "image_name": ("COCO_000000000007.jpg", "COCO_000000000012.jpg")}
    captions = ("a cat on a mat", "a dog")
    if key == "order":
        listed: list[Any] = list(reversed(captions))
    else:
        listed = [{key: name, "caption": text} for name, text in zip(names[key], captions, strict=True)]
    answers.write_text(json.dumps(listed), encoding="utf-8")
    (result,) = eval_mm.score(
        task="caption",
        references=str(path),
        predictions=answers,
        match="order" if key == "order" else None,
    )
    assert result.task == "caption"
    assert result.metrics["cider"].value > 400, "both captions are references: 10 for n-grams there are"


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (coco([{"id": 1}], [{"image_id": 2, "caption": "x"}]), r"annotations\[0\]: no picture has the id 2"),
        (coco([{"id": 1}, {"id": 1}], []), r"images\[1\]: the id 1 stands twice"),
        (coco([{"id": 1}], []), "the picture 1 has no caption"),
        (coco([{"id": 1}], [{"image_id": 1}]), r"field 'caption': annotations\[0\]: expected a text"),
        (coco([{"id": None}], []), "expected a whole number or text"),
        (coco("x", []), "expected a list of objects"),
        ({"answers": []}, "expected COCO's form"),
        ([{"image": "x.jpg"}], "item 0: expected an object with image and captions"),
        ([], "the file has no rows"),
        ("nonsense", "expected COCO's form"),
    ],
)
def test_a_bad_file_of_captions_is_named(document: Any, message: str, tmp_path: Path) -> None:
    """File, place and what is allowed, whatever stands in it."""
    path = tmp_path / "refs.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(UserError, match=rf"refs\.json.*{message}"):
        eval_mm.score(task="caption", references=str(path), predictions=path)


def test_a_cut_off_file_is_named(tmp_path: Path) -> None:
    """A download that broke off must not be half a benchmark."""
    path = tmp_path / "refs.json.gz"
    path.write_bytes(gzip.compress(json.dumps(FILES["coco"]).encode(), mtime=0)[:-9])
    with pytest.raises(UserError, match="damaged or cut off"):
        eval_mm.score(task="caption", references=str(path), predictions=path)


def test_a_file_may_not_leave_the_data_root(tmp_path: Path) -> None:
    """A row of one's own file is checked like any other."""
    path = write(tmp_path, {"id": "a", "image": "../x.png", "question": "Q?", "answers": ["7"]})
    (task,) = tasks.resolve([f"file:{path}"], "anls")
    with pytest.raises(UserError, match="inside it"):
        run(ScriptedModel(), [f"file:{path}"], metric="anls", out=tmp_path / "run")
    assert task.own == {"path": str(path.resolve()), "metric": "anls"}


def test_every_named_metric_is_there() -> None:
    """The help text and the error list these names; one without a task behind it would be a traceback."""
    assert set(SHORT_ANSWERS) | {"cider", "box", "choice"} == set(NAMES)


def test_two_files_of_one_name(tmp_path: Path) -> None:
    """The second would be dropped without a word."""
    for folder in ("a", "b"):
        write(tmp_path / folder, {"id": "x", **PICTURE, "question": "Q?", "answers": ["7"]})
    names = ",".join(f"file:{tmp_path / folder / 'my.jsonl'}" for folder in ("a", "b"))
    with pytest.raises(UserError, match="another file of that name"):
        tasks.resolve([names], "exact")
    assert len(tasks.resolve([names.split(",")[0]] * 2, "exact")) == 1


def test_two_files_of_one_name_in_one_folder(tmp_path: Path) -> None:
    """A later command would replace the answers and numbers of the first; one that only moved goes on."""
    for folder, answer in (("a", "7"), ("b", "8"), ("moved", "7")):
        write(tmp_path / folder, {"id": "x", **PICTURE, "question": "Q?", "answers": [answer]})
    first, second, moved = (f"file:{tmp_path / folder / 'my.jsonl'}" for folder in ("a", "b", "moved"))
    out, model = tmp_path / "run", ScriptedModel()
    run(model, [first], metric="exact", out=out)
    with pytest.raises(
        UserError, match=r"holds file-my of .*/a/my\.jsonl, and .*/b/my\.jsonl would take its"
    ):
        run(model, [second], metric="exact", out=out)
    run(model, [moved], metric="exact", out=out)

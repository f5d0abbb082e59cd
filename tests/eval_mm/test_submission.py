"""Files for evaluation servers: their form, their ids, and that no number is made up beside them."""

import io
import json
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import eval_mm
from eval_mm import tasks
from eval_mm.cli import main
from eval_mm.errors import UserError
from eval_mm.run import run
from eval_mm.schema import Context, ModelInfo, Prediction
from tests.eval_mm.support import ScriptedModel, write_data


def rows(*ids: str) -> list[dict[str, Any]]:
    return [{"id": name, "image": f"pictures/{i}.png", "question": "Q?"} for i, name in enumerate(ids)]


@pytest.mark.parametrize(
    ("name", "ids", "wanted"),
    [
        (
            "vqav2_testdev",
            ("42", "7x"),
            [{"question_id": 42, "answer": "a b"}, {"question_id": "7x", "answer": "a b"}],
        ),
        ("docvqa_test", ("5",), [{"questionId": 5, "answer": "a b"}]),
        ("infovqa_test", ("5",), [{"questionId": 5, "answer": "a b"}]),
        (
            "vizwiz_test",
            ("0", "1"),
            [{"image": "0.png", "answer": "a b"}, {"image": "1.png", "answer": "a b"}],
        ),
    ],
)
def test_the_form_each_server_takes(
    name: str, ids: tuple[str, ...], wanted: list[dict[str, Any]], tmp_path: Path
) -> None:
    """Official id types are restored: a server refuses "42" for 42."""
    data = write_data(tmp_path / "data", rows(*ids), name)
    (outcome,) = run(ScriptedModel(lambda request: " a b "), [name], data, out=tmp_path / "run").outcomes
    assert outcome.result.metrics == {}
    assert outcome.result.num_unparsed == 0
    assert json.loads((tmp_path / "run" / name / "submission.json").read_text(encoding="utf-8")) == wanted


def test_grit_takes_a_zip() -> None:
    """Boxes in whole pixels of the picture, the number of parameters in millions, one folder called test."""
    task = tasks.get("grit_refexp")
    from tests.eval_mm.tasks.test_prompts import sample_of

    assert task.submission is not None
    sample = sample_of("grit_refexp", width=1998, height=999)
    answers = [Prediction("7", "(100,200),(500,600)"), Prediction("8", "nothing")]
    model = ModelInfo("m", box_scale="999", parameters=9_600_000_000)
    (content,) = task.submission.write([sample, replace(sample, id="8")], answers, Context(model))
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert sorted(archive.namelist()) == ["test/params.json", "test/refexp.json"]
        assert json.loads(archive.read("test/params.json")) == {"params_in_millions": 9600}
        assert json.loads(archive.read("test/refexp.json")) == [
            {"example_id": "7", "confidence": 1.0, "bboxes": [[200, 200, 1000, 600]]},
            {"example_id": "8", "confidence": 0.0, "bboxes": [[0, 0, 0, 0]]},
        ]
    (again,) = task.submission.write([sample, replace(sample, id="8")], answers, Context(model))
    assert again == content, "the same answers make the same bytes"
    (unknown,) = task.submission.write([sample], answers[:1], Context(replace(model, parameters=None)))
    with zipfile.ZipFile(io.BytesIO(unknown)) as archive:
        assert archive.namelist() == ["test/refexp.json"]


def test_the_command_says_where_the_file_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And that it is not the whole split, which a server would refuse after an upload."""
    data = write_data(tmp_path / "data", rows("1", "2", "3"), "vizwiz_test")
    command = ["run", "--task", "vizwiz_test", "--model", "echo", "--data", str(data), "--limit", "2"]
    assert main([*command, "--out", str(tmp_path / "run")]) == 0
    shown = capsys.readouterr().out
    assert "not public" in shown
    assert "submission.json (not the whole split: 2 answers)" in shown


def test_a_file_of_answers_becomes_a_submission(tmp_path: Path) -> None:
    """Answers made elsewhere are turned into the server's form; without --out there is nothing to do."""
    data = write_data(tmp_path / "data", rows("1", "2"), "docvqa_test")
    path = tmp_path / "answers.json"
    path.write_text(json.dumps({"1": "x", "2": "y"}), encoding="utf-8")
    with pytest.raises(UserError, match="answers are not public"):
        eval_mm.score(task="docvqa_test", predictions=path, data=data)
    eval_mm.score(task="docvqa_test", predictions=path, data=data, out=tmp_path / "out")
    found = json.loads((tmp_path / "out/docvqa_test/submission.json").read_text(encoding="utf-8"))
    assert found == [{"questionId": 1, "answer": "x"}, {"questionId": 2, "answer": "y"}]


def test_a_split_is_public_or_not(tmp_path: Path) -> None:
    """Half a split with answers would be scored on that half without a word."""
    lines = rows("1", "2")
    lines[1]["answers"] = ["x"]
    data = write_data(tmp_path / "data", lines, "docvqa_test")
    with pytest.raises(UserError, match=r"docvqa_test\.jsonl:2.*some rows have an answer and some have none"):
        run(ScriptedModel(), ["docvqa_test"], data, out=tmp_path / "run")

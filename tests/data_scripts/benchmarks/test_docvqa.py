"""DocVQA and InfographicVQA: whole files, lists of rows, converted ones; which of several is read."""

from pathlib import Path
from typing import Any

import pytest

from tests.data_scripts.benchmarks.support import SUFFIX, Capture, error_of, prepare, rows, write
from tests.data_scripts.support import tree

DOCVQA = {
    "questionId": 26167,
    "question": "what is the page no mentioned ?",
    "image": "documents/ffbg0227_2.png",
    "docId": 7467,
    "answers": ["2", "page 2"],
    "data_split": "val",
}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("val_v1.0.json", {"dataset_name": "docvqa", "data": [DOCVQA]}),
        ("spdocvqa_qas/val_v1.0_withQT.json", {"data": [DOCVQA | {"question_types": ["layout"]}]}),
        ("rows_val_v1.0.json", [DOCVQA]),
        (
            "some_val.jsonl.gz",
            [
                {
                    "image": "ffbg0227_2.png",
                    "question": f"{DOCVQA['question']}{SUFFIX}",
                    "question_id": 26167,
                    "answer": ["2", "page 2"],
                }
            ],
        ),
    ],
)
def test_docvqa_forms_agree(tmp_path: Path, capsys: Capture, name: str, content: Any) -> None:
    """Guards that the whole file, its rows alone and a converted one with a prompt's suffix give one row."""
    unanswered = {key: value for key, value in DOCVQA.items() if key != "answers"}
    write(tmp_path / "raw", {name: content, "test_v1.0.json": {"data": [unanswered]}})
    assert prepare(capsys, "docvqa", tmp_path).code == 0
    expected = {
        "id": "26167",
        "image": "docvqa/documents/ffbg0227_2.png",
        "question": DOCVQA["question"],
        "answers": ["2", "page 2"],
    }
    assert rows(tmp_path, "docvqa/docvqa_val.jsonl") == [expected]
    del expected["answers"]
    assert rows(tmp_path, "docvqa/docvqa_test.jsonl") == [expected]


def test_infovqa_official_files(tmp_path: Path, capsys: Capture) -> None:
    """Guards the field that InfographicVQA calls its pictures by."""
    record = {
        "questionId": 98313,
        "question": "Which platform?",
        "image_local_name": "37313.jpeg",
        "image_url": "https://example.org/a.jpeg",
        "answers": ["pinterest"],
    }
    write(tmp_path / "raw", {"infographicsvqa_qas/infographicsVQA_val_v1.0_withQT.json": {"data": [record]}})
    assert prepare(capsys, "infovqa", tmp_path).code == 0
    assert rows(tmp_path, "infovqa/infovqa_val.jsonl") == [
        {
            "id": "98313",
            "image": "infovqa/images/37313.jpeg",
            "question": "Which platform?",
            "answers": ["pinterest"],
        }
    ]


def test_ids_that_repeat_elsewhere_are_an_error(tmp_path: Path, capsys: Capture) -> None:
    """Guards submission files, which are made of these ids."""
    row = {"image": "x/1.png", "question": "Who?", "question_id": 7, "answer": ["A"]}
    write(tmp_path / "raw", {"val.jsonl": [row, row]})
    assert "val.jsonl:2: field 'question_id': '7' already stands on line 1" in error_of(
        prepare(capsys, "docvqa", tmp_path)
    )


def test_several_files_that_fit(tmp_path: Path, capsys: Capture) -> None:
    """Guards the choice: the same rows are one; of different ones the largest, if partial data will do."""
    row = {"image": "x/1.png", "question": "Who?", "question_id": 7, "answer": ["A"]}
    write(tmp_path / "raw", {"a_val.jsonl": [row], "b_val.jsonl.gz": [row], "c_val.jsonl": [row]})
    ran = prepare(capsys, "docvqa", tmp_path)
    assert ran.code == 0
    assert "a_val.jsonl (1 rows) is read, the same as " in ran.out
    other = row | {"question_id": 8}
    write(tmp_path / "raw", {"b_val.jsonl.gz": [row, other]})
    assert "docvqa_val: several files may be meant: " in error_of(
        prepare(capsys, "docvqa", tmp_path, partial=False)
    )
    ran = prepare(capsys, "docvqa", tmp_path)
    assert ran.code == 0
    assert (
        f"{tmp_path}/raw/b_val.jsonl.gz (2 rows) is read, not {tmp_path}/raw/a_val.jsonl (1 rows)" in ran.out
    )
    write(tmp_path / "raw", {"c_val.jsonl": [other, row]})
    assert "several files may be meant" in error_of(prepare(capsys, "docvqa", tmp_path))


def test_preparing_again_changes_nothing(tmp_path: Path, capsys: Capture) -> None:
    """Guards a data root that holds the official files too: docvqa_val.jsonl fits the pattern *_val.jsonl."""
    row = {"image": "x/1.png", "question": "Who?", "question_id": 7, "answer": ["A"]}
    write(tmp_path / "out/docvqa", {"val.jsonl": [row]})
    (tmp_path / "raw").symlink_to(tmp_path / "out/docvqa")
    assert prepare(capsys, "docvqa", tmp_path).code == 0
    before = tree(tmp_path / "out")
    assert prepare(capsys, "docvqa", tmp_path).code == 0
    assert tree(tmp_path / "out") == before

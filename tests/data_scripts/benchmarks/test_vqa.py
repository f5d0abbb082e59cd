"""VQAv2 and OK-VQA: questions and annotations in two files, joined; converted rows beside them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.data_scripts.benchmarks.support import (
    SUFFIX,
    TEN,
    Capture,
    error_of,
    prepare,
    records,
    rows,
    vqa_pair,
    write,
)
from tests.data_scripts.support import Fields


def test_vqav2_official_files(tmp_path: Path, capsys: Capture) -> None:
    """Guards the join by question_id, whatever the order, and the picture's name of each part of COCO."""
    asked, noted = vqa_pair(42001, 42000)
    noted["annotations"].reverse()
    trained, answered = vqa_pair(7, picture=581857)
    write(
        tmp_path / "raw",
        {
            "v2_OpenEnded_mscoco_val2014_questions.json": asked,
            "v2_mscoco_val2014_annotations.json.gz": noted,
            "v2_OpenEnded_mscoco_train2014_questions.json": trained,
            "v2_mscoco_train2014_annotations.json": answered,
            "v2_OpenEnded_mscoco_test-dev2015_questions.json": vqa_pair(9, data_subtype="test-dev2015")[0],
            "v2_OpenEnded_mscoco_test2015_questions.json": vqa_pair(9, 10)[0],
        },
    )
    assert prepare(capsys, "vqav2", tmp_path).code == 0
    found = rows(tmp_path, "vqav2/vqav2_val.jsonl")
    assert [row["id"] for row in found] == ["42001", "42000"]
    assert found[0] == {
        "id": "42001",
        "image": "coco/val2014/COCO_val2014_000000000042.jpg",
        "question": "What is 42001?",
        "answers": TEN,
        "question_type": "what is",
        "answer_type": "other",
    }
    assert rows(tmp_path, "vqav2/vqav2_train.jsonl")[0]["image"].endswith(
        "train2014/COCO_train2014_000000581857.jpg"
    )
    assert rows(tmp_path, "vqav2/vqav2_testdev.jsonl") == [
        {"id": "9", "image": "coco/test2015/COCO_test2015_000000000042.jpg", "question": "What is 9?"}
    ]


def test_official_files_come_before_converted_ones(tmp_path: Path, capsys: Capture) -> None:
    """Guards users with Qwen-VL's folders, which hold both: its vqav2_val.jsonl has one answer of the ten."""
    converted = {"image": "data/coco/val2014/COCO_val2014_000000000042.jpg", "question": "What is 1?"}
    asked, noted = vqa_pair(1)
    write(
        tmp_path / "raw",
        {
            "vqav2_val.jsonl": [converted | {"question_id": 1, "answer": "net"}],
            "vqav2_train.jsonl": [converted | {"question_id": 1, "answer": "net"}],
            "vqav2_testdev.jsonl": [converted | {"question_id": 1}],
        },
    )
    assert "vqav2_val.jsonl:1: field 'answer': expected 10 answers, got 1" in error_of(
        prepare(capsys, "vqav2", tmp_path)
    )
    (tmp_path / "raw/vqav2_val.jsonl").unlink()
    assert prepare(capsys, "vqav2", tmp_path).code == 0
    assert rows(tmp_path, "vqav2/vqav2_train.jsonl")[0]["answers"] == ["net"]
    assert "answers" not in rows(tmp_path, "vqav2/vqav2_testdev.jsonl")[0]
    write(
        tmp_path / "raw",
        {
            "v2_OpenEnded_mscoco_train2014_questions.json": asked,
            "v2_mscoco_train2014_annotations.json": noted,
        },
    )
    assert prepare(capsys, "vqav2", tmp_path).code == 0
    assert rows(tmp_path, "vqav2/vqav2_train.jsonl")[0]["answers"] == TEN


def changed(change: Callable[[Fields, Fields], object]) -> tuple[Fields, Fields]:
    asked, noted = vqa_pair(1, 2, 3)
    change(asked, noted)
    return asked, noted


QUESTIONS, ANNOTATIONS = "OpenEnded_mscoco_val2014_questions.json", "mscoco_val2014_annotations.json"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda q, a: q["questions"][1].pop("question"),
            f"{QUESTIONS}: questions[1]: field 'question': missing",
        ),
        (
            lambda q, a: q["questions"][2].update(question=" "),
            "questions[2]: field 'question': expected text",
        ),
        (lambda q, a: q["questions"][2].update(question=SUFFIX), "questions[2]: field 'question': expected"),
        (
            lambda q, a: q["questions"][1].update(image_id="x"),
            "questions[1]: field 'image_id': expected a whole number, 0 or above, got a text",
        ),
        (lambda q, a: q["questions"][1].update(image_id=True), "questions[1]: field 'image_id'"),
        (
            lambda q, a: q["questions"][2].update(question_id=1),
            "questions[2]: field 'question_id': '1' already stands in questions[0]",
        ),
        (lambda q, a: q["questions"].insert(1, "x"), "questions[1]: expected a JSON object, got a text"),
        (
            lambda q, a: a["annotations"].pop(1),
            f"questions[1]: field 'question_id': {{raw}}/{ANNOTATIONS} has no annotation of '2'",
        ),
        (
            lambda q, a: q["questions"].pop(1),
            f"annotations[1]: field 'question_id': {{raw}}/{QUESTIONS} has no question '2'",
        ),
        (
            lambda q, a: a["annotations"][2].update(answers=records(TEN[:9])),
            "annotations[2]: field 'answers': expected 10 answers, got 9",
        ),
        (
            lambda q, a: a["annotations"][2].update(answers="net"),
            "field 'answers': expected 10 answers, got 1",
        ),
        (
            lambda q, a: a["annotations"][2].update(answers=[{"answer": 3}] * 10),
            "annotations[2]: field 'answers': expected a list",
        ),
        (lambda q, a: a["annotations"][2].pop("answers"), "annotations[2]: field 'answers': missing"),
        (lambda q, a: a["annotations"][2].update(answer_type=3), "annotations[2]: field 'answer_type'"),
        (
            lambda q, a: a["annotations"][2].update(question_id=1),
            "annotations[2]: field 'question_id': '1' already stands in annotations[0]",
        ),
    ],
)
def test_a_bad_pair_is_named(
    tmp_path: Path, capsys: Capture, change: Callable[[Fields, Fields], object], message: str
) -> None:
    """Guards the join: what one file has and the other has not is an error, and never a smaller split."""
    asked, noted = changed(change)
    write(tmp_path / "raw", {QUESTIONS: asked, ANNOTATIONS: noted})
    assert message.format(raw=tmp_path / "raw") in error_of(prepare(capsys, "okvqa", tmp_path))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({QUESTIONS: vqa_pair(1)[0]}, f"{QUESTIONS} is there, but not {ANNOTATIONS}"),
        ({ANNOTATIONS: vqa_pair(1)[1]}, f"{ANNOTATIONS} is there, but not {QUESTIONS}"),
        (
            {QUESTIONS: [1], ANNOTATIONS: vqa_pair(1)[1]},
            "is no file of form 'VQA questions + annotations': expected a JSON object, got a list of 1",
        ),
        (
            {QUESTIONS: vqa_pair(1)[1], ANNOTATIONS: vqa_pair(1)[1]},
            "expected a list under 'questions', the object has annotations",
        ),
        ({QUESTIONS: {"questions": []}, ANNOTATIONS: vqa_pair(1)[1]}, "the file has no rows"),
        ({QUESTIONS: {"questions": [3]}, ANNOTATIONS: vqa_pair(1)[1]}, "the first is 3"),
        ({QUESTIONS: vqa_pair(1)[0], ANNOTATIONS: [{"question_id": 1, "answer": "net"}]}, "a list of 1"),
    ],
)
def test_what_is_missing_is_said(
    tmp_path: Path, capsys: Capture, files: dict[str, Any], message: str
) -> None:
    """Guards users with half of a benchmark, or with predictions under the name of annotations."""
    write(tmp_path / "raw", files)
    assert message in error_of(prepare(capsys, "okvqa", tmp_path))


@pytest.mark.parametrize(("first", "second"), [(1, 2), (2, 1)])
def test_pairs_are_told_apart_by_their_questions(
    tmp_path: Path, capsys: Capture, first: int, second: int
) -> None:
    """Guards two pairs in one folder: the annotations of one never answer the questions of the other."""
    asked, noted = vqa_pair(first, 3)
    other_asked, other_noted = vqa_pair(second)
    write(
        tmp_path / "raw",
        {
            "vqa_questions_a.json": asked,
            "vqa_annotations_a.json": other_noted,
            "vqa_questions_b.json": other_asked,
            "vqa_annotations_b.json": noted,
        },
    )
    assert prepare(capsys, "vqav2", tmp_path).code == 0
    assert [row["id"] for row in rows(tmp_path, "vqav2/vqav2_val.jsonl")] == [str(first), "3"]


def test_a_pair_named_by_hand(tmp_path: Path, capsys: Capture) -> None:
    """Guards --source SPLIT=QUESTIONS,ANNOTATIONS."""
    asked, noted = vqa_pair(5)
    write(tmp_path / "raw", {"q.json": asked, "a.json": noted})
    raw = tmp_path / "raw"
    source = f"okvqa_val={raw / 'q.json'},{raw / 'a.json'}"
    assert prepare(capsys, "okvqa", tmp_path, "--source", source).code == 0
    swapped = f"okvqa_val={raw / 'a.json'},{raw / 'q.json'}"
    assert "expected a list under 'questions'" in error_of(
        prepare(capsys, "okvqa", tmp_path, "--source", swapped)
    )


def test_the_wrong_number_of_rows_needs_a_word(tmp_path: Path, capsys: Capture) -> None:
    """Guards a number over part of a split that looks like one over the whole."""
    asked, noted = vqa_pair(1, 2)
    write(tmp_path / "raw", {QUESTIONS: asked, ANNOTATIONS: noted})
    assert "2 rows, but the published okvqa_val has 5046" in error_of(
        prepare(capsys, "okvqa", tmp_path, partial=False)
    )
    assert not (tmp_path / "out").exists()

"""OCR-VQA: books with several questions each."""

from pathlib import Path

import pytest

from tests.data_scripts.benchmarks.support import Capture, error_of, prepare, rows, write
from tests.data_scripts.support import Fields


def book(split: int, *pairs: tuple[str, str]) -> Fields:
    return {
        "imageURL": "http://ecx.images-amazon.com/images/I/51l6XIoa3rL.jpg",
        "questions": [question for question, _ in pairs],
        "answers": [answer for _, answer in pairs],
        "title": "x",
        "split": split,
    }


def test_ocrvqa_dataset(tmp_path: Path, capsys: Capture) -> None:
    """Guards books with several questions and the numbers of the splits: 1 train, 2 val, 3 test."""
    books = {
        "1": book(3, ("Who wrote this book?", "A. B."), ("What is the title of this book?", "x")),
        "2": book(1, ("Is this a games related book?", "No")),
        "3": book(2, ("What is the genre of this book?", "Calendars")),
        "4": book(3, ("Who wrote this book?", "")),
    }
    write(tmp_path / "raw", {"dataset.json": books})
    assert prepare(capsys, "ocrvqa", tmp_path, partial=False).code == 0
    found = rows(tmp_path, "ocrvqa/ocrvqa_test.jsonl")
    assert [(row["id"], row["image"], row["answers"]) for row in found] == [
        ("0", "ocrvqa/images/1.jpg", ["A. B."]),
        ("1", "ocrvqa/images/1.jpg", ["x"]),
        ("2", "ocrvqa/images/4.jpg", [""]),
    ]
    assert rows(tmp_path, "ocrvqa/ocrvqa_train.jsonl")[0]["image"] == "ocrvqa/images/2.jpg"
    assert rows(tmp_path, "ocrvqa/ocrvqa_val.jsonl")[0]["question"] == "What is the genre of this book?"


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (book(4, ("q", "a")), "'2': field 'split': expected 1, 2 or 3, got 4"),
        (book(3, ("q", "a")) | {"answers": ["a", "b"]}, "'2': field 'answers': 2 answers to 1 questions"),
        (book(3, ("q", "a"), (" ", "b")), "'2': field 'questions': expected text that is not blank"),
        (book(3, ("q", "a")) | {"questions": "q"}, "'2': field 'questions': expected a list"),
    ],
)
def test_a_bad_book_is_named(tmp_path: Path, capsys: Capture, record: Fields, message: str) -> None:
    """Guards the several questions of a book, which go astray together."""
    write(tmp_path / "raw", {"dataset.json": {"1": book(2, ("q", "a")), "2": record}})
    assert f"dataset.json: {message}" in error_of(prepare(capsys, "ocrvqa", tmp_path))


def test_ocrvqa_converted_ids_that_repeat(tmp_path: Path, capsys: Capture) -> None:
    """Guards files whose question_id is the picture's: rows get their number, not an error."""
    row = {"image": "x/1.jpg", "question": "Who?", "question_id": "1", "answer": "A"}
    write(tmp_path / "raw", {"ocrvqa_test.jsonl": [row, row], "ocrvqa_val.jsonl": [row]})
    assert prepare(capsys, "ocrvqa", tmp_path, partial=False).code == 0
    assert [row["id"] for row in rows(tmp_path, "ocrvqa/ocrvqa_test.jsonl")] == ["0", "1"]
    assert [row["id"] for row in rows(tmp_path, "ocrvqa/ocrvqa_val.jsonl")] == ["1"]

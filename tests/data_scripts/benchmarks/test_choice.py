"""AI2D: its own files, and rows with lettered options."""

from pathlib import Path
from typing import Any

import pytest

from tests.data_scripts.benchmarks.support import Capture, error_of, prepare, rows, write
from tests.data_scripts.support import Fields

SUFFIX = "\nAnswer with the option's letter from the given choices directly."


def lettered(text: str, **changes: Any) -> Fields:
    return {
        "image": "images/70.png",
        "question": text + SUFFIX,
        "question_id": "70.png-1",
        "answer": "B",
    } | changes


@pytest.mark.parametrize(
    ("text", "question", "choices"),
    [
        ("What?\nA. x\nB. y\nC. z\nD. w", "What?", ["x", "y", "z", "w"]),
        ("What?\nA. x\nB. y", "What?", ["x", "y"]),
        ("What?\nA. b\nB. d\nd\nC. a", "What?", ["b", "d\nd", "a"]),
        ("Two lines?\nA. Is it?\nYes\nA. x\nB. y", "Two lines?\nA. Is it?\nYes", ["x", "y"]),
        ("What?\nA. \nB. y", "What?", ["", "y"]),
        ("What is vitamin A. or B. like?\nA. C. x\nB. y", "What is vitamin A. or B. like?", ["C. x", "y"]),
    ],
)
def test_options_are_cut_from_the_question(
    tmp_path: Path, capsys: Capture, text: str, question: str, choices: list[str]
) -> None:
    """Guards the reference answer, which is an option's text: options of several lines, empty ones."""
    write(tmp_path / "raw", {"mova_test.jsonl.gz": [lettered(text)]})
    assert prepare(capsys, "ai2d", tmp_path).code == 0
    assert rows(tmp_path, "ai2d/ai2d_test.jsonl") == [
        {
            "id": "70.png-1",
            "image": "ai2d/images/70.png",
            "question": question,
            "choices": choices,
            "answer": 1,
            "category": "words",
        }
    ]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (lettered("What?"), "field 'question': expected the question and its options"),
        (lettered("What?\nA. x"), "field 'question': expected the question and its options"),
        (lettered("What?\nA. x\nC. y"), "field 'question': expected the question and its options"),
        (lettered("\nA. x\nB. y"), "field 'question': expected the question and its options"),
        (lettered("What?\nA. x\nB. y", answer="C"), "field 'answer': expected one of A, B, got 'C'"),
        (lettered("What?\nA. x\nB. y", answer="AB"), "field 'answer': expected one of A, B, got 'AB'"),
        (lettered("What?\nA. x\nB. y", answer=1), "field 'answer': expected a string"),
        (lettered("What?\nA. x\nB. y", question_id="0"), "'0' already stands on line 1"),
    ],
)
def test_a_bad_lettered_row_is_named(tmp_path: Path, capsys: Capture, row: Fields, message: str) -> None:
    """Guards rows whose options cannot be told from the question; Qwen-VL's own have none."""
    first = lettered("What?\nA. x\nB. y", question_id="0")
    write(tmp_path / "raw", {"test.jsonl": [first, row]})
    error = error_of(prepare(capsys, "ai2d", tmp_path))
    assert "test.jsonl:2: " in error
    assert message in error


def details(number: int, is_abc: bool = False, **changes: Any) -> Fields:
    return {
        "abcLabel": is_abc,
        "answerTexts": ["x", "y"],
        "correctAnswer": 1,
        "questionId": f"9.png-{number}",
    } | changes


def diagram(name: str, **questions: Fields) -> Fields:
    return {"imageName": name, "questions": questions}


def test_official_files(tmp_path: Path, capsys: Capture) -> None:
    """Guards the test split, the order of diagrams by number, and the picture whose labels are letters."""
    write(
        tmp_path / "raw",
        {
            "ai2d/questions/10.png.json": diagram("10.png", what=details(2)),
            "ai2d/questions/9.png.json": diagram("9.png", what=details(0), which=details(1, is_abc=True)),
            "ai2d/questions/8.png.json": diagram("8.png", what=details(3)),
            "ai2d_test_ids.csv": b"10\n9\n77\n",
        },
    )
    assert prepare(capsys, "ai2d", tmp_path).code == 0
    found = rows(tmp_path, "ai2d/ai2d_test.jsonl")
    assert [(row["id"], row["image"], row["category"]) for row in found] == [
        ("9.png-0", "ai2d/images/9.png", "words"),
        ("9.png-1", "ai2d/abc_images/9.png", "abc"),
        ("9.png-2", "ai2d/images/10.png", "words"),
    ]
    assert found[0]["question"] == "what"
    assert (found[0]["choices"], found[0]["answer"]) == (["x", "y"], 1)


@pytest.mark.parametrize(
    ("question", "message"),
    [
        (
            details(1, correctAnswer=2),
            "question 'what': field 'correctAnswer': expected a whole number from 0",
        ),
        (details(1, abcLabel="no"), "question 'what': field 'abcLabel': expected true or false, got a text"),
        (details(0), "question 'what': field 'questionId': '9.png-0' already stands in question 'first'"),
        (details(1, answerTexts=[]), "question 'what': field 'answerTexts': expected a list"),
        ("text", "field 'questions': 'what': expected an object, got a text"),
        (None, "field 'questions': expected an object of questions, got null"),
    ],
)
def test_a_bad_diagram_is_named(tmp_path: Path, capsys: Capture, question: Any, message: str) -> None:
    """Guards thousands of small files: the one at fault is named."""
    write(
        tmp_path / "raw",
        {
            "questions/9.png.json": diagram("9.png", first=details(0)),
            "questions/99.png.json": diagram("99.png", what=question)
            if question
            else {"imageName": "99.png"},
            "ai2d_test_ids.csv": b"9\n99\n",
        },
    )
    error = error_of(prepare(capsys, "ai2d", tmp_path))
    assert f"questions/99.png.json: {message}" in error


def test_a_list_of_diagrams_is_of_texts(tmp_path: Path, capsys: Capture) -> None:
    """Guards a list named by hand, which may be JSON and have anything in it."""
    write(
        tmp_path / "raw",
        {
            "questions/9.png.json": diagram("9.png", what=details(0)),
            "ids.json": [{"line": "9"}, {"line": 10}],
        },
    )
    raw = tmp_path / "raw"
    error = error_of(
        prepare(capsys, "ai2d", tmp_path, "--source", f"ai2d_test={raw}/questions,{raw}/ids.json")
    )
    assert "ids.json: [1]: field 'line': expected a string, got 10" in error


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"questions/9.png.json": diagram("9.png", what=details(0))}, "is there, but not ai2d_test_ids.csv"),
        ({"ai2d_test_ids.csv": b"9\n"}, "ai2d_test_ids.csv is there, but not questions"),
        (
            {"questions/9.png.json": diagram("9.png", what=details(0)), "ai2d_test_ids.csv": b"8\n"},
            "none of its diagrams is listed in",
        ),
        (
            {"questions/9.png.json": b"[1]", "ai2d_test_ids.csv": b"9\n"},
            "expected a JSON object, got a list of 1",
        ),
        ({"questions/x.txt": b"", "ai2d_test_ids.csv": b"9\n"}, "the file has no rows"),
    ],
)
def test_what_official_files_lack_is_said(
    tmp_path: Path, capsys: Capture, files: dict[str, Any], message: str
) -> None:
    """Guards the archive without its list of test diagrams: all its questions are not the test split."""
    write(tmp_path / "raw", files)
    assert message in error_of(prepare(capsys, "ai2d", tmp_path))

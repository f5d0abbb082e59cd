"""ScienceQA: its own files, Qwen-VL's rows, and LLaVA's prompts."""

from pathlib import Path
from typing import Any

import pytest

from tests.data_scripts.benchmarks.support import Capture, error_of, prepare, rows, write
from tests.data_scripts.benchmarks.test_real_data import content, real
from tests.data_scripts.support import Fields, run

ALL, IMG = "scienceqa/scienceqa_test.jsonl", "scienceqa/scienceqa_test_img.jsonl"


def problem(**changes: Any) -> Fields:
    return {
        "question": "Which?",
        "choices": ["x", "y", "z"],
        "answer": 2,
        "hint": "",
        "image": None,
        "task": "closed choice",
        "grade": "grade8",
        "subject": "natural science",
        "topic": "biology",
        "category": "Heredity",
        "skill": "s",
        "lecture": "",
        "solution": "",
        "split": "test",
    } | changes


FACTS = {"subject": "natural science", "topic": "biology", "category": "Heredity", "grade": "grade8"}
PROBLEMS = {
    "10": problem(image="image.png", hint="Look\nhere."),
    "9": problem(question="Two\nlines"),
    "8": problem(split="train"),
    "7": problem(image="image.png", split="val"),
}
SPLITS = {"train": ["8"], "val": ["7"], "test": ["9", "10"], "minitest": ["10"]}


@pytest.mark.parametrize(
    "files", [{"problems.json": PROBLEMS, "pid_splits.json": SPLITS}, {"problems.json": PROBLEMS}]
)
def test_official_files(tmp_path: Path, capsys: Capture, files: Fields) -> None:
    """Guards the test split and its order, also without the list of ids, and what each row keeps."""
    write(tmp_path / "raw", files)
    ran = prepare(capsys, "scienceqa", tmp_path)
    assert ran.code == 0, ran.err
    first = {"id": "9", "images": [], "question": "Two\nlines", "choices": ["x", "y", "z"], "answer": 2}
    second = {
        "id": "10",
        "images": ["scienceqa/images/test/10/image.png"],
        "question": "Which?",
        "hint": "Look\nhere.",
        "choices": ["x", "y", "z"],
        "answer": 2,
    }
    assert rows(tmp_path, ALL) == [first | FACTS, second | FACTS]
    assert rows(tmp_path, IMG) == [second | FACTS]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"answer": 3}, "'9': field 'answer': expected a whole number from 0 to 2, got 3"),
        ({"answer": -1}, "'9': field 'answer': expected a whole number from 0 to 2, got -1"),
        ({"choices": []}, "'9': field 'choices': expected a list of at least one string"),
        ({"split": "val"}, "'9': field 'split': expected 'test', as"),
        ({"hint": None}, "'9': field 'hint': expected a string"),
        ({"question": " "}, "'9': field 'question': expected text that is not blank"),
        ({"image": "a/.."}, "'9': field 'image': expected the path of a picture"),
    ],
)
def test_a_bad_problem_is_named(tmp_path: Path, capsys: Capture, change: Fields, message: str) -> None:
    """Guards the answer that names no option, and lists that disagree."""
    write(tmp_path / "raw", {"problems.json": {"9": problem(**change)}, "pid_splits.json": {"test": ["9"]}})
    error = error_of(prepare(capsys, "scienceqa", tmp_path))
    assert f"problems.json: {message}" in error
    assert list(tmp_path.iterdir()) == [tmp_path / "raw"]


def test_an_id_listed_twice_is_named(tmp_path: Path, capsys: Capture) -> None:
    """Guards ids of the list of the split."""
    write(tmp_path / "raw", {"problems.json": PROBLEMS, "pid_splits.json": {"test": ["9", "9"]}})
    error = error_of(prepare(capsys, "scienceqa", tmp_path))
    assert "pid_splits.json: test[1]: field 'line': '9' already stands in test[0]" in error


def test_converted_rows(tmp_path: Path, capsys: Capture) -> None:
    """Guards the published run's own rows, whose only id is the folder of the picture."""
    row = {"image": "data/scienceqa/images/test/5/image.png", "question": "Which?", "choices": ["x", "y"]}
    write(
        tmp_path / "raw",
        {
            "scienceqa_test_img.jsonl": [
                row | {"hint": "Look.", "answer": 1},
                row | {"image": "6/choice.png", "hint": None, "answer": 0},
            ]
        },
    )
    assert prepare(capsys, "scienceqa", tmp_path).code == 0
    found = rows(tmp_path, IMG)
    assert [(one["id"], one["images"], one.get("hint"), one["answer"]) for one in found] == [
        ("5", ["scienceqa/images/test/5/image.png"], "Look.", 1),
        ("6", ["scienceqa/images/test/6/choice.png"], None, 0),
    ]


def prompt(pid: str, text: str, answer: str = "A", **more: Any) -> Fields:
    turns = [{"from": "human", "value": text + "\nA. x\nB. y"}, {"from": "gpt", "value": answer}]
    return {"id": pid, "conversations": turns} | more


@pytest.mark.parametrize(
    ("text", "hint", "question"),
    [
        ("Which?", None, "Which?"),
        ("Is it?\nIt is.", None, "Is it?\nIt is."),
        ("Context: Look.\nWhich?", "Look.", "Which?"),
        ("Context: Look.\n\nFigure: it.\nSelect it.", "Look.\n\nFigure: it.", "Select it."),
        ("Context: Hint: Look.\nIs it so?\nIt is.", "Hint: Look.", "Is it so?\nIt is."),
        ("Context: Look.\nComplete the sentence.\nIt is ().", "Look.", "Complete the sentence.\nIt is ()."),
        ("Context: Is it?\nWhich?", "Is it?", "Which?"),
    ],
)
def test_contexts_are_parted_from_questions(
    tmp_path: Path, capsys: Capture, text: str, hint: str | None, question: str
) -> None:
    """Guards the published prompt, which shows context and question apart."""
    row = prompt("5", f"<image>\n{text}", "B", image="5/image.png")
    write(tmp_path / "raw", {"llava_test_CQM-A.json": [row, prompt("6", "What?")]})
    assert "a rule parts contexts" in error_of(prepare(capsys, "scienceqa", tmp_path, partial=False))
    assert prepare(capsys, "scienceqa", tmp_path).code == 0
    (found,) = rows(tmp_path, IMG)
    assert (found.get("hint"), found["question"], found["choices"], found["answer"]) == (
        hint,
        question,
        ["x", "y"],
        1,
    )
    assert [one["images"] for one in rows(tmp_path, ALL)] == [["scienceqa/images/test/5/image.png"], []]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (prompt("6", "Which?", "C"), "[1].conversations[1]: field 'value': expected one of A, B, got 'C'"),
        (prompt("5", "Which?"), "[1]: field 'id': '5' already stands in [0]"),
        ({"id": "6", "conversations": []}, "[1]: field 'conversations': expected a list of 2 turns"),
        (
            {"id": "6", "conversations": [{"value": "Which?"}, {"value": "A"}]},
            "[1].conversations[0]: field 'value': expected the question and its options",
        ),
    ],
)
def test_a_bad_prompt_is_named(tmp_path: Path, capsys: Capture, row: Fields, message: str) -> None:
    """Guards letters of options that are not there, and turns of another kind."""
    write(tmp_path / "raw", {"llava_test_CQM-A.json": [prompt("5", "Which?"), row]})
    source = f"scienceqa_test={tmp_path / 'raw/llava_test_CQM-A.json'}"
    error = error_of(prepare(capsys, "scienceqa", tmp_path, "--source", source))
    assert f"llava_test_CQM-A.json: {message}" in error


def test_real_prompts_are_the_whole_split_and_agree_with_real_problems(
    tmp_path: Path, capsys: Capture
) -> None:
    """Guards all 4,241 real questions: order, pictures, and the parts that 361 official records have too."""
    folder = real("scienceqa")
    sources = []
    for name in ("scienceqa_test", "scienceqa_test_img"):
        sources += ["--source", f"{name}={folder / 'llava_test_CQM-A.json.gz'}"]
    raw = ("prepare", "scienceqa", "--raw", folder, "--allow-partial")
    assert run(capsys, *raw, "--out", tmp_path / "out", *sources).code == 0
    ran = run(capsys, *raw, "--out", tmp_path / "official/out")
    assert ran.code == 0, ran.err
    whole = rows(tmp_path, ALL)
    assert [row["id"] for row in whole] == content(folder / "pid_splits.json")["test"]
    assert [row for row in whole if row["images"]] == rows(tmp_path, IMG)
    assert len(rows(tmp_path, IMG)) == 2_017
    by_id = {row["id"]: row for row in whole}
    part = rows(tmp_path / "official", ALL)
    assert len(part) == 361
    others = []
    for row in part:
        same = {name: value for name, value in row.items() if name not in FACTS}
        if "hint" in same:
            # this copy of problems.json says of some pictures what they show; the prompts lost double spaces
            same["hint"] = same["hint"].partition("This Punnett square is ")[0].replace("  ", " ")
            if same["hint"] != row["hint"]:
                others.append(row["id"])
        assert by_id[row["id"]] == same
    assert len(others) == 6

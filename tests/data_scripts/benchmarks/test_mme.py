"""MME: eval_tool's folders and the release."""

from pathlib import Path

import pytest

from data_scripts.forms_mme import SUBTASKS
from tests.data_scripts.benchmarks.support import Capture, error_of, prepare, rows
from tests.data_scripts.benchmarks.test_real_data import real
from tests.data_scripts.support import Fields, run

APART = ("artwork", "celebrity", "landmark", "posters", "scene")
"""Sub-tasks whose pictures have a folder of their own in the release."""


def text(path: Path, content: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")


def eval_tool(folder: Path, answer: str = "", **changes: str) -> None:
    """Two questions per sub-task, with a model's answer behind if given."""
    for name in SUBTASKS:
        lines = [
            f"7.jpg\t{name} {k}? Please answer yes or no.\t{gt}{answer}\n"
            for k, gt in enumerate(("Yes", "No"))
        ]
        text(folder / f"{name}.txt", changes.get(name, "".join(lines)))


def release(folder: Path, **changes: str) -> None:
    for name in SUBTASKS:
        lines = [f"{name} {k}? Please answer yes or no.\t{gt}\n" for k, gt in enumerate(("Yes", "No"))]
        texts, images = folder / name, folder / name
        if name in APART:
            texts, images = texts / "questions_answers_YN", images / "images"
        if name == "artwork":
            images = images / "toy_dataset"
        text(texts / "7.txt", changes.get(name, "".join(lines)))
        text(images / "7.jpg", "")


def expected(folders: dict[str, str]) -> list[Fields]:
    return [
        {
            "id": f"{name}/7.jpg#{k}",
            "image": f"mme/images/{name}/{folders.get(name, '')}7.jpg",
            "question": f"{name} {k}? Please answer yes or no.",
            "answer": answer,
            "category": name,
        }
        for name in SUBTASKS
        for k, answer in enumerate(("Yes", "No"))
    ]


@pytest.mark.parametrize("raw", ["raw", "raw/Your_Results", "raw/eval_tool/LaVIN"])
@pytest.mark.parametrize("answer", ["", "\tyes, it is", "\tno\tno"])
def test_eval_tool(tmp_path: Path, capsys: Capture, raw: str, answer: str) -> None:
    """Guards the folder itself, its parent and its parent's parent; a model's answer is not the right one."""
    eval_tool(tmp_path / raw, answer)
    text(tmp_path / "raw/eval_tool/readme.txt", "no rows here")
    ran = prepare(capsys, "mme", tmp_path)
    assert ran.code == 0, ran.err
    assert rows(tmp_path, "mme/mme.jsonl") == expected({})


@pytest.mark.parametrize("raw", ["raw", "raw/MME_Benchmark_release_version/MME_Benchmark"])
def test_release(tmp_path: Path, capsys: Capture, raw: str) -> None:
    """Guards pictures where the release has them, linked and found, and that it comes before eval_tool."""
    release(tmp_path / raw)
    ran = prepare(capsys, "mme", tmp_path, "--images", tmp_path / raw)
    assert ran.code == 0, ran.err
    folders = dict.fromkeys(APART, "images/") | {"artwork": "images/toy_dataset/"}
    assert rows(tmp_path, "mme/mme.jsonl") == expected(folders)
    assert "mme 28 2,374 14 14" in " ".join(ran.out.split())


def test_rows_of_the_two_layouts_have_the_same_ids(tmp_path: Path, capsys: Capture) -> None:
    """Guards answers scored by rows of either: only the places of pictures differ."""
    eval_tool(tmp_path / "raw")
    release(tmp_path / "two/raw")
    assert prepare(capsys, "mme", tmp_path).code == prepare(capsys, "mme", tmp_path / "two").code == 0
    first, second = (rows(folder, "mme/mme.jsonl") for folder in (tmp_path, tmp_path / "two"))
    assert [row | {"image": ""} for row in first] == [row | {"image": ""} for row in second]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            "7.jpg\tq?\tYes\n7.jpg\tq?\tyes\n",
            "color.txt:2: field 'line': expected a question, a tab, and Yes or No",
        ),
        ("7.jpg\tq?\tYes\n7.jpg\t\tNo\n", "color.txt:2: field 'line': expected a question"),
        (
            "7.jpg\tq?\tYes\n7.jpg\tq?\n",
            "color.txt:2: field 'line': expected 3 texts with tabs between, got 2",
        ),
        (
            "7.jpg\tq?\tYes\n8.jpg\tq?\tNo\n",
            "color.txt:1: field 'line': expected 2 questions about 7.jpg, got 1",
        ),
        ("7.jpg\tq?\tYes\n" * 3, "color.txt:3: field 'line': expected 2 questions about 7.jpg, got 3"),
        ("../7.jpg\tq?\tYes\n../7.jpg\tq?\tNo\n", "color.txt:1: field 'image': expected a path relative to"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, capsys: Capture, content: str, message: str) -> None:
    """Guards accuracy+, which needs both questions of a picture."""
    eval_tool(tmp_path / "raw", color=content)
    assert message in error_of(prepare(capsys, "mme", tmp_path))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("q?\tYes\n", "color/7.txt:1: field 'line': expected 2 questions about 7.jpg, got 1"),
        ("q? Yes\nq?\tNo\n", "color/7.txt:1: field 'line': expected 2 texts with tabs between, got 1"),
        ("\n", "color/7.txt:1: field 'line': expected two questions, the file is empty"),
    ],
)
def test_a_bad_file_of_the_release_is_named(
    tmp_path: Path, capsys: Capture, content: str, message: str
) -> None:
    """Guards thousands of small files: the one at fault is named."""
    release(tmp_path / "raw", color=content)
    assert message in error_of(prepare(capsys, "mme", tmp_path))


def test_what_is_missing_is_said(tmp_path: Path, capsys: Capture) -> None:
    """Guards half a download: the lost sub-tasks and pictures have names."""
    eval_tool(tmp_path / "raw/Mine")
    (tmp_path / "raw/Mine/OCR.txt").unlink()
    error = error_of(prepare(capsys, "mme", tmp_path))
    assert "expected <sub-task>.txt for 14 sub-tasks, it lacks OCR" in error
    release(tmp_path / "two/raw")
    (tmp_path / "two/raw/posters/images/7.jpg").unlink()
    error = error_of(prepare(capsys, "mme", tmp_path / "two"))
    assert "7.txt:1: field 'line': no picture 7.jpg or .png lies in" in error


def test_the_real_files(tmp_path: Path, capsys: Capture) -> None:
    """Guards all 2,374 real questions, found twice with the same content."""
    ran = run(capsys, "prepare", "mme", "--raw", real("mme"), "--out", tmp_path / "out")
    assert ran.code == 0, ran.err
    found = rows(tmp_path, "mme/mme.jsonl")
    assert len(found) == 2_374
    assert len({row["image"] for row in found}) == 1_187
    assert sum(row["answer"] == "Yes" for row in found) == 1_187
    assert "the same as" in ran.out

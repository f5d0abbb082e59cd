"""TouchStone: a table with one picture a row, or several."""

import csv
import io
import os
from pathlib import Path

import pytest

from eval_mm.data import DataRoot, load
from eval_mm.tasks import get
from tests.data_scripts.benchmarks.support import Capture, error_of, prepare, rows, write
from tests.data_scripts.benchmarks.test_mmbench import encoded, picture
from tests.data_scripts.support import run, tree

EN, ZH = "touchstone/touchstone_en.jsonl", "touchstone/touchstone_zh.jsonl"
COLUMNS = ("index", "image", "question", "human_annotation", "gpt4_ha_answer", "category", "task_name")


def row(index: int, **changes: str) -> dict[str, str]:
    cells = {
        "index": str(index),
        "image": encoded(picture(index % 250)),
        "question": f"What is {index}?",
        "human_annotation": 'Two lines,\nwith a "quote"\tand a tab.',
        "gpt4_ha_answer": "A thing.",
        "category": "recognition,comprehension",
        "task_name": "object",
    }
    return cells | changes


def table(*cells: dict[str, str], columns: tuple[str, ...] = COLUMNS) -> bytes:
    """As pandas writes it."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, delimiter="\t", lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    writer.writerows(cells)
    return text.getvalue().encode()


def test_the_whole_table(tmp_path: Path, capsys: Capture) -> None:
    """Guards the published count, the canonical row, pictures byte by byte, and --raw FILE of the README."""
    write(tmp_path / "raw", {"touchstone_20230831.tsv": table(*(row(index) for index in range(908)))})
    table_path = tmp_path / "raw/touchstone_20230831.tsv"
    ran = run(capsys, "prepare", "touchstone", "--raw", table_path, "--out", tmp_path / "out")
    assert ran.code == 0, ran.err
    found = rows(tmp_path, EN)
    assert len(found) == 908
    assert found[7] == {
        "id": "7",
        "images": ["touchstone/images/en/7.png"],
        "question": "What is 7?",
        "human_annotation": 'Two lines,\nwith a "quote"\tand a tab.',
        "reference_answer": "A thing.",
        "category": "recognition,comprehension",
        "task_name": "object",
        "language": "en",
    }
    assert (tmp_path / "out/touchstone/images/en/7.png").read_bytes() == picture(7)
    assert found[250]["images"] == ["touchstone/images/en/0.png"], "the same picture is one file"
    assert len(load(get("touchstone_en"), DataRoot(tmp_path / "out", demo=False)).samples) == 908
    assert run(capsys, "check", "touchstone", "--data", tmp_path / "out").code == 0


@pytest.mark.parametrize(
    "form", ["{}|{}", "['{}', '{}']", '["{}","{}"]', "{};{}", "data:image/png;base64,{},{}"]
)
def test_several_pictures(form: str, tmp_path: Path, capsys: Capture) -> None:
    """Guards the dimension about several pictures: all are kept, in order, whatever stands between them."""
    cell = form.format(encoded(picture(1)), encoded(picture(2)))
    write(tmp_path / "raw", {"touchstone_20230831.tsv": table(row(5, image=cell), row(2))})
    assert prepare(capsys, "touchstone", tmp_path).code == 0
    first, second = (one["images"] for one in rows(tmp_path, EN))
    assert first == ["touchstone/images/en/5.png", "touchstone/images/en/5_2.png"]
    assert second == ["touchstone/images/en/5_2.png"]
    assert {path for path in tree(tmp_path / "out") if path.endswith(".png")} == set(first)


def test_another_count_is_refused(tmp_path: Path, capsys: Capture) -> None:
    """Guards against a cut-off download; and nothing is written then."""
    write(tmp_path / "raw", {"touchstone_20230831.tsv": table(row(0))})
    said = error_of(prepare(capsys, "touchstone", tmp_path, partial=False))
    assert "1 rows, but the published touchstone_en has 908" in said
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"index": "x"}, "field 'index': expected a whole number"),
        ({"image": "!!"}, "field 'image': expected a picture in base64"),
        ({"image": "[]"}, "field 'image': expected at least one picture"),
        ({"image": encoded(b"no picture")}, "field 'image'"),
        ({"gpt4_ha_answer": " "}, "field 'gpt4_ha_answer': expected text that is not blank"),
        ({"human_annotation": ""}, "field 'human_annotation'"),
        ({"index": "0"}, "already stands on line 2"),
    ],
)
def test_bad_rows(changes: dict[str, str], said: str, tmp_path: Path, capsys: Capture) -> None:
    """Guards one line that names file, line and field."""
    write(
        tmp_path / "raw", {"touchstone_20230831.tsv": table(row(0, human_annotation="x"), row(1) | changes)}
    )
    error = error_of(prepare(capsys, "touchstone", tmp_path))
    assert said in error
    assert "touchstone_20230831.tsv:3" in error


def test_a_file_of_answers_is_no_source(tmp_path: Path, capsys: Capture) -> None:
    """Guards against preparing a submission, which has the same columns and `response`."""
    answers = table(row(0) | {"response": "x"}, columns=(*COLUMNS, "response"))
    write(tmp_path / "raw", {"touchstone_20230831.tsv": answers})
    assert "'response', as predictions have" in error_of(
        prepare(capsys, "touchstone", tmp_path, partial=False)
    )


def test_chinese(tmp_path: Path, capsys: Capture) -> None:
    """Guards the task without a public file: the same columns, any number of rows, its own language."""
    write(tmp_path / "raw", {"touchstone_zh.tsv": table(row(0, question="这是什么？"), row(1))})
    ran = prepare(capsys, "touchstone_zh", tmp_path, partial=False)
    assert ran.code == 0, ran.err
    first = rows(tmp_path, ZH)[0]
    assert (first["question"], first["language"]) == ("这是什么？", "zh")
    os.rename(tmp_path / "out" / ZH, tmp_path / "out" / EN)
    shown = run(capsys, "check", "touchstone", "--data", tmp_path / "out", "--allow-partial")
    assert "'language': expected 'en', got 'zh'" in shown.err + shown.out

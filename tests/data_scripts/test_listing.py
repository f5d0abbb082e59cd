"""`list`: what is prepared, without reading more than it must."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_scripts.benchmarks import all_benchmarks
from data_scripts.listing import Rows, look
from eval_mm import files
from tests.data_scripts.support import run


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    files.write_all({path: files.jsonl(rows)})
    return path


def line_of(out: str, name: str) -> list[str]:
    """The cells of a line, by its first."""
    return next(line for line in out.splitlines() if line.split()[:1] == [name]).split()


def test_an_empty_data_root_is_no_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Guards the first thing a new user types: every benchmark stands there, with where to get it."""
    ran = run(capsys, "list", "--data", tmp_path / "none", "--out", tmp_path / "nothing")
    assert ran.code == 0
    for name, benchmark in all_benchmarks().items():
        assert line_of(ran.out, name)[1:5] == ["0", "of", str(len(benchmark.tasks)), "-"]
        assert benchmark.home in ran.out


def test_rows_and_pictures_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Guards the numbers: rows, distinct pictures over all splits, those of them that are there."""
    for split, shift in (("testA", 0), ("testB", 2)):
        rows = [{"id": str(i), "image": f"coco/train2014/{i // 2 + shift}.jpg"} for i in range(8)]
        write(tmp_path / f"refcoco/refcoco_{split}.jsonl", rows)
    folder = tmp_path / "coco/train2014"
    folder.mkdir(parents=True)
    for number in (0, 1, 2, 77):
        (folder / f"{number}.jpg").touch()
    ran = run(capsys, "list", "--data", tmp_path, "--out", tmp_path / "downloads")
    cells = line_of(ran.out, "refcoco")
    assert cells[:11] == ["refcoco", "2", "of", "8", "16", "57,457", "3", "of", "6", "0", "of"]
    ran = run(capsys, "list", "refcoco", "--data", tmp_path)
    assert line_of(ran.out, "refcoco_testA")[2:] == ["8", "5,657", "3", "of", "4"]
    assert line_of(ran.out, "refcoco_val")[2:] == ["-", "10,834", "-"]


def test_what_was_fetched_is_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Guards the column that tells a user to go on with fetch; half a file does not count."""
    folder = tmp_path / "textvqa"
    folder.mkdir()
    (folder / "TextVQA_0.5.1_val.json").touch()
    (folder / "train_val_images.zip.part").touch()
    ran = run(capsys, "list", "--data", tmp_path / "data", "--out", tmp_path)
    assert " 1 of 2 " in next(line for line in ran.out.splitlines() if line.startswith("textvqa"))


NAMES = st.text(
    st.characters(exclude_categories=["Cs"]) | st.sampled_from('"\\/{}:,\u2028\r\n'), min_size=1, max_size=12
)


@given(images=st.lists(NAMES, max_size=5), question=NAMES)
def test_names_are_those_json_reads(
    images: list[str], question: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Guards the short cut through the bytes: whatever stands in a row, it reads what JSON does."""
    path = tmp_path_factory.mktemp("rows") / "rows.jsonl"
    nested = f'"image": "{question}"'
    write(path, [{"id": nested, "image": image, "question": nested, "image_": nested} for image in images])
    found = look(path)
    assert found.number == len(images)
    assert found.pictures == set(images)


def test_rows_of_other_forms_count(tmp_path: Path) -> None:
    """Guards rows with several pictures or none, other spacing, blank lines, and lines that are no JSON."""
    path = tmp_path / "rows.jsonl"
    rows = [
        json.dumps({"id": "1", "images": ["a/1.jpg", "a/2.jpg"]}),
        "",
        '{"id":"2","image":"a/3.jpg"}',
        '{"id": "3"}',
        '{"id": "4", "image": "a/5',
        "[1]",
        '{"id": "5", "image": 7}',
    ]
    path.write_text("\n".join(rows))
    assert look(path) == Rows(6, frozenset({"a/1.jpg", "a/2.jpg", "a/3.jpg"}))


def test_an_unknown_benchmark_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """Guards a typing error against a traceback."""
    with pytest.raises(SystemExit) as ended:
        run(capsys, "list", "nosuch")
    assert ended.value.code == 2

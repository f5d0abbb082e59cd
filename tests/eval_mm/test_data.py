"""Rows are checked one by one, and every complaint names file, line and field."""

import json
from pathlib import Path
from typing import Any

import pytest

from eval_mm import tasks
from eval_mm.data import DEMO_ROOT, Selection, find_root, load
from eval_mm.errors import DataError, UserError
from tests.eval_mm.support import rows, write_data

TASK = tasks.get("refcoco_val")


def changed(index: int, **fields: Any) -> list[dict[str, Any]]:
    table = rows(8)
    table[index] = {key: value for key, value in {**table[index], **fields}.items() if value is not ...}
    return table


BAD_ROWS = [
    ("missing key", changed(2, box=...), 3, "box", "missing"),
    ("missing id", changed(2, id=...), 3, "id", "missing"),
    ("id not a string", changed(2, id=7), 3, "id", "expected a string"),
    ("empty id", changed(2, id=""), 3, "id", "not blank"),
    ("box with three numbers", changed(4, box=[1, 2, 3]), 5, "box", "expected 4 numbers"),
    ("box with text", changed(4, box=[1, 2, 3, "4"]), 5, "box", "expected 4 numbers"),
    ("box with NaN", changed(4, box=[1, 2, 3, float("nan")]), 5, "box", "expected 4 numbers"),
    ("box with a boolean", changed(4, box=[True, 2, 3, 4]), 5, "box", "expected 4 numbers"),
    ("box inside out", changed(4, box=[5, 2, 3, 4]), 5, "box", "x1 < x2"),
    ("absolute image", changed(0, image="/etc/passwd"), 1, "image", "data root"),
    ("image outside", changed(0, image="a/../../b.png"), 1, "image", "data root"),
    ("image empty", changed(0, image=""), 1, "image", "data root"),
    ("image of another system", changed(0, image="a\\b.png"), 1, "image", "data root"),
    ("width zero", changed(1, width=0), 2, "width", "above 0"),
    ("width as text", changed(1, width="640"), 2, "width", "whole number"),
    ("height as fraction", changed(1, height=1.5), 2, "height", "whole number"),
    ("duplicate id", changed(5, id="s1"), 6, "id", "already stands on line 2"),
    ("half a surrogate", changed(5, expression="\ud800"), 6, "expression", "surrogate"),
]


@pytest.mark.parametrize(("lines", "line", "field", "words"), [row[1:] for row in BAD_ROWS], ids=lambda v: "")
def test_bad_field_is_named(tmp_path: Path, lines: list[Any], line: int, field: str, words: str) -> None:
    """A bad row once gave a KeyError from deep inside, after hours of inference."""
    file = write_data(tmp_path, lines) / TASK.path
    with pytest.raises(DataError) as caught:
        load(TASK, find_root(tmp_path))
    message = str(caught.value)
    assert message.startswith(f"{file}:{line}: field '{field}': ")
    assert words in message
    assert "\n" not in message


BAD_LINES = [
    ('{"id": "a",', "not valid JSON"),
    ("[1, 2]", "expected a JSON object"),
    ("7", "expected a JSON object"),
    ('{"id": "a", "id": "b"}', "the key 'id' stands twice"),
    ("[" * 100_000, "not usable JSON"),
    ('{"id": ' + "9" * 5_000 + "}", "not usable JSON"),
]


@pytest.mark.parametrize(("text", "words"), BAD_LINES, ids=[words for _, words in BAD_LINES])
def test_wrong_json_on_line_7(tmp_path: Path, text: str, words: str) -> None:
    """The line of broken JSON is named, not only that the file is broken."""
    file = write_data(tmp_path, [*rows(6), text, *rows(8)[7:]]) / TASK.path
    with pytest.raises(DataError, match=words) as caught:
        load(TASK, find_root(tmp_path))
    assert str(caught.value).startswith(f"{file}:7: ")


def test_not_utf8(tmp_path: Path) -> None:
    """A Latin-1 file gets its line named instead of a UnicodeDecodeError."""
    file = write_data(tmp_path, rows(2)) / TASK.path
    file.write_bytes(file.read_bytes() + b'{"id": "caf\xe9"}\n')
    with pytest.raises(DataError, match="not UTF-8") as caught:
        load(TASK, find_root(tmp_path))
    assert str(caught.value).startswith(f"{file}:3: ")


def test_a_picture_has_one_name(tmp_path: Path) -> None:
    """Two spellings of one path are one picture: it is read once, and its questions are asked together."""
    write_data(tmp_path, changed(0, image="./pictures//./0.png/"))
    assert load(TASK, find_root(tmp_path)).samples[0].images[0].path == "pictures/0.png"


@pytest.mark.parametrize("text", ["", "\n\n  \n"])
def test_empty_file(tmp_path: Path, text: str) -> None:
    """An empty file is an error, not an accuracy of 0/0."""
    (write_data(tmp_path, []) / TASK.path).write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match="no rows"):
        load(TASK, find_root(tmp_path))


def test_blank_lines_and_byte_order_mark_are_harmless(tmp_path: Path) -> None:
    """Editors leave both behind; line numbers in errors still count them."""
    file = write_data(tmp_path, rows(3)) / TASK.path
    file.write_text("\ufeff" + file.read_text(encoding="utf-8") + "\n \n", encoding="utf-8")
    assert [sample.id for sample in load(TASK, find_root(tmp_path)).samples] == ["s0", "s1", "s2"]


def test_line_separators_inside_text_do_not_split_rows(tmp_path: Path) -> None:
    """U+2028 inside a JSON string is text: str.splitlines would tear the row in two."""
    lines = [json.dumps({**row, "expression": "a\u2028b\x0bc"}, ensure_ascii=False) for row in rows(2)]
    write_data(tmp_path, lines)
    assert [sample.question for sample in load(TASK, find_root(tmp_path)).samples] == ["a\u2028b\x0bc"] * 2


def test_a_huge_number_is_no_crash(tmp_path: Path) -> None:
    """A 400-digit integer is beyond float: it must be refused, not overflow."""
    write_data(tmp_path, changed(0, box=[0, 0, 10**400, 5]))
    with pytest.raises(DataError, match="expected 4 numbers"):
        load(TASK, find_root(tmp_path))


def test_limit_takes_the_first_and_sample_is_seeded(tmp_path: Path) -> None:
    """--limit and --sample choose rows, keep file order, and count the whole file."""
    root = find_root(write_data(tmp_path, rows(50)))
    assert [s.id for s in load(TASK, root, Selection(limit=3)).samples] == ["s0", "s1", "s2"]
    first = load(TASK, root, Selection(sample=10, seed=1))
    again = load(TASK, root, Selection(sample=10, seed=1))
    other = load(TASK, root, Selection(sample=10, seed=2))
    ids = [s.id for s in first.samples]
    assert ids == [s.id for s in again.samples] != [s.id for s in other.samples]
    assert len(set(ids)) == 10
    assert ids == sorted(ids, key=lambda name: int(name[1:]))
    assert first.num_rows == 50
    assert (
        len(load(TASK, root, Selection(sample=99)).samples)
        == len(load(TASK, root, Selection(99)).samples)
        == 50
    )


def test_the_data_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """--data, then EVAL_MM_DATA, then ./data, then the demo: never a silent mix."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("EVAL_MM_DATA", raising=False)
    assert find_root() == find_root("demo")
    assert find_root().demo
    assert find_root(DEMO_ROOT).demo
    (tmp_path / "data").mkdir()
    assert find_root().path == Path("data")
    assert not find_root().demo
    (tmp_path / "other").mkdir()
    monkeypatch.setenv("EVAL_MM_DATA", str(tmp_path / "other"))
    assert find_root().path == tmp_path / "other"
    assert find_root(tmp_path).path == tmp_path
    monkeypatch.setenv("EVAL_MM_DATA", str(tmp_path / "absent"))
    with pytest.raises(UserError, match=r"EVAL_MM_DATA .*absent: no such folder"):
        find_root()
    with pytest.raises(UserError, match=r"--data .*nowhere: no such folder"):
        find_root(tmp_path / "nowhere")


def test_a_task_that_is_not_prepared(tmp_path: Path) -> None:
    """The missing file is named together with the way to get it."""
    with pytest.raises(UserError, match=r"refcoco_val\.jsonl: no such file.*data_scripts"):
        load(TASK, find_root(tmp_path))

"""Reading published files: whatever their packing, whatever their damage."""

import gzip
import io
import json
import tarfile
import tracemalloc
import zipfile
from pathlib import Path

import pytest

from data_scripts import source
from eval_mm import files
from eval_mm.data import Row
from eval_mm.errors import DataError

VALUE = {"data": [{"a": 1}]}
TEXT = json.dumps(VALUE).encode()


def tar(name: str, content: bytes) -> bytes:
    """A packed archive of one file."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        info = tarfile.TarInfo(name)
        info.size = len(content)
        archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def zipped(name: str, content: bytes) -> bytes:
    """The same as zip."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(name, content)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("q.json", TEXT),
        ("q.json", b"\xef\xbb\xbf" + TEXT),
        ("q.json.gz", gzip.compress(TEXT, mtime=0)),
        ("q.gzip", gzip.compress(TEXT, mtime=0)),
        ("q.json", gzip.compress(TEXT, mtime=0)),
        ("q.tar.gz", tar("folder/q.json", TEXT)),
        ("q.json.zip", zipped("q.json", TEXT)),
        ("q.tgz", tar("q.json", TEXT)),
    ],
)
def test_every_packing_reads_the_same(tmp_path: Path, name: str, content: bytes) -> None:
    """Guards packing known by name alone, a byte order mark, an archive's inner folder."""
    (tmp_path / name).write_bytes(content)
    assert source.read(tmp_path / name).value == VALUE
    assert source.find(tmp_path, (), ("Q.json",)) == [tmp_path / name]


@pytest.mark.parametrize("name", ["q.jsonl", "q.json", "q.jsonl.gz"])
def test_lines_of_json_are_rows_whatever_the_name(tmp_path: Path, name: str) -> None:
    """Guards JSONL files called .json; the line number of a row counts blank lines."""
    content = b'{"a": 1}\n\n{"a": 2}\n'
    (tmp_path / name).write_bytes(gzip.compress(content, mtime=0) if name.endswith(".gz") else content)
    rows = source.read(tmp_path / name).value
    assert [(row.fields, row.line) for row in rows] == [({"a": 1}, 1), ({"a": 2}, 3)]


def test_text_lines_end_at_line_feeds_only(tmp_path: Path) -> None:
    """Guards captions with U+2028 or a form feed: a line more would give every picture the next one's."""
    (tmp_path / "c.1.en").write_text("a\u2028b\r\n\nc\x0cd\n", newline="", encoding="utf-8")
    rows = source.read(tmp_path / "c.1.en").value
    assert [row.fields["line"] for row in rows] == ["a\u2028b", "", "c\x0cd"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("q.json", b"", "the file has no rows"),
        ("q.json", b'{"data": [\n  {"a": 1},\n', "q.json:3: not valid JSON: "),
        ("q.json", b"[1] [2]", "not valid JSON: Extra data at column 5"),
        ("q.json", b"<html>404</html>", "q.json:1: not valid JSON"),
        ("q.json", '{"a": "é"}'.encode("latin-1"), "not UTF-8 text (byte 8)"),
        ("q.json", '{"a": 1}'.encode("utf-16"), "not UTF-8 text (byte 1)"),
        ("q.json", b"[" * 200_000, "not usable JSON: maximum recursion depth"),
        ("q.json", b"[" + b"9" * 5000 + b"]", "not usable JSON: Exceeds the limit"),
        ("q.json", b'{"1": {}, "2": {}, "1": {}}', "not usable JSON: the key '1' stands twice in one object"),
        ("q.jsonl", b'{"a": 1}\n{"a": \n', "q.jsonl:2: not valid JSON"),
        ("q.jsonl", b'{"a": 1}\n[1]\n', "q.jsonl:2: expected a JSON object, got [1]"),
        ("q.json.gz", gzip.compress(TEXT * 999, mtime=0)[:-30], "the gzip file is damaged or cut off"),
        ("q.json.gz", b"\x1f\x8bnonsense", "the gzip file is damaged or cut off"),
        ("q.tar.gz", tar("q.json", TEXT * 999)[:-40], "truncated or damaged"),
        ("q.tar.gz", tar("other.json", TEXT), "the member wanted is not in the archive; it has other.json"),
        ("q.zip", zipped("q.json", TEXT)[:-9], "truncated or damaged"),
        ("q.txt", b"caf\xe9", "not UTF-8 text (byte 4)"),
    ],
)
def test_a_damaged_file_is_one_line(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    """Guards against tracebacks of decoders, whatever an interrupted download left."""
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError) as error:
        source.read(tmp_path / name)
    assert message in str(error.value)
    assert str(tmp_path / name) in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["q.json.gz", "q.json", "q.tar.gz"])
def test_a_bomb_is_not_read(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards the memory: 0.6 MB packed can hold a gigabyte of blanks."""
    monkeypatch.setattr(files, "SMALL", 1 << 20)
    blanks = b" " * (8 << 20)
    (tmp_path / name).write_bytes(
        tar("q.json", blanks) if name == "q.tar.gz" else gzip.compress(blanks, mtime=0)
    )
    tracemalloc.start()
    with pytest.raises(DataError, match=r"has more than \d[\d,]+ bytes") as error:
        source.read(tmp_path / name)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert str(tmp_path / name) in str(error.value)
    assert peak < 6 << 20


def test_files_that_pack_well_are_read(tmp_path: Path) -> None:
    """Guards real annotations, of hundreds of MB at times: those that pack 200 times, small ones more."""
    rows = [{"question_id": 262148000 + number, "answer": "yes"} for number in range(100_000)]
    (tmp_path / "q.json.gz").write_bytes(gzip.compress(json.dumps(rows).encode(), mtime=0))
    assert source.read(tmp_path / "q.json.gz").value == rows
    (tmp_path / "q.txt.gz").write_bytes(gzip.compress((b" " * 1023 + b"\n") * 8192, mtime=0))
    assert len(source.read(tmp_path / "q.txt.gz").value) == 8192


@pytest.mark.parametrize(
    "names",
    [
        ["9.png", "10.png", "010b.png", "11.png"],
        ["a1.png", "a2.png", "a10.png", "a10b.png", "b.png"],
        ["1.json", "²1.json"],
        ["1", "9" * 5000, "1" + "0" * 5000],
    ],
)
def test_names_are_ordered_by_number(names: list[str]) -> None:
    """Guards names that are no numbers for int(): a superscript two, thousands of digits."""
    assert sorted(reversed(names), key=source.natural) == names


def test_answer_records_become_texts(tmp_path: Path) -> None:
    """Guards the memory of two million answers, and the text of each."""
    record = {"answer": "net", "answer_confidence": "yes", "answer_id": 1}
    (tmp_path / "a.json").write_text(json.dumps([{"answers": [record, {"answer": "x"}]}]))
    assert source.read(tmp_path / "a.json").value == [{"answers": ["net", {"answer": "x"}]}]


def test_the_structural_type_of_gqa_survives(tmp_path: Path) -> None:
    """Guards `types.semantic`, which has the name of a field that is thrown away."""
    asked = {"semanticStr": "select", "semantic": [{}], "types": {"semantic": "rel", "structural": "query"}}
    (tmp_path / "q.json").write_text(json.dumps({"1": asked}))
    assert source.read(tmp_path / "q.json").value == {
        "1": {"types": {"semantic": "rel", "structural": "query"}}
    }


def test_names_are_looked_for_in_order_and_litter_is_not(tmp_path: Path) -> None:
    """Guards the search: folders inside, any case, no hidden files, no folder where a file is meant."""
    (tmp_path / "Annotations").mkdir()
    (tmp_path / "val.json").mkdir()
    for name in ("._val.json", "val.JSON.gz", "Annotations/val.json", "val.txt"):
        (tmp_path / name).touch()
    found = source.find(tmp_path, ("Annotations", "no"), ("val.json",))
    assert [path.relative_to(tmp_path).as_posix() for path in found] == [
        "val.JSON.gz",
        "Annotations/val.json",
    ]


@pytest.mark.parametrize("value", ["", "a/", "..", "a/..", "a\\b.jpg", "a/b\n.jpg", "a/\x00.jpg"])
def test_a_path_that_names_no_picture(value: str) -> None:
    """Guards the data root: a name that leads elsewhere, or that no canonical row may have."""
    with pytest.raises(DataError, match="expected the path of a picture with '/'"):
        source.file_name(Row({"image": value}, Path("q.jsonl"), 1), "image")


@pytest.mark.parametrize(("value", "text"), [(7, "7"), ("7", "7"), (0, "0")])
def test_identifiers_are_numbers_or_texts(value: object, text: str) -> None:
    """Guards ids that one publisher writes as numbers and another as texts."""
    assert source.identifier(Row({"id": value}, Path("q.jsonl"), 1), "id") == text


@pytest.mark.parametrize("value", [True, None, 1.5, "", [1], "a\nb"])
def test_other_identifiers_are_refused(value: object) -> None:
    """Guards against ids such as 'True' or '1.5' that no prediction file has."""
    with pytest.raises(DataError, match="field 'id'"):
        source.identifier(Row({"id": value}, Path("q.jsonl"), 1), "id")

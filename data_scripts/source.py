"""Reading what a benchmark's authors publish: JSON, JSONL, tables, lines, packed or not, folders of JSON.

Every fault is one line that names the file and the place in it: a line, or the way to an item of a document
(`questions[41]`). A file is known by its content, not by its name: gzip by its first bytes, JSONL by a second
value after the first.
"""

import csv
import io
import json
import re
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NamedTuple

from data_scripts import archives
from eval_mm import files
from eval_mm.data import Row, parse_row, without_repeats
from eval_mm.errors import DataError

ARCHIVES = (".tar.gz", ".tgz", ".zip")
PACKED = (*ARCHIVES, ".gzip", ".gz")
"""Endings that say how a file is packed and that its name is looked for without."""

GQA_PROGRAM = ("semantic", "semanticStr", "entailed", "equivalent", "annotations")
"""What a question of GQA has besides; nobody reads it, and its training file has 800 MB of it."""


class Item(Row):
    """An object inside a JSON document, or a whole file of a folder; it has a place instead of a line."""

    __slots__ = ("place",)

    def __init__(self, fields: dict[str, Any], path: Path, place: str):
        super().__init__(fields, path, 0)
        self.place = place

    def error(self, field: str, message: str) -> DataError:
        """The error to raise when `field` is not what it should be."""
        place = f"{self.place}: " if self.place else ""
        return DataError(self.path, f"{place}field '{field}': {message}")


class Document(NamedTuple):
    """A file as read. `value` is its JSON; of JSONL, of tables and of lines of text a list of `Row`."""

    path: Path
    value: Any


def read(path: Path) -> Document:
    """A file, or a folder whose JSON files are its rows.

    Raises:
        DataError: no content, neither JSON nor JSONL nor UTF-8 text, a damaged or truncated archive, an
            archive without a file of its name, a table with rows of different lengths.
    """
    if path.is_dir():
        inner = sorted(path.glob("*.json"))
        return Document(
            path, [Item(_object(_document(file, _unpacked(file)), file), file, "") for file in inner]
        )
    content = _unpacked(path)
    name = plain_name(path.name)
    if name.endswith((".txt", ".csv", ".en")):
        return Document(path, text_lines(path, content))
    if name.endswith(".tsv"):
        return Document(path, _table(path, content))
    if not content.strip():
        raise DataError(path, "the file has no rows")
    if name.endswith(".jsonl"):
        return Document(path, _rows(path, content))
    return Document(path, _document(path, content))


def plain_name(name: str) -> str:
    """A file's name without the ending that says how it is packed."""
    for ending in PACKED:
        if name.lower().endswith(ending):
            return name[: -len(ending)]
    return name


def find(raw: Path, folders: Sequence[str], names: Sequence[str]) -> list[Path]:
    """The files in `raw` and its `folders` whose name fits one of the patterns, plain or packed.

    Case does not matter, and a packed file may lack its `.json` (`questions.tar.gz`). A pattern without a dot
    names a folder, the pattern "." `raw` itself.
    """
    found = [raw] if "." in names else []
    for folder in (raw, *(raw / name for name in folders)):
        if folder.is_dir():
            for path in sorted(path for path in folder.iterdir() if not path.name.startswith(".")):
                plain = plain_name(path.name).lower()
                shown = {plain, f"{plain}.json"} if plain != path.name.lower() else {plain}
                for pattern in names:
                    fits = any(fnmatchcase(name, pattern.lower()) for name in shown)
                    if fits and path.is_dir() == ("." not in pattern):
                        found.append(path)
                        break
    return found


def claim(seen: dict[str, Row], row: Row, field: str, value: str) -> str:
    """`value`, noted in `seen` with its row; raises DataError where an earlier row of the file has it."""
    if value in seen:
        raise row.error(field, f"'{value}' already stands {where(seen[value])}; ids must be unique in a file")
    seen[value] = row
    return value


def natural(name: str) -> list[tuple[int, str]]:
    """A sorting key by which 9.png stands before 10.png."""
    key: list[tuple[int, str]] = []
    for part in re.split("([0-9]+)", name):
        digits = part.lstrip("0")  # of the same length they are ordered as numbers; int() takes 4,300 at most
        key.append((len(digits), digits) if part.isdecimal() else (0, part))
    return key


def where(row: Row) -> str:
    """The place of a row inside its file."""
    if isinstance(row, Item):
        return f"in {row.place or row.path}"
    return f"on line {row.line}"


def identifier(row: Row, field: str) -> str:
    """A text of one line or a whole number, as text."""
    value = row.fields.get(field)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return row.identifier(field)


def file_name(row: Row, field: str) -> str:
    """The last part of a picture's path; raises DataError where that names no file."""
    name = row.string(field).rsplit("/", 1)[-1]
    if name in ("", ".", "..") or "\\" in name or not name.isprintable():
        raise row.error(field, f"expected the path of a picture with '/', got '{row.string(field)}'")
    return name


def _unpacked(path: Path) -> bytes:
    if path.name.lower().endswith(ARCHIVES):
        name = plain_name(path.name)
        wanted = (name, f"{name}.json", f"{name}.jsonl")
        return archives.open_member(path, lambda member: member.rsplit("/", 1)[-1] in wanted)[1]
    return files.unpacked(path.read_bytes(), path)


def _text(path: Path, content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(path, f"not UTF-8 text (byte {error.start + 1})") from None


def text_lines(path: Path, content: bytes) -> list[Row]:
    """Lines of text as rows with the one field `line`."""
    lines = _ended(_text(path, content).split("\n"))
    return [Row({"line": line.removesuffix("\r")}, path, number) for number, line in enumerate(lines, 1)]


def _table(path: Path, content: bytes) -> list[Row]:
    """The rows of a tab-separated table, every cell a text; its first line names the columns.

    A cell in quotes may have line ends, and pictures as base64 make cells of megabytes.
    """
    _text(path, content)
    lines = io.TextIOWrapper(io.BytesIO(content), "utf-8-sig", newline="")
    reader = csv.reader(lines, delimiter="\t", strict=True)
    previous = csv.field_size_limit(max(len(content), 1))
    rows: list[Row] = []
    start = 1
    names: list[str] = []
    try:
        for cells in reader:
            if not names:
                names = cells
                if len(set(names)) < len(names):
                    raise DataError(path, f"a column stands twice: {', '.join(names)}"[:200], start)
            elif cells:
                if len(cells) != len(names):
                    raise DataError(path, f"{len(cells)} cells in a table of {len(names)} columns", start)
                rows.append(Row(dict(zip(names, cells, strict=True)), path, start))
            start = reader.line_num + 1
    except csv.Error as error:
        raise DataError(path, f"not a table with tabs: {error}", start) from None
    finally:
        csv.field_size_limit(previous)
    return rows


def _ended(lines: list[str]) -> list[str]:
    """Without the nothing behind the last line end."""
    return lines[:-1] if lines and not lines[-1] else lines


def _document(path: Path, content: bytes) -> Any:
    """The JSON of a file, or the rows of a JSONL file that has not the name of one."""
    text = _text(path, content)
    try:
        return json.loads(text, object_pairs_hook=_slim)
    except json.JSONDecodeError as error:
        rest = text[error.pos :].lstrip(",")
        if error.msg == "Extra data" and ("\n" in text[: error.pos] or rest[:1] in ("\r", "\n")):
            return _rows(path, content)
        raise DataError(path, f"not valid JSON: {error.msg} at column {error.colno}", error.lineno) from None
    except (ValueError, RecursionError) as error:  # numbers of thousands of digits, thousands of brackets
        raise DataError(path, f"not usable JSON: {error}") from None


def _rows(path: Path, content: bytes) -> list[Row]:
    """Lines of JSON; some repositories end each with a comma."""
    lines = enumerate(content.split(b"\n"), 1)
    return [
        parse_row(text.rstrip().removesuffix(b","), path, number) for number, text in lines if text.strip()
    ]


def _object(value: Any, path: Path) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise DataError(path, f"expected a JSON object, got {kind(value)}")
    return value


def kind(value: Any) -> str:
    """What a JSON value is, in a word or two."""
    if isinstance(value, list):
        return f"a list of {len(value)}"
    return {dict: "an object", str: "a text", type(None): "null"}.get(type(value), json.dumps(value)[:80])


def _slim(pairs: list[tuple[str, Any]]) -> Any:
    """A JSON object without what nobody reads; the record of one person's answer becomes its text.

    VQAv2 has two million such records, which as objects take a gigabyte.
    """
    found = without_repeats(pairs)
    if "answer_confidence" in found and isinstance(found.get("answer"), str):
        return found["answer"]
    if "semanticStr" in found:
        for name in GQA_PROGRAM:
            found.pop(name, None)
    return found


def items(path: Path, values: Sequence[Any], place: str) -> Iterator[Row]:
    """The objects of a list inside a document; `place` is the way to the list."""
    for index, value in enumerate(values):
        if isinstance(value, Row):
            yield value
        elif isinstance(value, dict):
            yield Item(value, path, f"{place}[{index}]")
        else:
            raise DataError(path, f"{place}[{index}]: expected a JSON object, got {kind(value)}")

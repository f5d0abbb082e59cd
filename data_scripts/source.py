"""Reading official files: plain or gzip, every fault as one line that names file and line."""

import gzip
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from eval_mm.data import Row, parse_row
from eval_mm.errors import DataError, UserError

GZIP_MAGIC = b"\x1f\x8b"


def read(path: Path) -> Iterator[Row]:
    """The rows of a JSONL file, blank lines skipped; gzip is known by its content, not by its name.

    Raises:
        DataError: no rows, a line that is no JSON object, a damaged or truncated archive.
    """
    number = 0
    empty = True
    with path.open("rb") as file:
        packed = file.read(2) == GZIP_MAGIC
    with gzip.open(path) if packed else path.open("rb") as lines:
        try:
            for number, text in enumerate(lines, 1):
                if text.strip():
                    empty = False
                    yield parse_row(text, path, number)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise DataError(
                path, f"the gzip file is truncated or damaged ({error}); download it again", number + 1
            ) from None
    if empty:
        raise DataError(path, "the file has no rows")


def find(raw: Path, folders: Sequence[str], names: Sequence[str], avoid: Path) -> Path | None:
    """The one file in `raw` or its `folders` that has one of the names, plain or with .gz; None without one.

    `avoid` is the file that will be written: rows prepared earlier are no source, and a source is never
    overwritten.

    Raises:
        UserError: several such files, of which we would have to pick one; or only `avoid` itself.
    """
    found = [
        path
        for folder in (raw, *(raw / folder for folder in folders))
        for name in names
        for path in (folder / name, folder / f"{name}.gz")
        if path.is_file()
    ]
    sources = [path for path in found if not (avoid.exists() and path.samefile(avoid))]
    if len(sources) > 1:
        raise UserError(
            f"both {sources[0]} and {sources[1]} are there; keep the one that is meant under --raw"
        )
    if found and not sources:
        raise UserError(
            f"{found[0]} would be read and overwritten; move the official files to a folder of their own and "
            f"name it with --raw, or name another --out"
        )
    return sources[0] if sources else None


def claim(seen: dict[str, int], row: Row, field: str, value: str) -> str:
    """`value`, noted in `seen` with its line; raises DataError where an earlier row of the file has it."""
    if value in seen:
        raise row.error(
            field, f"'{value}' already stands on line {seen[value]}; ids must be unique in a file"
        )
    seen[value] = row.line
    return value


def file_name(row: Row, field: str) -> str:
    """The last part of a picture's path; raises DataError where that names no file."""
    name = row.string(field).rsplit("/", 1)[-1]
    if name in ("", ".", "..") or "\\" in name or "\0" in name:
        raise row.error(field, f"expected the path of a picture with '/', got '{row.string(field)}'")
    return name

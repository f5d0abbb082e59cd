"""Writing files: all of them or none, and never half of one. Reading packed ones."""

import gzip
import json
import os
import zlib
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from eval_mm.errors import DataError

GZIP_MAGIC = b"\x1f\x8b"

ESCAPES = "backslashreplace"
"""Half a surrogate pair, which JSON can hold and UTF-8 cannot, is written as its JSON escape."""


def unpacked(raw: bytes, path: Path) -> bytes:
    """The content of a file that may be packed with gzip, known by its first bytes; DataError if damaged."""
    if not raw.startswith(GZIP_MAGIC):
        return raw
    try:
        return gzip.decompress(raw)
    except (EOFError, gzip.BadGzipFile, zlib.error):
        raise DataError(path, "the gzip file is damaged or cut off") from None


def jsonl(rows: Iterable[Mapping[str, Any]]) -> bytes:
    """Rows as lines of UTF-8 JSON, keys in the order given."""
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode("utf-8", ESCAPES)


def write_text(path: Path, text: str) -> None:
    """Writes the whole file or nothing."""
    write_all({path: text.encode("utf-8", ESCAPES)})


def write_json(path: Path, value: Any) -> None:
    """Writes a JSON file, indented, the whole file or nothing."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def write_all(contents: Mapping[Path, bytes]) -> None:
    """Writes every file beside its final name first and renames only when all are complete.

    A reader never sees a half-written file, and a full disk leaves what was there before.
    """
    temporary = {path: path.with_name(f".{path.name}.{os.getpid()}.tmp") for path in contents}
    try:
        for path, content in contents.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary[path].write_bytes(content)
        for path in contents:
            temporary[path].replace(path)
    finally:
        for path in temporary.values():
            with suppress(FileNotFoundError, NotADirectoryError):
                path.unlink()

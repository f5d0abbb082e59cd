"""Small official files in both published forms, and one call of the command line."""

import gzip
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from data_scripts.__main__ import main

Fields = dict[str, Any]


class Ran(NamedTuple):
    code: int
    out: str
    err: str


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> Ran:
    """`python -m data_scripts ARGUMENTS`."""
    capsys.readouterr()
    code = main([str(argument) for argument in arguments])
    return Ran(code, *capsys.readouterr())


def rec_row(index: int, **changes: Any) -> Fields:
    """A row of the REC form; pictures repeat every three rows."""
    row = {
        "img_path": f"COCO_train2014_{index // 3:012d}.jpg",
        "expression": f"thing {index} – «links»",
        "bbox": [1.5, 2, 30.25, 40],
        "sent_id": 1000 + index,
        "width": 64,
        "height": 48,
    }
    return row | changes


def converted_row(index: int, **changes: Any) -> Fields:
    """A row of the form of Qwen-VL's converted files."""
    row = {
        "image": f"data/coco/train2014/COCO_train2014_{index // 3:012d}.jpg",
        "sent": f"thing {index} – «links»",
        "bbox": [1.5, 2, 30.25, 40],
        "width": 64,
        "height": 48,
    }
    return row | changes


def lines(rows: Sequence[Mapping[str, Any]]) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def write_raw(raw: Path, name: str, content: bytes) -> Path:
    """A file of the official folder, packed if its name ends so."""
    raw.mkdir(exist_ok=True)
    path = raw / name
    path.write_bytes(gzip.compress(content, mtime=0) if name.endswith(".gz") else content)
    return path


def read_jsonl(path: Path) -> list[Fields]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def tree(folder: Path) -> dict[str, bytes]:
    """Every file below a folder with its content."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }

"""Small published files and one call of `prepare`."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from tests.data_scripts.support import Fields, Ran, lines, read_jsonl, run

Capture = pytest.CaptureFixture[str]

TEN = ["net", "net", "net", "netting", "net", "net", "mesh", "net", "pitcher", "orange"]
"""Ten people's answers."""

SUFFIX = "\nAnswer the question using a single word or phrase."
"""What redistributions append to a question."""


def records(answers: list[str]) -> list[Fields]:
    """Answers as VQA's annotations have them."""
    return [
        {"answer": answer, "answer_confidence": "yes", "answer_id": number}
        for number, answer in enumerate(answers, 1)
    ]


def vqa_pair(*ids: object, picture: object = 42, **head: object) -> tuple[Fields, Fields]:
    """Questions and annotations about one picture."""
    questions = [{"image_id": picture, "question": f"What is {id}?", "question_id": id} for id in ids]
    notes = [
        {
            "question_id": id,
            "image_id": picture,
            "question_type": "what is",
            "answer_type": "other",
            "answers": records(TEN),
            "multiple_choice_answer": "net",
        }
        for id in ids
    ]
    return {"info": {}, **head, "questions": questions}, {**head, "annotations": notes}


def write(raw: Path, files: dict[str, Any]) -> None:
    """JSON, JSONL (a list under a name that ends so) or bytes, packed where the name says so."""
    for name, value in files.items():
        path = raw / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(value, bytes):
            content = value
        elif ".jsonl" in name:
            content = lines(value)
        else:
            content = json.dumps(value, ensure_ascii=False).encode()
        path.write_bytes(gzip.compress(content, mtime=0) if name.endswith((".gz", ".gzip")) else content)


def prepare(capsys: Capture, name: str, tmp_path: Path, *flags: object, partial: bool = True) -> Ran:
    """`prepare NAME` from tmp_path/raw to tmp_path/out."""
    allowed = ("--allow-partial",) if partial else ()
    return run(
        capsys, "prepare", name, "--raw", tmp_path / "raw", "--out", tmp_path / "out", *allowed, *flags
    )


def rows(tmp_path: Path, path: str) -> list[Fields]:
    """A prepared split."""
    return read_jsonl(tmp_path / "out" / path)


def error_of(ran: Ran) -> str:
    """The one line that says what is wrong."""
    assert ran.code == 2, ran
    (error,) = (line for line in ran.err.splitlines() if line.startswith("error: "))
    return error

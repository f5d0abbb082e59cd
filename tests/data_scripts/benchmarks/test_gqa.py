"""GQA: records under their ids."""

from pathlib import Path
from typing import Any

import pytest

from tests.data_scripts.benchmarks.support import Capture, error_of, prepare, rows, write
from tests.data_scripts.support import Fields


def gqa(**changes: object) -> Fields:
    return {
        "semantic": [{"operation": "select", "dependencies": [], "argument": "man (0)"}],
        "question": "What is the man eating?",
        "imageId": "n166008",
        "isBalanced": True,
        "answer": "sandwich",
        "semanticStr": "select: man (0)",
        "types": {"detailed": "relO", "semantic": "rel", "structural": "query"},
        "fullAnswer": "The man is eating a sandwich.",
    } | changes


@pytest.mark.parametrize("form", ["official", "converted"])
def test_gqa_forms(tmp_path: Path, capsys: Capture, form: str) -> None:
    """Guards ids that stand outside the records, and the type by which GQA breaks its accuracy down."""
    converted = {"image": "data/gqa/images/n166008.jpg", "question": "What is the man eating?"}
    files: dict[str, dict[str, Any]] = {
        "official": {"testdev_balanced_questions.json": {"20241036": gqa()}},
        "converted": {
            "testdev_balanced.jsonl": [converted | {"question_id": "20241036", "answer": "sandwich"}]
        },
    }
    write(tmp_path / "raw", files[form])
    assert prepare(capsys, "gqa", tmp_path).code == 0
    expected = {
        "id": "20241036",
        "image": "gqa/images/n166008.jpg",
        "question": "What is the man eating?",
        "answers": ["sandwich"],
    }
    assert rows(tmp_path, "gqa/gqa_testdev.jsonl") == [
        expected | ({"question_type": "query"} if form == "official" else {})
    ]


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (gqa(answer=None), "'2': field 'answer': expected a string, got null"),
        (gqa(imageId="a/.."), "'2': field 'imageId': expected the path of a picture"),
        ("text", "'2': expected a JSON object, got a text"),
    ],
)
def test_a_bad_record_under_an_id_is_named(
    tmp_path: Path, capsys: Capture, record: Any, message: str
) -> None:
    """Guards objects of records: the id is the place."""
    write(tmp_path / "raw", {"testdev_balanced_questions.json": {"1": gqa(), "2": record}})
    assert f"testdev_balanced_questions.json: {message}" in error_of(prepare(capsys, "gqa", tmp_path))

"""TextVQA and VizWiz: ten answers a question, in the forms of several publishers."""

from pathlib import Path
from typing import Any

import pytest

from tests.data_scripts.benchmarks.support import (
    SUFFIX,
    TEN,
    Capture,
    error_of,
    prepare,
    rows,
    vqa_pair,
    write,
)

TEXTVQA = {
    "id": "34602",
    "image": "textvqa/train_images/003a8ae2ef43b901.jpg",
    "question": "what is 34602?",
    "answers": TEN,
}


@pytest.mark.parametrize("form", ["official", "pair", "converted"])
def test_textvqa_forms_agree(tmp_path: Path, capsys: Capture, form: str) -> None:
    """Guards that the number does not depend on whose files one has; official questions keep their case."""
    picture = "003a8ae2ef43b901"
    official = {"image_id": picture, "question": "what is 34602?", "question_id": 34602, "set_name": "val"}
    asked, noted = vqa_pair(34602, picture=picture)
    asked["questions"][0]["question"] = "what is 34602?"
    converted = {"image": f"data/textvqa/train_images/{picture}.jpg", "question_id": 34602, "answer": TEN}
    files: dict[str, dict[str, Any]] = {
        "official": {"TextVQA_0.5.1_val.json": {"data": [official | {"answers": TEN}]}},
        "pair": {"textvqa_val_questions.json": asked, "textvqa_val_annotations.json": noted},
        "converted": {
            "textvqa_val.jsonl": [
                converted | {"question": f"what is 34602?\nReference OCR token: A, B.{SUFFIX}"}
            ]
        },
    }
    write(tmp_path / "raw", files[form])
    assert prepare(capsys, "textvqa", tmp_path).code == 0
    assert rows(tmp_path, "textvqa/textvqa_val.jsonl") == [TEXTVQA]


def test_vizwiz_official_files(tmp_path: Path, capsys: Capture) -> None:
    """Guards ids by row, since the official files have none, and the test file, which has no answers."""
    record = {
        "image": "VizWiz_val_00000000.jpg",
        "question": "Ok. There is another picture.",
        "answers": [{"answer_confidence": "no", "answer": answer} for answer in TEN],
        "answer_type": "other",
        "answerable": 1,
    }
    asked = {"image": "VizWiz_test_00000000.jpg", "question": "What is it?"}
    write(
        tmp_path / "raw", {"Annotations/val.json": [record, record], "Annotations/test.json": [asked, asked]}
    )
    assert prepare(capsys, "vizwiz", tmp_path).code == 0
    found = rows(tmp_path, "vizwiz/vizwiz_val.jsonl")
    assert [row["id"] for row in found] == ["0", "1"]
    assert found[0] == {
        "id": "0",
        "image": "vizwiz/val/VizWiz_val_00000000.jpg",
        "question": "Ok. There is another picture.",
        "answers": TEN,
        "answer_type": "other",
    }
    assert rows(tmp_path, "vizwiz/vizwiz_test.jsonl")[1] == {
        "id": "1",
        "image": "vizwiz/test/VizWiz_test_00000000.jpg",
        "question": "What is it?",
    }


def test_predictions_for_vizwiz_are_no_questions(tmp_path: Path, capsys: Capture) -> None:
    """Guards against an upload called test.json being asked as questions."""
    write(tmp_path / "raw", {"test.json": [{"image": "x.jpg", "question": "?", "answer": "black"}]})
    assert "the first row has 'answer', as predictions have" in error_of(prepare(capsys, "vizwiz", tmp_path))

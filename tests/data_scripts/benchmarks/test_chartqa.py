"""ChartQA: lists of records without ids."""

from pathlib import Path
from typing import Any

import pytest

from tests.data_scripts.benchmarks.support import Capture, error_of, prepare, rows, write
from tests.data_scripts.support import Fields


def chart(number: int) -> Fields:
    return {"imgname": f"{number}.png", "query": f"How many in {number}?", "label": str(number)}


def test_chartqa_official_and_converted(tmp_path: Path, capsys: Capture) -> None:
    """Guards row numbers as ids, also of Qwen-VL's files, and the two training files in one, in order."""
    converted = {
        "image": "data/chartqa/x/1.png",
        "question": "How many in 1?",
        "question_id": 99,
        "answer": "1",
    }
    folder = "ChartQA-main/ChartQA Dataset"
    write(
        tmp_path / "raw",
        {
            f"{folder}/test/test_human.json": [chart(0), chart(1)],
            "test_augmented.jsonl": [converted, converted | {"answer": ["1", "one"]}],
            f"{folder}/train/train_human.json": [chart(2)],
            f"{folder}/train/train_augmented.json": [chart(3)],
        },
    )
    assert prepare(capsys, "chartqa", tmp_path).code == 0
    assert rows(tmp_path, "chartqa/chartqa_test_human.jsonl")[1] == {
        "id": "1",
        "image": "chartqa/test/png/1.png",
        "question": "How many in 1?",
        "answers": ["1"],
    }
    augmented = rows(tmp_path, "chartqa/chartqa_test_augmented.jsonl")
    assert [(row["id"], row["answers"]) for row in augmented] == [("0", ["1"]), ("1", ["1", "one"])]
    trained = rows(tmp_path, "chartqa/chartqa_train.jsonl")
    assert [(row["id"], row["image"]) for row in trained] == [
        ("0", "chartqa/train/png/2.png"),
        ("1", "chartqa/train/png/3.png"),
    ]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"imgname": "1.png", "query": "?"}, "[1]: field 'label': missing"),
        (chart(1) | {"label": 7}, "[1]: field 'label': expected"),
        (chart(1) | {"query": ""}, "[1]: field 'query': expected text that is not blank"),
        (chart(1) | {"imgname": "../"}, "[1]: field 'imgname': expected the path of a picture"),
        (["x"], "[1]: expected a JSON object, got a list of 1"),
    ],
)
def test_a_bad_item_of_a_list_is_named(tmp_path: Path, capsys: Capture, row: Any, message: str) -> None:
    """Guards documents without lines: an item is named by its number."""
    write(tmp_path / "raw", {"test_human.json": [chart(0), row]})
    assert f"test_human.json: {message}" in error_of(prepare(capsys, "chartqa", tmp_path))

"""SEED-Bench: its own file, and questions whose options are lost."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from tests.data_scripts.benchmarks.support import Capture, error_of, prepare, rows, write
from tests.data_scripts.benchmarks.test_real_data import content, real
from tests.data_scripts.support import Fields, run

IMAGE, VIDEO = "seedbench/seedbench_image.jsonl", "seedbench/seedbench_video.jsonl"
TYPES = {"Instance Attributes": 3, "Text Understanding": 9, "Procedure Understanding": 12}


def asked(number: int, dimension: int, **changes: Any) -> Fields:
    is_video = dimension > 9
    return {
        "answer": "B",
        "choice_a": "x",
        "choice_b": "y",
        "choice_c": "",
        "choice_d": 4,
        "data_id": "P07/cam01/P07_milk.avi" if is_video else "1454426_2591111986",
        "data_type": "video" if is_video else "image",
        "question": f"What {number}?",
        "question_id": f"v{number}" if is_video else str(number),
        "question_type_id": dimension,
    } | changes


def document(*questions: Fields) -> Fields:
    return {"SEED-Bench.json": {"questions": list(questions), "question_type": TYPES}}


def test_official_file(tmp_path: Path, capsys: Capture) -> None:
    """Guards one id asked in two dimensions, both kinds of segments, and the pictures that frames makes."""
    write(
        tmp_path / "raw",
        document(
            asked(1, 3),
            asked(5, 10, data_id="94328.webm"),
            asked(1, 9),
            asked(6, 11, data_id="P03/P03_24.MP4", segment=[-1.5, 658]),
            asked(7, 12, segment=[18, 166]),
        ),
    )
    assert prepare(capsys, "seedbench", tmp_path).code == 0
    common = {"choices": ["x", "y", "", "4"], "answer": 1}
    image = {"images": ["seedbench/SEED-Bench-image/1454426_2591111986"], "question": "What 1?"}
    assert rows(tmp_path, IMAGE) == [
        {"id": "1:3", **image, **common, "category": "3"},
        {"id": "1:9", **image, **common, "category": "9"},
    ]
    found = rows(tmp_path, VIDEO)
    assert found[0] == {
        "id": "v5:10",
        "images": [f"seedbench/video/v5/{number}.png" for number in range(4)],
        "question": "What 5?",
        **common,
        "category": "10",
        "clip": "94328.webm",
    }
    assert [json.dumps(row["segment"]) for row in found[1:]] == ["[-1.5, 658.0]", "[18, 166]"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"answer": "E"}, "field 'answer': expected one of A, B, C, D, got 'E'"),
        ({"answer": 1}, "field 'answer': expected a string, got 1"),
        ({"question_type_id": 13}, "field 'question_type_id': expected a dimension from 1 to 12, got 13"),
        ({"question_type_id": "12"}, "field 'question_type_id': expected a whole number, 0 or above"),
        ({"data_type": "Single Image"}, "field 'data_type': expected 'image' or 'video'"),
        ({"question_id": "v0"}, "field 'question_id': 'v0:12' already stands in questions[0]"),
        ({"question_id": "../v"}, "field 'question_id': expected letters, digits"),
        ({"data_id": "/etc/x.avi"}, "field 'data_id': expected a path relative to the data root"),
        ({"segment": None}, "field 'segment': expected two numbers, start and end, got null"),
        ({"segment": [1]}, "field 'segment': expected two numbers, start and end, got a list of 1"),
        ({"segment": [1, True]}, "field 'segment': expected two numbers"),
        ({"segment": [1, 2.5]}, "field 'segment': expected whole frames from 0 on, or seconds, got [1, 2.5]"),
        ({"segment": [-1, 2]}, "field 'segment': expected whole frames from 0 on"),
        ({"choice_a": None}, "field 'choice_a': expected a string, got null"),
    ],
)
def test_a_bad_question_is_named(tmp_path: Path, capsys: Capture, change: Fields, message: str) -> None:
    """Guards answers without an option, SEED-Bench 2, paths that lead out, segments of neither kind."""
    write(
        tmp_path / "raw",
        document(asked(0, 12, segment=[1, 2]), asked(2, 3), asked(1, 12, **({"segment": [1, 2]} | change))),
    )
    error = error_of(prepare(capsys, "seedbench", tmp_path))
    assert f"SEED-Bench.json: questions[2]: {message}" in error


LETTERS = (
    b'{"question_id": "1", "prediction": "A", "gt_answer": "D"},\n{"question_id": "2", "gt_answer": "A"}'
)
LOST = [
    {"question_id": "1", "image": "5_6", "text": "What? (with grounding)", "category": 3},
    {"question_id": "1", "image": "5_6", "text": "What? (with grounding)", "category": 9},
    {"question_id": "2", "image": "7_8", "text": "Which?", "category": 1},
]


def test_rows_without_options(tmp_path: Path, capsys: Capture) -> None:
    """Guards answers that can be scored though no model can be asked: said, and only on request."""
    write(tmp_path / "raw", {"x_no_options.jsonl": LOST, "GPT-4V.json": LETTERS})
    error = error_of(prepare(capsys, "seedbench", tmp_path, partial=False))
    assert "the options are not in these files" in error
    assert prepare(capsys, "seedbench", tmp_path).code == 0
    found = rows(tmp_path, IMAGE)
    assert found[0] == {
        "id": "1:3",
        "images": ["seedbench/SEED-Bench-image/5_6"],
        "question": "What?",
        "choices": [],
        "answer": 3,
        "category": "3",
    }
    assert [(row["id"], row["answer"]) for row in found] == [("1:3", 3), ("2:1", 0)]


@pytest.mark.parametrize(
    ("question", "letters", "message"),
    [
        ({"question_id": "3"}, b"", "_no_options.jsonl:3: field 'question_id': "),
        ({"category": 10}, b"", "_no_options.jsonl:3: field 'category': expected a dimension from 1 to 9"),
        (
            {},
            b',\n{"question_id": "1", "gt_answer": "A"}',
            "GPT-4V.json:3: field 'gt_answer': '1' has another answer on line 1",
        ),
        (
            {},
            b',\n{"question_id": "4", "gt_answer": "E"}',
            "GPT-4V.json:3: field 'gt_answer': expected one of",
        ),
        ({}, b",\n{broken", "GPT-4V.json:3: not valid JSON"),
    ],
)
def test_bad_answers_are_named(
    tmp_path: Path, capsys: Capture, question: Fields, letters: bytes, message: str
) -> None:
    """Guards questions that no answer belongs to, and answers that contradict each other."""
    lost = [*LOST[:2], LOST[2] | question]
    write(tmp_path / "raw", {"x_no_options.jsonl": lost, "GPT-4V.json": LETTERS + letters})
    assert message in error_of(prepare(capsys, "seedbench", tmp_path))


def test_real_files(tmp_path: Path, capsys: Capture) -> None:
    """Guards the real form, and the join of questions and answers: 9,707 of 14,232 answers of LLaVA right."""
    folder = real("seedbench")
    raw = ("prepare", "seedbench", "--raw", folder, "--allow-partial")
    assert run(capsys, *raw, "--out", tmp_path / "out").code == 0
    found = rows(tmp_path, IMAGE)
    assert (len(found), len(rows(tmp_path, VIDEO))) == (14, 5)
    lost = (
        f"seedbench_image={folder / 'questions_no_options.jsonl.gz'},{folder / 'GPT-4V_pred_and_gt.json.gz'}"
    )
    assert run(capsys, *raw, "--out", tmp_path / "lost/out", "--source", lost).code == 0
    whole = {row["id"]: row for row in rows(tmp_path / "lost", IMAGE)}
    assert len(whole) == 14_232
    for row in found:
        assert whole[row["id"]] == row | {"choices": []}
    lines = gzip.decompress((folder / "llava-v1.5-13b_upload.jsonl.gz").read_bytes()).splitlines()
    given = {row["question_id"]: row["prediction"] for row in map(json.loads, lines)}
    right = sum(given[id.partition(":")[0]] == "ABCD"[row["answer"]] for id, row in whole.items())
    assert right == 9_707
    assert content(folder / "SEED-Bench.slice.json")["question_type"]["Procedure Understanding"] == 12

"""RefCOCO as published: what is asked, with which limits, and when an answer is right."""

import json
from pathlib import Path
from typing import Any

import pytest

import eval_mm
from eval_mm import tasks
from eval_mm.data import find_root, load
from eval_mm.prompt import to_request
from eval_mm.schema import Context, Image, Mark, ModelInfo, Prediction, Request
from tests.eval_mm.support import write_data

GOLDENS = json.loads((Path(__file__).parents[2] / "goldens" / "boxes.json").read_text(encoding="utf-8"))
TASK = tasks.get("refcoco_val")


def row(index: int, **fields: Any) -> dict[str, Any]:
    wide = {
        "id": str(index),
        "image": "pictures/0.png",
        "expression": "man in blue",
        "width": 640,
        "height": 480,
    }
    return {**wide, "box": [0, 0, 64, 48], **fields}


def verdict(
    tmp_path: Path, answer: str, protocol: str = "qwen-vl", **fields: Any
) -> tuple[float | None, str]:
    """The score of one answer to one row, and how it was explained."""
    sample = load(TASK, find_root(write_data(tmp_path, [row(0, **fields)]))).samples[0]
    (score,) = tasks.get_protocol(TASK, protocol).score(
        [sample], [Prediction("0", answer)], Context(ModelInfo("m"))
    )
    return score.value, score.explanation


def test_the_goldens_through_score(tmp_path: Path) -> None:
    """All 200 recorded verdicts of the published script, by the way a user's file takes."""
    rows = [
        row(index, width=golden["width"], height=golden["height"], box=golden["target"])
        for index, golden in enumerate(GOLDENS)
    ]
    data = write_data(tmp_path / "data", rows)
    answers = tmp_path / "answers.json"
    answers.write_text(json.dumps([golden["text"] for golden in GOLDENS]), encoding="utf-8")
    (result,) = eval_mm.score(
        task="refcoco_val", predictions=answers, data=data, match="order", out=tmp_path / "out"
    )
    lines = (tmp_path / "out/refcoco_val/scores.jsonl").read_text(encoding="utf-8").splitlines()
    for line, golden in zip(lines, GOLDENS, strict=True):
        found = json.loads(line)
        assert found["value"] == (None if golden["parsed"] is None else float(golden["correct"])), golden
    right = sum(golden["correct"] for golden in GOLDENS)
    assert result.metrics["accuracy@0.5"].value == pytest.approx(100 * right / len(GOLDENS))
    assert result.num_unparsed == sum(golden["parsed"] is None for golden in GOLDENS)


def request(tmp_path: Path, protocol: str) -> Request:
    data = write_data(tmp_path, [row(0, expression=" the <box> man")])
    sample = load(TASK, find_root(data)).samples[0]
    return to_request(sample, tasks.get_protocol(TASK, protocol), data)


def test_what_qwen_vl_is_asked(tmp_path: Path) -> None:
    """The very prompt and limits of the report; the expression is untouched and stays text."""
    assert request(tmp_path, "qwen-vl") == Request(
        id="0",
        prompt=(
            Image(str(tmp_path / "pictures/0.png")),
            Mark("<ref>"),
            " the <box> man",
            Mark("</ref>"),
            Mark("<box>"),
        ),
        min_new_tokens=10,
        max_new_tokens=28,
    )


def test_what_others_are_asked(tmp_path: Path) -> None:
    """The instruction of BENCHMARKS in a chat turn."""
    asked = request(tmp_path, "instruct")
    assert asked.prompt[1] == (
        "Please provide the bounding box coordinate of the region this sentence describes:  the <box> man"
    )
    assert (asked.chat, asked.min_new_tokens, asked.max_new_tokens, asked.stop) == (True, 0, 64, ())


def test_the_axes_are_not_swapped(tmp_path: Path) -> None:
    """Width scales x and height y: on a wide picture a swap would go unnoticed near the diagonal only."""
    assert verdict(tmp_path, "(0,0),(100,100)")[0] == 1
    assert verdict(tmp_path, "(0,0),(100,100)", width=480, height=640)[0] == 1
    assert verdict(tmp_path, "(500,0),(999,100)", box=[320, 0, 640, 48])[0] == 1
    assert verdict(tmp_path, "(0,500),(100,999)", box=[320, 0, 640, 48])[0] == 0


def test_exactly_one_half_is_right(tmp_path: Path) -> None:
    """The published rule is >= 0.5: a box twice as wide as the target overlaps by exactly that."""
    square: dict[str, Any] = {"width": 999, "height": 999, "box": [0, 0, 100, 100]}
    assert verdict(tmp_path, "(0,0),(200,100)", **square)[0] == 1
    assert verdict(tmp_path, "(0,0),(201,100)", **square)[0] == 0


def test_only_instruct_reads_other_forms(tmp_path: Path) -> None:
    """A space between the pairs is unreadable to the published script, and so to protocol qwen-vl."""
    assert verdict(tmp_path, "(0,0), (100,100)") == (None, "no box in the answer")
    value, explanation = verdict(tmp_path, "Sure: [0, 0, 100, 100].", "instruct")
    assert value == 1
    assert "[x1,y1,x2,y2]" in explanation
    assert "units of 999" in explanation


def test_all_eight_splits() -> None:
    """Names, counts and families of the published splits."""
    assert {task.name: task.num_samples for task in tasks.resolve(["refcoco,refcoco+,refcocog"])} == {
        "refcoco_val": 10_834,
        "refcoco_testA": 5_657,
        "refcoco_testB": 5_095,
        "refcoco+_val": 10_758,
        "refcoco+_testA": 5_726,
        "refcoco+_testB": 4_889,
        "refcocog_val": 4_896,
        "refcocog_test": 9_602,
    }

"""The table in the terminal and the published figures beside it."""

from dataclasses import replace
from typing import Any

import pytest

from eval_mm import tasks
from eval_mm.console import align
from eval_mm.report.published import reference_figures
from eval_mm.report.table import results_table
from eval_mm.schema import Metric, Result

RESULT = Result(
    task="refcoco+_testB",
    version=1,
    model="m",
    prompt_protocol="qwen-vl",
    score_protocol="qwen-vl",
    metrics={"accuracy@0.5": Metric(77.2137, 0.5, (76.2, 78.2))},
    num_samples=4_889,
    num_published=4_889,
    num_unparsed=3,
    num_errors=0,
    complete=True,
    demo=False,
    config={},
)


def row(result: Result) -> str:
    return results_table([result], [12.34]).splitlines()[2]


def test_a_whole_row() -> None:
    """Two decimals as the papers print, thousands separated, the figure of the very split."""
    wanted = "m refcoco+_testB accuracy@0.5 77.21 0.50 4,889 3 0 12.3 77.21 qwen-vl"
    assert " ".join(row(RESULT).split()) == wanted


def test_what_is_no_measurement_says_so() -> None:
    """Demo, partial and mixed protocols are marked wherever the number is shown."""
    assert row(replace(RESULT, demo=True)).endswith("DEMO, qwen-vl")
    partial = replace(RESULT, complete=False, num_samples=100, num_errors=4)
    assert row(partial).endswith("partial: 100 of 4,889, qwen-vl")
    assert row(replace(RESULT, complete=False, num_errors=4)).endswith("with errors, qwen-vl")
    assert row(replace(RESULT, score_protocol="instruct")).endswith("prompt qwen-vl, scorer instruct")


def test_no_figure_no_error_bar_no_time() -> None:
    """What is unknown stays blank."""
    unknown = replace(RESULT, task="mine", metrics={"accuracy@0.5": Metric(1.0)}, num_published=None)
    line = results_table([unknown], [None]).splitlines()[2]
    assert line.split() == ["m", "mine", "accuracy@0.5", "1.00", "4,889", "3", "0", "qwen-vl"]


def test_the_published_figures() -> None:
    """Every task of the report's tables has its figure, under the name its metric has in results."""
    figures = {task: score for (task, _), score in reference_figures().items()}
    wanted = {
        **{"nocaps_val": 121.4, "flickr30k_test": 85.8, "vqav2_testdev": 78.8, "okvqa_val": 58.6},
        **{"gqa_testdev": 59.3, "vizwiz_test": 35.2, "textvqa_val": 63.8, "docvqa_test": 65.1},
        **{"chartqa_test": 65.7, "ai2d_test": 62.3, "ocrvqa_test": 75.7, "grit_refexp": 78.22},
        **{"refcoco_val": 89.36, "refcoco_testA": 92.26, "refcoco_testB": 85.34},
        **{"refcoco+_val": 83.12, "refcoco+_testA": 88.25, "refcoco+_testB": 77.21},
        **{"refcocog_val": 85.58, "refcocog_test": 85.48, "scienceqa_test_img": 67.1},
    }
    assert {name: figures[name] for name in tasks.families()["qwen-vl-report"]} == wanted


@pytest.mark.parametrize(
    "asked",
    [
        {"prompt_protocol": "instruct", "score_protocol": "instruct"},
        {"prompt_protocol": "instruct", "score_protocol": "qwen-vl"},
        {"prompt_protocol": "qwen-vl+1a2b3c4d", "score_protocol": "qwen-vl"},
        {"config": {"few_shot": {"shots": 4, "seed": 0}}},
    ],
)
def test_no_figure_stands_beside_what_was_asked_otherwise(asked: dict[str, Any]) -> None:
    """Answers to other words, scored as published, stood beside the published figure as if they compared."""
    assert "77.21  qwen-vl" in row(RESULT)
    assert row(replace(RESULT, **asked)).count("77.21") == 1, "its own value alone"


def test_columns_line_up() -> None:
    """Text to the left, numbers to the right."""
    assert align([("a", "n"), ("bcd", "10")], left={0}) == "a     n\n-------\nbcd  10"


def test_columns_line_up_on_the_terminal() -> None:
    """Chinese letters take two columns and an accent on a letter none: their rows were shifted."""
    lines = align([("漢字", "1"), ("e\u0301", "22"), ("abcdef", "333")], left={0}).splitlines()
    assert lines == ["漢字      1", "-----------", "e\u0301        22", "abcdef  333"]

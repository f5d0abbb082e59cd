"""Real predictions with published scores, by the way a user takes: prepare, then score.

The files may not be redistributed, so these tests are skipped where they are absent. The expected figures
were computed by the published scorers, and published themselves as far as EVALUATION.md's table says so.
"""

from pathlib import Path
from typing import Any

import pytest

import eval_mm
from data_scripts.__main__ import main as data_scripts
from tests.conftest import SHARED

REAL = SHARED / "real_data"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The four benchmarks whose answers are at hand, prepared from the files as they were published."""
    if not REAL.is_dir():
        pytest.skip(f"needs the real rows and answers in {REAL}, which may not be redistributed")
    out = tmp_path_factory.mktemp("data")
    for name in ("chartqa", "textvqa", "gqa", "docvqa"):
        command = ["prepare", name, "--raw", str(REAL / name), "--out", str(out), "--allow-partial"]
        assert data_scripts(command) == 0
    return out


CHART = "chartqa/qwen2.5-vl_results.json"


@pytest.mark.parametrize(
    ("task", "answers", "options", "metric", "expected", "num_samples"),
    [
        ("chartqa_test", CHART, {}, "relaxed_accuracy/human", 80.72, 2_500),
        ("chartqa_test", CHART, {"match": "order"}, "relaxed_accuracy/augmented", 94.96, 2_500),
        ("chartqa_test_human", CHART, {"subset": True}, "relaxed_accuracy", 80.72, 1_250),
        ("chartqa_test_augmented", CHART, {"subset": True}, "relaxed_accuracy", 94.96, 1_250),
        ("textvqa_val", "textvqa/llava-v1.5-13b_answers.jsonl.gz", {}, "vqa_accuracy", 61.254, 5_000),
        ("gqa_testdev", "gqa/llava-v1.5-13b_answers.jsonl.gz", {}, "accuracy", 63.308952138654796, 12_578),
    ],
)
def test_the_published_score(
    data: Path,
    task: str,
    answers: str,
    options: dict[str, Any],
    metric: str,
    expected: float,
    num_samples: int,
) -> None:
    """A number equals the published one to the last digit, or its difference has a name."""
    (result,) = eval_mm.score(
        task=task, predictions=REAL / answers, data=data, protocol="official", **options
    )
    assert result.metrics[metric].value == pytest.approx(expected, abs=1e-9)
    assert result.num_samples == num_samples


def test_docvqa(data: Path) -> None:
    """The recorded figure is by the formula of the paper, where exactly half is nothing: `anls_strict`.

    The published scorer keeps exactly half (five of these 1,000 answers), and so does `anls`.
    """
    (result,) = eval_mm.score(
        task="docvqa_val",
        predictions=REAL / "docvqa/val1000_llama_maverick_results.json",
        data=data,
        subset=True,
    )
    assert result.num_samples == 1_000
    assert result.metrics["anls_strict"].value == pytest.approx(92.03238275961856, abs=1e-9)
    assert result.metrics["anls"].value == pytest.approx(92.28251771238509, abs=1e-9)


@pytest.mark.parametrize(
    ("references", "answers", "expected", "num_samples"),
    [
        (
            "coco_caption/coco_karpathy_test_gt.json.gz",
            "coco_caption/magic_repo__mscoco__magic_result.json.gz",
            49.28873510252646,
            4_982,
        ),
        (
            "flickr30k/magic_repo__flickr30k__magic_result.json",
            "flickr30k/magic_repo__flickr30k__magic_result.json",
            20.372373282629468,
            1_000,
        ),
        (
            "flickr30k/magic_repo__flickr30k__magic_result.json",
            "flickr30k/magic_repo__flickr30k__baselines__contrastive_result.json",
            8.8912,
            1_000,
        ),
    ],
)
def test_captions(references: str, answers: str, expected: float, num_samples: int) -> None:
    """Any file of captions in COCO's form, with the references of the answered pictures only."""
    if not REAL.is_dir():
        pytest.skip(f"needs the real captions in {REAL}, which may not be redistributed")
    (result,) = eval_mm.score(
        task="caption", references=str(REAL / references), predictions=REAL / answers, subset=True
    )
    digits = 1e-4 if expected == 8.8912 else 1e-9
    assert result.metrics["cider"].value == pytest.approx(expected, abs=digits)
    assert result.num_samples == num_samples

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


@pytest.fixture(scope="module")
def choices(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """ScienceQA and SEED-Bench from the files that hold whole splits, MME as its scorer comes."""
    if not REAL.is_dir():
        pytest.skip(f"needs the real rows and answers in {REAL}, which may not be redistributed")
    out = tmp_path_factory.mktemp("data")
    science = REAL / "scienceqa/llava_test_CQM-A.json.gz"
    seed = [
        REAL / "seedbench" / name for name in ("questions_no_options.jsonl.gz", "GPT-4V_pred_and_gt.json.gz")
    ]
    sources = {
        "scienceqa": [f"scienceqa_test={science}", f"scienceqa_test_img={science}"],
        "seedbench": ["seedbench_image=" + ",".join(map(str, seed))],
        "mme": [],
    }
    for name, listed in sources.items():
        command = ["prepare", name, "--raw", str(REAL / name), "--out", str(out), "--allow-partial"]
        assert data_scripts([*command, *(part for source in listed for part in ("--source", source))]) == 0
    return out


LLAVA_V0 = "scienceqa/test_sqa_llava_13b_v0.json.gz"
LLAVA_15 = "scienceqa/llava-v1.5-13b_result.json"


@pytest.mark.parametrize(
    ("task", "answers", "options", "metric", "expected", "num_samples"),
    [
        ("scienceqa_test", LLAVA_V0, {}, "accuracy", 90.92195236972412, 4_241),
        ("scienceqa_test_img", LLAVA_V0, {"subset": True}, "accuracy", 88.0019831432821, 2_017),
        ("scienceqa_test", LLAVA_15, {}, "accuracy", 74.39283187927376, 4_241),
        ("scienceqa_test_img", LLAVA_15, {"subset": True}, "accuracy", 71.64105106593951, 2_017),
        (
            "seedbench_image",
            "seedbench/llava-v1.5-13b_upload.jsonl.gz",
            {"subset": True},
            "accuracy",
            68.20545250140529,
            14_232,
        ),
        ("mme", "mme/eval_tool/LaVIN", {}, "mme_perception", 963.6114445778311, 2_374),
        ("mme", "mme/eval_tool/LaVIN", {}, "mme_cognition", 249.64285714285714, 2_374),
        ("mme", "mme/eval_tool/LaVIN", {}, "mme_perception/existence", 185.0, 2_374),
        ("mme", "mme/eval_tool/LaVIN", {}, "mme_perception/count", 265 / 3, 2_374),
        ("mme", "mme/eval_tool/LaVIN", {}, "mme_perception/position", 190 / 3, 2_374),
        ("mme", "mme/eval_tool/LaVIN", {}, "mme_perception/color", 75.0, 2_374),
    ],
)
def test_the_published_score_of_choices(
    choices: Path,
    task: str,
    answers: str,
    options: dict[str, Any],
    metric: str,
    expected: float,
    num_samples: int,
) -> None:
    """Letters, indices and MME's folders, judged as their authors do."""
    (result,) = eval_mm.score(task=task, predictions=REAL / answers, data=choices, **options)
    assert result.metrics[metric].value == pytest.approx(expected, abs=1e-9)
    assert result.num_samples == num_samples


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

"""ChartQA: questions about charts, written by people or made from summaries.

Paper: Masry et al. 2022 (https://arxiv.org/abs/2203.10244). Splits: test human, test augmented, and both
together, whose figure is the one usually published. Scorers: relaxed accuracy at 5 % as its authors define
it, and as the script behind the Qwen-VL report computes it (eval_mm/metrics/relaxed.py).
"""

from collections.abc import Iterator

from eval_mm.kinds import short_answer
from eval_mm.kinds.short_answer import RELAXED_OFFICIAL, RELAXED_QWEN_VL
from eval_mm.schema import Sample, Task
from eval_mm.stats import mean_metric

PROTOCOLS = short_answer.protocols(100, RELAXED_QWEN_VL, RELAXED_OFFICIAL)


def _part(sample: Sample) -> Iterator[str]:
    """`human` or `augmented`, from the id a member's sample has in the whole."""
    yield sample.id.partition("/")[0].removeprefix("chartqa_test_")


PARTS = [
    short_answer.task(
        f"chartqa_test_{part}", 1_250, PROTOCOLS, mean_metric("relaxed_accuracy"), ("text_vqa",)
    )
    for part in ("human", "augmented")
]

TASKS = [
    *PARTS,
    Task(
        name="chartqa_test",
        path="",
        num_samples=2_500,
        to_sample=short_answer.to_sample,
        protocols=PROTOCOLS,
        metrics=mean_metric("relaxed_accuracy", _part),
        families=("text_vqa", "qwen-vl-report"),
        members=tuple(PARTS),
    ),
]

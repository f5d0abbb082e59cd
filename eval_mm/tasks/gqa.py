"""GQA: compositional questions about real pictures, made from scene graphs.

Paper: Hudson & Manning 2019 (https://arxiv.org/abs/1902.09506), https://cs.stanford.edu/people/dorarad/gqa.
Split: test-dev, balanced. Scorers: the exact match of the official eval.py, and that behind the Qwen-VL
report, which cleans the answer up first (eval_mm/metrics/gqa.py).
"""

from eval_mm.kinds import short_answer
from eval_mm.kinds.short_answer import GQA_OFFICIAL, GQA_QWEN_VL
from eval_mm.stats import mean_metric

TASKS = [
    short_answer.task(
        "gqa_testdev",
        12_578,
        short_answer.protocols(10, GQA_QWEN_VL, GQA_OFFICIAL),
        mean_metric("accuracy", short_answer.types_of),
        ("vqa", "qwen-vl-report"),
    )
]

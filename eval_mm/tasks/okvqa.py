"""OK-VQA: questions about COCO pictures that need knowledge from outside the picture.

Paper: Marino et al. 2019 (https://arxiv.org/abs/1906.00067), https://okvqa.allenai.org. Split: validation,
version 1.1. Scorer: VQA accuracy (eval_mm/metrics/vqa.py).
"""

from eval_mm.kinds import short_answer
from eval_mm.kinds.short_answer import VQA_OFFICIAL, VQA_QWEN_VL
from eval_mm.stats import mean_metric

TASKS = [
    short_answer.task(
        "okvqa_val",
        5_046,
        short_answer.protocols(10, VQA_QWEN_VL, VQA_OFFICIAL),
        mean_metric("vqa_accuracy", short_answer.types_of),
        ("vqa", "qwen-vl-report"),
    )
]

"""VQAv2: questions about COCO pictures, answered by ten people each.

Paper: Goyal et al. 2017 (https://arxiv.org/abs/1612.00837), https://visualqa.org. Splits: validation, and
test-dev, whose answers are not public: the run writes the file for the evaluation server. Scorer: the VQA
accuracy of the official tool, and the variant behind the Qwen-VL report (eval_mm/metrics/vqa.py).
"""

from eval_mm.kinds import short_answer
from eval_mm.kinds.short_answer import VQA_OFFICIAL, VQA_QWEN_VL
from eval_mm.kinds.submission import answers_by
from eval_mm.stats import mean_metric

PROTOCOLS = short_answer.protocols(10, VQA_QWEN_VL, VQA_OFFICIAL)
METRICS = mean_metric("vqa_accuracy", short_answer.types_of)

TASKS = [
    short_answer.task("vqav2_val", 214_354, PROTOCOLS, METRICS, ("vqa",)),
    short_answer.task(
        "vqav2_testdev", 107_394, PROTOCOLS, METRICS, ("vqa", "qwen-vl-report"), answers_by("question_id")
    ),
]

"""VizWiz: spoken questions of blind people about pictures they took; many cannot be answered.

Paper: Gurari et al. 2018 (https://arxiv.org/abs/1802.08218), https://vizwiz.org. Splits: validation, and
test, whose answers are not public: the run writes the file for the evaluation server. Scorer: VQA accuracy
(eval_mm/metrics/vqa.py).
"""

from eval_mm.kinds import short_answer
from eval_mm.kinds.short_answer import VQA_OFFICIAL, VQA_QWEN_VL
from eval_mm.kinds.submission import answers_by_picture
from eval_mm.stats import mean_metric

PROTOCOLS = short_answer.protocols(10, VQA_QWEN_VL, VQA_OFFICIAL)
METRICS = mean_metric("vqa_accuracy", short_answer.types_of)

TASKS = [
    short_answer.task("vizwiz_val", 4_319, PROTOCOLS, METRICS, ("vqa",)),
    short_answer.task(
        "vizwiz_test", 8_000, PROTOCOLS, METRICS, ("vqa", "qwen-vl-report"), answers_by_picture("image")
    ),
]

"""DocVQA: questions about scanned documents of one page.

Paper: Mathew et al. 2021 (https://arxiv.org/abs/2007.00398), https://www.docvqa.org. Splits: validation, and
test, whose answers are not public: the run writes the file for the evaluation server. Scorer: ANLS at
threshold 0.5 (eval_mm/metrics/anls.py); `anls_strict`, the formula of the paper, beside it.
"""

from eval_mm.kinds import short_answer
from eval_mm.kinds.short_answer import ANLS
from eval_mm.kinds.submission import answers_by

PROTOCOLS = short_answer.protocols(100, ANLS, ANLS)
METRICS = short_answer.anls_metrics

TASKS = [
    short_answer.task("docvqa_val", 5_349, PROTOCOLS, METRICS, ("text_vqa",)),
    short_answer.task(
        "docvqa_test", 5_188, PROTOCOLS, METRICS, ("text_vqa", "qwen-vl-report"), answers_by("questionId")
    ),
]

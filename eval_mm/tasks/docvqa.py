"""DocVQA: questions about scanned documents of one page.

Paper: Mathew et al. 2021 (https://arxiv.org/abs/2007.00398), https://www.docvqa.org. Splits: validation, and
test, whose answers are not public: the run writes the file for the evaluation server. Scorer: ANLS at
threshold 0.5 (eval_mm/metrics/anls.py); `anls_strict`, the formula of the paper, beside it.
"""

from eval_mm.kinds import short_answer
from eval_mm.kinds.short_answer import ANLS
from eval_mm.kinds.submission import answers_by
from eval_mm.schema import Task

PROTOCOLS = short_answer.protocols(100, ANLS, ANLS)

TASKS = [
    Task(
        name="docvqa_val",
        path="docvqa/docvqa_val.jsonl",
        num_samples=5_349,
        to_sample=short_answer.to_sample,
        protocols=PROTOCOLS,
        metrics=short_answer.anls_metrics,
        families=("text_vqa",),
    ),
    Task(
        name="docvqa_test",
        path="docvqa/docvqa_test.jsonl",
        num_samples=5_188,
        to_sample=short_answer.to_open_sample,
        protocols=PROTOCOLS,
        metrics=short_answer.anls_metrics,
        families=("text_vqa", "qwen-vl-report"),
        submission=answers_by("questionId"),
    ),
]

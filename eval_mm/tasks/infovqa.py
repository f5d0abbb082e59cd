"""InfoVQA: questions about infographics.

Paper: Mathew et al. 2022 (https://arxiv.org/abs/2104.12756), https://www.docvqa.org. Splits: validation,
and test, whose answers are not public: the run writes the file for the evaluation server. Scorer: ANLS at
threshold 0.5 (eval_mm/metrics/anls.py); `anls_strict`, the formula of the paper, beside it. Prompt and
limits are those of DocVQA: no run script was published for it.
"""

from eval_mm.kinds import short_answer
from eval_mm.kinds.short_answer import ANLS
from eval_mm.kinds.submission import answers_by
from eval_mm.schema import Task

PROTOCOLS = short_answer.protocols(100, ANLS, ANLS)

TASKS = [
    Task(
        name="infovqa_val",
        path="infovqa/infovqa_val.jsonl",
        num_samples=2_801,
        to_sample=short_answer.to_sample,
        protocols=PROTOCOLS,
        metrics=short_answer.anls_metrics,
        families=("text_vqa",),
    ),
    Task(
        name="infovqa_test",
        path="infovqa/infovqa_test.jsonl",
        num_samples=3_288,
        to_sample=short_answer.to_open_sample,
        protocols=PROTOCOLS,
        metrics=short_answer.anls_metrics,
        families=("text_vqa",),
        submission=answers_by("questionId"),
    ),
]

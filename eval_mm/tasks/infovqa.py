"""InfoVQA: questions about infographics.

Paper: Mathew et al. 2022 (https://arxiv.org/abs/2104.12756), https://www.docvqa.org. Splits: validation,
and test, whose answers are not public: the run writes the file for the evaluation server. Scorer: ANLS at
threshold 0.5 (eval_mm/metrics/anls.py); `anls_strict`, the formula of the paper, beside it. Prompt and
limits are those of DocVQA: no run script was published for it.
"""

from eval_mm.kinds import short_answer
from eval_mm.kinds.short_answer import ANLS
from eval_mm.kinds.submission import answers_by

PROTOCOLS = short_answer.protocols(100, ANLS, ANLS)
METRICS = short_answer.anls_metrics

TASKS = [
    short_answer.task("infovqa_val", 2_801, PROTOCOLS, METRICS, ("text_vqa",)),
    short_answer.task("infovqa_test", 3_288, PROTOCOLS, METRICS, ("text_vqa",), answers_by("questionId")),
]

"""TextVQA: questions about pictures that can only be answered by reading the text in them.

Paper: Singh et al. 2019 (https://arxiv.org/abs/1904.08920), https://textvqa.org. Split: validation of version
0.5.1. Scorers: the official one with its EvalAI processing, and the VQA accuracy behind the Qwen-VL report
(eval_mm/metrics/vqa.py).
"""

from eval_mm.kinds import short_answer
from eval_mm.kinds.short_answer import VQA_QWEN_VL, VQA_TEXTVQA
from eval_mm.stats import mean_metric

TASKS = [
    short_answer.task(
        "textvqa_val",
        5_000,
        short_answer.protocols(10, VQA_QWEN_VL, VQA_TEXTVQA),
        mean_metric("vqa_accuracy", short_answer.types_of),
        ("text_vqa", "qwen-vl-report"),
    )
]

"""OCR-VQA: questions about book covers (title, author, genre, year, edition).

Paper: Mishra et al. 2019 (https://ocr-vqa.github.io). Splits: validation and test. Scorer: exact match, case
ignored (eval_mm/metrics/exact.py), as Qwen-VL's eval_mm/evaluate_vqa.py.
"""

from eval_mm.kinds import short_answer
from eval_mm.kinds.short_answer import EXACT
from eval_mm.schema import Task
from eval_mm.stats import mean_metric

TASKS = [
    Task(
        name=f"ocrvqa_{split}",
        path=f"ocrvqa/ocrvqa_{split}.jsonl",
        num_samples=None,
        to_sample=short_answer.to_sample,
        protocols=short_answer.protocols(100, EXACT, EXACT),
        metrics=mean_metric("accuracy"),
        families=families,
    )
    for split, families in (("val", ("text_vqa",)), ("test", ("text_vqa", "qwen-vl-report")))
]

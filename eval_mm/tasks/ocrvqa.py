"""OCR-VQA: questions about book covers (title, author, genre, year, edition).

Paper: Mishra et al. 2019 (https://ocr-vqa.github.io). Splits: validation and test. Scorer: exact match, case
ignored (eval_mm/metrics/exact.py), as Qwen-VL's eval_mm/evaluate_vqa.py.
"""

from eval_mm.kinds import short_answer
from eval_mm.kinds.short_answer import EXACT
from eval_mm.stats import mean_metric

PROTOCOLS = short_answer.protocols(100, EXACT, EXACT)
METRICS = mean_metric("accuracy")

TASKS = [
    short_answer.task("ocrvqa_val", None, PROTOCOLS, METRICS, ("text_vqa",)),
    short_answer.task("ocrvqa_test", None, PROTOCOLS, METRICS, ("text_vqa", "qwen-vl-report")),
]

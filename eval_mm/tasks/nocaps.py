"""NoCaps: captions of pictures with objects that COCO captions do not name.

Paper: Agrawal et al. 2019 (https://arxiv.org/abs/1812.08658), https://nocaps.org. Split: validation, 4,500
pictures with 10 captions each. Scorer: pycocoevalcap's CIDEr, as Qwen-VL's eval_mm/evaluate_caption.py; the
breakdown by domain is ours (eval_mm/kinds/caption.py).
"""

from eval_mm.kinds import caption
from eval_mm.schema import Task

TASKS = [
    Task(
        name="nocaps_val",
        path="nocaps/nocaps_val.jsonl",
        num_samples=4_500,
        to_sample=caption.to_sample,
        protocols=caption.PROTOCOLS,
        metrics=caption.metrics,
        families=("captioning", "qwen-vl-report"),
        on_request=caption.ON_REQUEST,
        needs="caption",
    )
]

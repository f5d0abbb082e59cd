"""NoCaps: captions of pictures with objects that COCO captions do not name.

Paper: Agrawal et al. 2019 (https://arxiv.org/abs/1812.08658), https://nocaps.org. Split: validation, 4,500
pictures with 10 captions each. Scorer: pycocoevalcap's CIDEr, as Qwen-VL's eval_mm/evaluate_caption.py; the
breakdown by domain is ours (eval_mm/kinds/caption.py).
"""

from eval_mm.kinds import caption

TASKS = [caption.task("nocaps_val", 4_500)]

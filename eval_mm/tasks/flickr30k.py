"""Flickr30K: captions of everyday pictures.

Paper: Young et al. 2014 (https://aclanthology.org/Q14-1006). Split: the test split of Karpathy & Fei-Fei 2015
(https://arxiv.org/abs/1412.2306), 1,000 pictures with 5 captions each. Scorer: pycocoevalcap's CIDEr, as
Qwen-VL's eval_mm/evaluate_caption.py.
"""

from eval_mm.kinds import caption

TASKS = [caption.task("flickr30k_test", 1_000)]

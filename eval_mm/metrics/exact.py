"""Exact match ignoring case, as the Qwen-VL scripts measure OCR-VQA, AI2D and, after its clean-up, GQA.

Scorer followed: https://github.com/QwenLM/Qwen-VL, eval_mm/evaluate_vqa.py. White space at the ends is
ignored on both sides, inside it counts. Case is `str.lower`, so "STRASSE" is not "straße". No deviations. A
prediction equal to a reference earns 1, whatever the text.
"""

from collections.abc import Sequence

from eval_mm.metrics.steps import Step, Steps, run

STEPS: Steps = (Step("strip", str.strip), Step("lower case", str.lower))
"""What prediction and references go through."""


def exact_match(prediction: str, answers: Sequence[str]) -> float:
    """1.0 if the prediction is one of the references, else 0.0; at least one reference is needed."""
    assert answers, "exact match needs at least one reference"
    predicted = run(STEPS, prediction)
    return float(any(run(STEPS, answer) == predicted for answer in answers))

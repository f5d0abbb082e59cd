"""Relaxed accuracy: numbers may be off by 5 %, texts must be equal ignoring case.

Paper: https://arxiv.org/abs/2203.10244 (ChartQA), after https://arxiv.org/abs/1909.00997. Two published
variants:

- `qwen-vl`: https://github.com/QwenLM/Qwen-VL, eval_mm/evaluate_vqa.py. Its call swaps the two sides: the
  error is measured against the answer, and an answer of zero is compared as text.
- `official`: the error is measured against the reference, and a reference of zero is compared as text
  (https://github.com/google-research/pix2struct, pix2struct/metrics.py).

The prediction is stripped, the references are not. A number is whatever Python's `float` reads once the
percent signs at its end are gone (they divide by 100 once, however many): "12.5 %", " 7", "1e3", "1_000"
and digits of other scripts are numbers; "1,000", "$5" and "5% " are texts.

Texts that do not earn full marks against a reference equal to them, in both variants, as published:
- those that read as infinity or as not a number ("inf", "-Infinity", "nan", "1e999", "inf%"): their
  difference is not a number;
- those with white space at an end, unless they read as a number other than zero (" yes", "5% ", "0 "): only
  the prediction is stripped.
No deviations.
"""

from collections.abc import Sequence
from typing import Literal

from eval_mm.metrics.steps import Step, Steps, run

Variant = Literal["qwen-vl", "official"]

STEPS: Steps = (Step("strip", str.strip),)
"""What the prediction goes through; the references are left as they are."""

_MAX_RELATIVE_ERROR = 0.05


def relaxed_accuracy(prediction: str, answers: Sequence[str], variant: Variant) -> float:
    """1.0 if the prediction is near enough to one of the references, else 0.0; at least one is needed."""
    assert answers, "relaxed accuracy needs at least one reference"
    predicted = run(STEPS, prediction)
    if variant == "qwen-vl":
        return float(any(_agrees(answer, measured_against=predicted) for answer in answers))
    return float(any(_agrees(predicted, measured_against=answer) for answer in answers))


def _agrees(text: str, measured_against: str) -> bool:
    number, base = _number(text), _number(measured_against)
    if number is not None and base:
        return abs(number - base) / abs(base) <= _MAX_RELATIVE_ERROR
    return text.lower() == measured_against.lower()


def _number(text: str) -> float | None:
    try:
        return float(text.rstrip("%")) / 100 if text.endswith("%") else float(text)
    except ValueError:
        return None

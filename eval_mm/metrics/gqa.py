"""GQA accuracy: the answer must be the reference, after the clean-up of the variant.

Paper: https://arxiv.org/abs/1902.09506. Two published variants:

- `qwen-vl`: https://github.com/QwenLM/Qwen-VL, eval_mm/evaluate_vqa.py. Sentences are cut down to what is
  taken for the answer, then exact match ignoring case. The rules cut inside words too ("pizza and salad"
  becomes "and salad", because of "a "): the published number is made this way.
- `official`: the benchmark's scorer compares as is; the answers behind published figures were lower-cased and
  lost their full stops at the end (https://github.com/haotian-liu/LLaVA, scripts/convert_gqa_for_eval.py).
  The reference is untouched.

Texts that do not earn full marks against a reference equal to them, as published, because the reference is
not cleaned up:
- `qwen-vl`: every text with ".", ",", "!", "is ", "are ", "a ", "an ", "the " or " of", be it inside a word
  ("area rug", "a dog", "this one", "ice cream, cake"), white space at the ends aside;
- `official`: a text with a capital or with a full stop at its end.
No deviations.
"""

from collections.abc import Sequence
from functools import partial
from typing import Literal

from eval_mm.metrics.exact import exact_match
from eval_mm.metrics.steps import Step, Steps, run

Variant = Literal["qwen-vl", "official"]


def _before(mark: str, text: str) -> str:
    return text.partition(mark)[0]


def _after(word: str, text: str) -> str:
    """What follows the first occurrence of the word, up to its next one."""
    pieces = text.split(word, 2)
    return pieces[1] if len(pieces) > 1 else text


CLEAN_UP: Steps = (
    Step("strip", str.strip),
    *(Step(f"cut at the first {mark!r}", partial(_before, mark)) for mark in (".", ",", "!")),
    Step("lower case", str.lower),
    *(
        Step(f"keep what follows {word!r}", partial(_after, word))
        for word in ("is ", "are ", "a ", "an ", "the ")
    ),
    Step("cut at the first ' of'", partial(_before, " of")),
    Step("strip", str.strip),
)
"""Variant `qwen-vl`: what the prediction goes through before exact match."""

OFFICIAL: Steps = (
    Step("no full stop at the end", lambda text: text.rstrip(".")),
    Step("lower case", str.lower),
)
"""Variant `official`: what the prediction goes through before it is compared as is."""


def gqa_accuracy(prediction: str, answers: Sequence[str], variant: Variant) -> float:
    """1.0 if the cleaned-up prediction is one of the references, else 0.0; at least one is needed."""
    assert answers, "GQA accuracy needs at least one reference"
    if variant == "qwen-vl":
        return exact_match(run(CLEAN_UP, prediction), answers)
    return float(run(OFFICIAL, prediction) in answers)

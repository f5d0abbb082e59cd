"""VQA accuracy: whether the people asked gave the predicted answer too, three of the others being enough.

Paper: https://arxiv.org/abs/1505.00468. Every reference is left out in turn; the prediction earns
min(1, matches among the others / 3); the mean over the references is the accuracy. Three published variants:

- `qwen-vl`: the evaluation script of Qwen-VL (https://github.com/QwenLM/Qwen-VL, eval_mm/vqa_eval.py). The
  prediction is always processed; the references get the punctuation step only, unless all are identical.
- `official`: VQAv2, OK-VQA, VizWiz (https://github.com/GT-Vision-Lab/VQA). Both sides are processed unless
  all references are identical after stripping; then neither is.
- `textvqa`: EvalAI's processing as TextVQA uses it
  (https://github.com/facebookresearch/mmf, mmf/utils/m4c_evaluators.py). Both sides always.

Faults of the published code that are kept because they make the number: at most 32 full stops of a text are
removed (a flag is passed as the count), a digit before a full stop does not protect it, and contractions with
a capital never match. Deviations: references are left out by position (`qwen-vl`, `official`: by equality of
the whole record, which differs on VizWiz, whose records have no number), and the mean is taken in whole
numbers, so the order of the references cannot move its last digit.

A prediction equal to ten equal references earns 1 in `official` and `textvqa`, whatever the text. In
`qwen-vl` it does only if processing leaves it as it is ("dont", "A dog", "two" and "10,000" do not): only
the prediction is processed then.
"""

import re
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import Literal, NamedTuple

from eval_mm.metrics.steps import Step, Steps, run
from eval_mm.metrics.vqa_tables import ARTICLES, CONTRACTIONS, NUMBER_WORDS, PUNCTUATION

Variant = Literal["qwen-vl", "official", "textvqa"]

_DIGIT_COMMA_DIGIT = re.compile(r"\d,\d")
_FULL_STOP = re.compile(r"\.(?!\d)")
_FULL_STOPS_REMOVED = 32


def _flatten(text: str) -> str:
    return text.replace("\n", " ").replace("\t", " ")


def _punctuation(text: str) -> str:
    """Deletes a mark that touches a space anywhere, and every mark if digit-comma-digit occurs; else a space.

    The published code replaces mark after mark but looks at the input only, so one pass does the same.
    """
    marks = PUNCTUATION.intersection(text)
    if marks:
        delete_all = "," in marks and _DIGIT_COMMA_DIGIT.search(text) is not None
        deleted = {p for p in marks if delete_all or f"{p} " in text or f" {p}" in text}
        text = text.translate({ord(p): None if p in deleted else " " for p in marks})
    return _FULL_STOP.sub("", text, count=_FULL_STOPS_REMOVED) if "." in text else text


def _digits_and_articles(text: str) -> str:
    numbered = (NUMBER_WORDS.get(word, word) for word in text.lower().split())
    return " ".join(CONTRACTIONS.get(word, word) for word in numbered if word not in ARTICLES)


def _split_possessive(text: str) -> str:
    return text.lower().replace(",", "").replace("?", "").replace("'s", " 's")


_FLATTEN = Step("newlines and tabs to spaces", _flatten)
_STRIP = Step("strip", str.strip)
_PUNCTUATION = Step("punctuation", _punctuation)
_DIGITS_AND_ARTICLES = Step("lower case, number words, articles, contractions", _digits_and_articles)
_SPLIT_POSSESSIVE = Step("lower case, no comma or question mark, 's apart", _split_possessive)


class _Normal(NamedTuple):
    """Steps, and the same steps with a memory."""

    steps: Steps
    recall: Callable[[str], str]


_REMEMBERED = 65_536
"""Texts remembered for each list of steps: people repeat themselves, so most answers are seen again."""

_LONGEST_REMEMBERED = 256
"""Characters: what a model writes has no bound, so a long prediction is not kept."""


def _normal(*steps: Step) -> _Normal:
    return _Normal(steps, lru_cache(maxsize=_REMEMBERED)(partial(run, steps)))


_UNTOUCHED = _Normal((), str)
_STRIPPED = _normal(_FLATTEN, _STRIP)
_PROCESSED = _normal(_FLATTEN, _STRIP, _PUNCTUATION, _DIGITS_AND_ARTICLES)
_PUNCTUATION_ONLY = _normal(_PUNCTUATION)
_EVALAI = _normal(_SPLIT_POSSESSIVE, _STRIP, _FLATTEN, _STRIP, _PUNCTUATION, _DIGITS_AND_ARTICLES)


def prediction_steps(answers: Sequence[str], variant: Variant) -> Steps:
    """The steps a prediction goes through beside these references."""
    return _normals(answers, variant)[0].steps


def reference_steps(answers: Sequence[str], variant: Variant) -> Steps:
    """The steps every one of these references goes through; none is the empty tuple."""
    return _normals(answers, variant)[1].steps


def vqa_accuracy(prediction: str, answers: Sequence[str], variant: Variant) -> float:
    """The accuracy of one answer, 0 to 1.

    With n references, m of which match: m * min(1, (m - 1) / 3) + (n - m) * min(1, m / 3), over n. Of ten,
    1 match is worth 0.3, 2 are 0.6, 3 are 0.9, 4 and more are 1. The published rule makes no exception for
    another n, and neither do we: full marks take four matches, so fewer than four references never give them
    (an answer equal to 1, 2 or 3 of as many: 0, 1/3, 2/3). At least one reference is needed.
    """
    for_prediction, for_references = _normals(answers, variant)
    if len(prediction) <= _LONGEST_REMEMBERED:
        predicted = for_prediction.recall(prediction)
    else:
        predicted = run(for_prediction.steps, prediction)
    count = len(answers)
    matches = [*map(for_references.recall, answers)].count(predicted)
    return (matches * min(3, matches - 1) + (count - matches) * min(3, matches)) / (3 * count)


def _normals(answers: Sequence[str], variant: Variant) -> tuple[_Normal, _Normal]:
    """What the variant does to the prediction and to the references."""
    assert answers, "VQA accuracy needs at least one reference"
    match variant:
        case "textvqa":
            return _EVALAI, _EVALAI
        case "qwen-vl":
            return _PROCESSED, _PUNCTUATION_ONLY if len(set(answers)) > 1 else _UNTOUCHED
        case "official":
            differ = len(set(answers)) > 1 and len(set(map(_STRIPPED.recall, answers))) > 1
            return (_PROCESSED, _PROCESSED) if differ else (_STRIPPED, _STRIPPED)

"""ANLS, average normalised Levenshtein similarity: how near an answer is to the nearest reference.

Paper: https://arxiv.org/abs/1907.00490 (DocVQA: https://arxiv.org/abs/2007.00398). Scorer followed: that of
the Robust Reading Competition (https://rrc.cvc.uab.es/?ch=17), also shipped with Qwen-VL
(https://github.com/QwenLM/Qwen-VL, eval_mm/infographicsvqa_eval.py). Case and runs of white space do not
count for the distance, but the length it is divided by is that of the longer text as it was written: spaces
at the ends and between words count, and upper-casing makes "ß" two characters. A similarity of exactly the
threshold stays. No deviations.

`strict` is the formula of the papers, which the scorer does not follow to the letter: the length is that of
the texts that were compared, and exactly the threshold becomes 0. It is never the published number. On 1,000
real DocVQA answers the two are 92.2825 and 92.0324; all but 0.0001 of that is the threshold.

A prediction equal to a reference earns 1 in both (at a threshold below 1), whatever the text.
"""

from collections.abc import Sequence

from rapidfuzz.distance import Levenshtein

from eval_mm.metrics.steps import Step, Steps, run


def _collapse(text: str) -> str:
    return " ".join(text.split())


STEPS: Steps = (Step("lower case", str.lower), Step("white space collapsed", _collapse))
"""What prediction and references go through before their distance is taken."""


def anls(prediction: str, answers: Sequence[str], *, strict: bool = False, threshold: float = 0.5) -> float:
    """1 - distance / length for the best reference, 0 to 1; what is below the threshold becomes 0.

    Exactly the threshold stays, but not in `strict`. Two empty texts are equal: 1.0. At least one reference
    is needed.
    """
    assert answers, "ANLS needs at least one reference"
    assert 0 <= threshold <= 1, threshold
    similarity = 1 - min(_distance(prediction, answer, strict) for answer in answers)
    kept = similarity > threshold if strict else similarity >= threshold
    return similarity if kept else 0.0


def _distance(prediction: str, answer: str, strict: bool) -> float:
    """The normalised distance; above 1 where lower-casing lengthens a text, as it does "İ"."""
    compared = run(STEPS, prediction), run(STEPS, answer)
    lengths = map(len, compared) if strict else (len(prediction.upper()), len(answer.upper()))
    length = max(lengths)
    return Levenshtein.distance(*compared) / length if length else 0.0

"""BLEU-1 to BLEU-4 of a split (Papineni et al. 2002, https://aclanthology.org/P02-1040), with their errors.

Followed: pycocoevalcap's bleu_scorer.py, which counts and makes the figure of the split; the length of the
closest reference counts.

BLEU is made of sums over images: n-grams that match and n-grams there are, of each length, and two lengths of
texts. By how much an image moves the figure follows from its part in each sum (the infinitesimal jackknife:
Efron 1982, https://doi.org/10.1137/1.9781611970319). The values by image have the figure as their mean, and
the error of their mean is that of the figure, as drawing images again finds it.
"""

from collections.abc import Sequence
from importlib import import_module
from typing import NamedTuple

from eval_mm.metrics.java import scorers

LONGEST = 4


class _Counts(NamedTuple):
    """What one image adds to the sums: of every length n matching n-grams and all, words, words wanted."""

    correct: Sequence[int]
    guessed: Sequence[int]
    words: int
    wanted: int


def bleu(
    candidates: Sequence[str], references: Sequence[Sequence[str]]
) -> dict[str, tuple[float, list[float] | None]]:
    """`bleu_1` to `bleu_4`, 0 to 1, of tokenised captions, each with its values by image.

    The values are None where no n-gram of a length matches in the whole split: there BLEU has no slope.
    """
    scorers()  # says in one line what is missing
    scorer = import_module("pycocoevalcap.bleu.bleu_scorer").BleuScorer(n=LONGEST)
    for candidate, known in zip(candidates, references, strict=True):
        scorer += (candidate, list(known))
    wholes, _ = scorer.compute_score(option="closest", verbose=0)
    counts = [
        _Counts(one["correct"], one["guess"], one["testlen"], _closest(one["testlen"], one["reflen"]))
        for one in scorer.ctest
    ]
    return {f"bleu_{n}": (float(whole), _values(whole, counts, n)) for n, whole in enumerate(wholes, start=1)}


def _closest(words: int, lengths: Sequence[int]) -> int:
    return min(lengths, key=lambda length: (abs(length - words), length))


def _values(whole: float, counts: Sequence[_Counts], longest: int) -> list[float] | None:
    """The figure of the split and, added to it for each image, how fast the figure grows with its weight."""
    correct = [sum(one.correct[n] for one in counts) for n in range(longest)]
    guessed = [sum(one.guessed[n] for one in counts) for n in range(longest)]
    words, wanted = sum(one.words for one in counts), sum(one.wanted for one in counts)
    if not all(correct):
        return None
    values = []
    for one in counts:
        parts = [one.correct[n] / correct[n] - one.guessed[n] / guessed[n] for n in range(longest)]
        slope = sum(parts) / longest
        if words < wanted:  # the penalty exp(1 - wanted / words)
            slope += (wanted * one.words / words - one.wanted) / words
        values.append(whole * (1 + len(counts) * slope))
    return values

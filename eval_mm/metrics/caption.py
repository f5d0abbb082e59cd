"""How good captions are: CIDEr-D, and on request BLEU, ROUGE-L, METEOR and SPICE, all on the same tokens.

Followed: pycocoevalcap 1.2 (https://github.com/salaniz/pycocoevalcap), the scorers of COCO's caption
evaluation (https://arxiv.org/abs/1504.00325). Tokens: eval_mm/metrics/ptb.py. CIDEr-D is ours
(eval_mm/metrics/cider.py); BLEU (eval_mm/metrics/bleu.py) and ROUGE-L are computed by that package, METEOR
and SPICE by the Java programs in it (eval_mm/metrics/meteor.py, eval_mm/metrics/spice.py). Each module names
its deviations.

The tokens of the last texts are remembered: Java takes half a second to start, and several metrics of one
split, or several protocols of one task, ask for the same tokens.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, get_args

from eval_mm.metrics import ptb
from eval_mm.metrics.bleu import bleu
from eval_mm.metrics.caption_cache import TokenizedReferences, tokenized_references
from eval_mm.metrics.cider import cider_d
from eval_mm.metrics.java import scorers
from eval_mm.metrics.meteor import meteor
from eval_mm.metrics.spice import spice

__all__ = ["EXTRAS", "Extra", "Found", "caption_scores", "extra_scores", "tokenize"]

Extra = Literal["bleu", "rouge_l", "meteor", "spice"]
EXTRAS: tuple[Extra, ...] = get_args(Extra)

Found = dict[str, tuple[float, list[float] | None]]
"""By name of the metric: its value for the split, and by image the values that its error is made of."""


def tokenize(texts: Sequence[str]) -> list[str]:
    """As `ptb.tokenize`, but the last two lists of texts cost nothing when they come again."""
    return list(_tokens(tuple(texts)))


@lru_cache(maxsize=2)
def _tokens(texts: tuple[str, ...]) -> list[str]:
    return ptb.tokenize(texts)


def _known(references: Sequence[Sequence[str]], cache: Path | None) -> TokenizedReferences:
    return _known_of(tuple(map(tuple, references)), cache)


@lru_cache(maxsize=1)
def _known_of(references: tuple[tuple[str, ...], ...], cache: Path | None) -> TokenizedReferences:
    return tokenized_references(references, cache)


def caption_scores(
    captions: Sequence[str], references: Sequence[Sequence[str]], cache: Path | None = None
) -> list[float]:
    """CIDEr-D, 0 to 10, of every image's caption against its references; the split's score is their mean.

    `cache` is a folder that keeps what is computed from the references alone, or None. Every image must have
    a reference. UserError where pycocoevalcap or Java is missing or fails.
    """
    return cider_d(tokenize(captions), _known(references, cache).statistics)


def extra_scores(
    name: Extra, captions: Sequence[str], references: Sequence[Sequence[str]], cache: Path | None = None
) -> Found:
    """`bleu_1` to `bleu_4`, `rouge_l`, `meteor` or `spice`, 0 to 1; arguments and errors as `caption_scores`.

    METEOR of the split is computed from its summed statistics, so it is not the mean of the images' METEOR;
    an image has no BLEU of its own, its values are how it moves that of the split.
    """
    assert len(captions) == len(references), f"{len(captions)} captions for {len(references)} images"
    if not captions:
        return {}
    return _COMPUTE[name](tokenize(captions), _known(references, cache).tokens)


def _rouge_l(candidates: Sequence[str], references: Sequence[Sequence[str]]) -> Found:
    mean, values = _published("rouge.rouge", "Rouge")().compute_score(*_by_image(references, candidates))
    return {"rouge_l": (float(mean), [float(value) for value in values])}


def _meteor(candidates: Sequence[str], references: Sequence[Sequence[str]]) -> Found:
    return {"meteor": meteor(candidates, references)}


def _spice(candidates: Sequence[str], references: Sequence[Sequence[str]]) -> Found:
    return {"spice": spice(candidates, references)}


_COMPUTE: dict[Extra, Callable[[Sequence[str], Sequence[Sequence[str]]], Found]] = {
    "bleu": bleu,
    "rouge_l": _rouge_l,
    "meteor": _meteor,
    "spice": _spice,
}


def _published(module: str, name: str) -> Any:
    scorers()  # says in one line what is missing
    return getattr(import_module(f"pycocoevalcap.{module}"), name)


def _by_image(
    references: Sequence[Sequence[str]], candidates: Sequence[str]
) -> tuple[dict[int, list[str]], dict[int, list[str]]]:
    """The dictionaries that the published scorers take: references and the one candidate of every image."""
    return (
        {image: list(captions) for image, captions in enumerate(references)},
        {image: [caption] for image, caption in enumerate(candidates)},
    )

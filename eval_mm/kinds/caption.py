"""Captions of pictures, judged by CIDEr-D over the whole split; BLEU, ROUGE-L, METEOR and SPICE on request.

Row: {"id", "image", "captions": [..]}; optional "domain".
A sample's score is its CIDEr-D / 10, so that it lies in 0..1; the metric is their mean on the published scale
(CIDEr x 100). Tokens, statistics and the scorer followed: eval_mm/metrics/caption.py.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from eval_mm.data import Row
from eval_mm.metrics import caption
from eval_mm.metrics.steps import Step
from eval_mm.schema import (
    Context,
    Metric,
    Metrics,
    Normalisation,
    Prediction,
    Prompt,
    Protocol,
    Sample,
    Score,
    Task,
    path_of,
)
from eval_mm.stats import Units, mean_metric, mean_units, spread, with_interval

CIDER_MAX = 10.0
"""The greatest CIDEr-D of one caption."""


def to_sample(row: Row) -> Sample:
    """A caption row as a sample; the target is the tuple of reference captions."""
    domain = row.optional("domain")
    return Sample(
        id=row.identifier("id"),
        images=(row.image("image"),),
        question="",
        target=row.texts("captions"),
        metadata={} if domain is None else {"domain": domain},
    )


def prompt_qwen_vl(sample: Sample) -> Prompt:
    """`<img>Describe the image in English:`: the model goes on with the caption."""
    return (*sample.images, "Describe the image in English:")


def prompt_instruct(sample: Sample) -> Prompt:
    """The request for one sentence."""
    return (*sample.images, "Provide a one-sentence caption for the provided image.")


def score_cider(
    samples: Sequence[Sample], predictions: Sequence[Prediction], context: Context
) -> Sequence[Score]:
    """CIDEr-D of every caption, with the word statistics of these samples' references."""
    texts = [prediction.text.strip() for prediction in predictions]
    values = caption.caption_scores(texts, [sample.target for sample in samples], _cache(context))
    return [
        Score(value / CIDER_MAX, text, f"CIDEr-D {value:.4f} of at most 10")
        for text, value in zip(texts, values, strict=True)
    ]


def _cache(context: Context) -> Path | None:
    return context.cache / "captions" if context.cache else None


def example(sample: Sample) -> str:
    """What a few-shot example answers: its first caption."""
    return str(sample.target[0]).strip()


def steps(sample: Sample, tokenised: dict[str, str] | None = None) -> Normalisation:
    """The tokens that are compared; all texts' at once, since the tokeniser is slow to start.

    `tokenised` holds the tokens of texts that are known already, and takes in what comes to be known.
    """
    known = {} if tokenised is None else tokenised

    def tokens(text: str) -> str:
        if text not in known:
            texts = [text, *sample.target]
            known.update(zip(texts, caption.tokenize(texts), strict=True))
        return known[text]

    step = (Step("PTB tokens", tokens),)
    return Normalisation(step, step)


PROTOCOLS = (
    Protocol(
        "qwen-vl",
        prompt_qwen_vl,
        score_cider,
        min_new_tokens=8,
        max_new_tokens=30,
        example=example,
        steps=steps,
    ),
    Protocol(
        "instruct", prompt_instruct, score_cider, min_new_tokens=0, max_new_tokens=64, chat=True, steps=steps
    ),
)


def _domain(sample: Sample) -> Iterator[str]:
    if "domain" in sample.metadata:
        yield sample.metadata["domain"]


SCALE = CIDER_MAX * 100

metrics = mean_metric("cider", _domain, SCALE, bootstrap=True)
"""CIDEr x 100; by domain the mean over its pictures, words weighted by the whole split."""


def headline(samples: Sequence[Sample], scores: Sequence[Score]) -> Mapping[str, Units]:
    """The scores that CIDEr is the mean of; each depends on the words of the whole split."""
    values = [score.value or 0.0 for score in scores]
    return {"cider": replace(mean_units(samples, values, SCALE, bootstrap=True), of_split=True)}


def _of_split(whole: float, samples: Sequence[Sample], values: Sequence[float]) -> Metric:
    """The figure of the split, which METEOR makes of sums, with the error of the pictures' mean."""
    mean = spread(mean_units(samples, values))
    return with_interval(mean._replace(value=100 * whole), 0.0, 100.0)


def _further(name: caption.Extra) -> Callable[[Sequence[Sample], Sequence[Score], Context], Metrics]:
    def compute(samples: Sequence[Sample], scores: Sequence[Score], context: Context) -> Metrics:
        found = caption.extra_scores(
            name, [score.answer for score in scores], [sample.target for sample in samples], _cache(context)
        )
        return {
            metric: Metric(100 * whole) if values is None else _of_split(whole, samples, values)
            for metric, (whole, values) in found.items()
        }

    return compute


ON_REQUEST: Mapping[str, Callable[[Sequence[Sample], Sequence[Score], Context], Metrics]] = {
    name: _further(name) for name in caption.EXTRAS
}


def task(name: str, num_samples: int) -> Task:
    """A split of captions, of the report's tables."""
    return Task(
        name,
        path_of(name),
        num_samples,
        to_sample,
        PROTOCOLS,
        metrics,
        ("captioning", "qwen-vl-report"),
        on_request=ON_REQUEST,
        headline=headline,
        needs="caption",
    )

"""What there is to see of one answer: references with their counts, and each step of normalising.

Shared by `explain` and the HTML report.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import pairwise
from string import ascii_uppercase
from typing import NamedTuple

from eval_mm.kinds import caption
from eval_mm.metrics.ptb import tokenize
from eval_mm.metrics.steps import Steps, trace
from eval_mm.schema import Normalisation, Prediction, Protocol, Request, Sample


class Reference(NamedTuple):
    """A reference as it stands in the data, how often it does, and its letter where it is an option."""

    text: str
    times: int = 1
    letter: str = ""


class Traced(NamedTuple):
    """A text, and the name of every step of a scorer with the text after it."""

    text: str
    steps: Sequence[tuple[str, str]]

    @property
    def normalised(self) -> str:
        """The text after all steps, which is what is compared."""
        return self.steps[-1][1] if self.steps else self.text

    @property
    def changes(self) -> list[tuple[str, str]]:
        """The steps that changed the text."""
        texts = [("", self.text), *self.steps]
        return [after for before, after in pairwise(texts) if after[1] != before[1]]


class Normalised(NamedTuple):
    """An answer and its references on their way to being compared; none where no steps are taken."""

    answer: Traced | None
    references: list[Traced]


def references(sample: Sample) -> list[Reference]:
    """What the answer is compared with, each text once; empty where it is not public."""
    target = sample.target
    if target is None:
        judged_by = sample.metadata.get("reference_answer")
        return [] if judged_by is None else [Reference(judged_by)]
    if isinstance(target, int):  # an option; its text is not known in tables of letters only
        return [Reference(sample.choices[target] if sample.choices else "", letter=ascii_uppercase[target])]
    if isinstance(target, tuple) and all(isinstance(text, str) for text in target):
        return [Reference(text, target.count(text)) for text in dict.fromkeys(target)]
    if isinstance(target, tuple):
        return [Reference(str(tuple(target)))]
    return [Reference(str(target))]


def limits(request: Request, answer: Prediction) -> str:
    """How long the answer could be, and how long it was."""
    used = "" if answer.new_tokens is None else f"; the answer has {answer.new_tokens}"
    why = "" if answer.stop_reason is None else f", ended by {answer.stop_reason}"
    return f"{request.min_new_tokens} to {request.max_new_tokens} new tokens{used}{why}"


def normalised(steps: Normalisation, sample: Sample, text: str) -> Normalised:
    """The way of an answer's text and of the references through the steps of a scorer."""
    return Normalised(
        _traced(steps.answer, text.strip()),
        [traced for one in _texts(sample) if (traced := _traced(steps.references, one)) is not None],
    )


def steps_of_many(
    protocol: Protocol, answered: Sequence[tuple[Sample, str]]
) -> Callable[[Sample], Normalisation]:
    """A protocol's steps for many samples and answers: captions are tokenised in one start of Java.

    Raises:
        UserError: there is no Java, or it fails.
    """
    if protocol.steps is not caption.steps:
        return protocol.steps
    texts = dict.fromkeys(text for sample, answer in answered for text in (answer.strip(), *_texts(sample)))
    tokens = dict(zip(texts, tokenize(list(texts)), strict=True))
    return partial(caption.steps, tokenised=tokens)


def _texts(sample: Sample) -> Iterable[str]:
    """The reference texts, each once."""
    target = sample.target if isinstance(sample.target, tuple) else ()
    return dict.fromkeys(text for text in target if isinstance(text, str))


def _traced(steps: Steps, text: str) -> Traced | None:
    return Traced(text, trace(steps, text)) if steps else None

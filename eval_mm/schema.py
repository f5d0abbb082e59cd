"""The nouns of the harness. Read this file first.

A row of a benchmark becomes a `Sample`. A `Protocol` turns the sample into a `Prompt`, which becomes a
`Request`: all a model may see. A back end answers with a `Prediction`, which the protocol judges into a
`Score`. The scores of a `Task` make its `Result`.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal
from typing import Protocol as Interface

if TYPE_CHECKING:
    from eval_mm.data import Row

BoxScale = Literal["999", "1000", "fraction", "pixels"]
"""The unit of the coordinates a model writes: 0..999 or 0..1000 over each side, 0..1, or pixels."""


@dataclass(frozen=True, slots=True)
class Image:
    """A picture by reference, decoded late.

    In a sample the path is relative to the data root and inside it; in a request it can be opened as it is.
    """

    path: str


@dataclass(frozen=True, slots=True)
class Mark:
    """A structural token such as `<ref>` or `<box>`; back ends without such tokens leave it out."""

    token: str


Prompt = tuple[Image | Mark | str, ...]
"""Parts, never a string with holes: a `str` is plain text, so a question with `<img>` in it stays a question.
"""


@dataclass(frozen=True, slots=True)
class Sample:
    """One row of a benchmark, before any prompt.

    `target` is None where answers are not public. `metadata` holds what scoring or breakdowns need besides.
    """

    id: str
    images: tuple[Image, ...]
    question: str
    choices: tuple[str, ...] = ()
    target: Any = None
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Request:
    """All a model may see of a sample: no target, so no leak by construction.

    Non-empty `choices` mean: rank these continuations by mean log-probability per token. `chat` asks for a
    chat turn. `stop` are texts that end the answer, besides the model's own end of text.
    """

    id: str
    prompt: Prompt
    choices: tuple[str, ...] = ()
    chat: bool = False
    min_new_tokens: int = 0
    max_new_tokens: int = 32
    stop: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Prediction:
    """One answer, and one line of the journal.

    `key` fingerprints what was asked (prompt, image content, limits, model); empty for answers made
    elsewhere. `stop_reason` is "stop", "length" or None. `error` is None unless this sample failed.
    """

    id: str
    text: str = ""
    key: str = ""
    choice_logprobs: tuple[float, ...] | None = None
    stop_reason: str | None = None
    prompt_tokens: int | None = None
    new_tokens: int | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Score:
    """What one answer is worth.

    `value` is 0 to 1; None means no answer could be read: it counts 0, as published, and is always reported
    as unparsed. `answer` is what was read, `explanation` how it was judged.
    """

    value: float | None
    answer: str
    explanation: str


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What scoring and reports may know of the model that answered; recorded in the run's manifest.

    `box_scale` is here because the unit of a model's coordinates is a fact about the model, never guessed
    from the values, and must still be known when stored answers are scored without the model. `protocol` is
    the one it is asked by default, `chat` whether it has a chat format, `compute` its device and dtype.
    """

    name: str
    fingerprint: str = ""
    protocol: str = "instruct"
    box_scale: BoxScale = "999"
    chat: bool = True
    compute: str = ""
    demo: bool = False


@dataclass(frozen=True, slots=True)
class Protocol:
    """How a benchmark is asked and judged, under a name, because prompt and scorer make the number.

    `prompt(sample, examples)` builds the prompt; `score(sample, prediction, model)` judges one answer.
    """

    name: str
    prompt: Callable[[Sample, Sequence[Sample]], Prompt]
    score: Callable[[Sample, Prediction, ModelInfo], Score]
    min_new_tokens: int
    max_new_tokens: int
    stop: tuple[str, ...] = ()
    chat: bool = False


@dataclass(frozen=True, slots=True)
class Metric:
    """A number on its published scale with its standard error (clustered by image) and 95 % interval."""

    value: float
    stderr: float | None = None
    ci95: tuple[float, float] | None = None


Metrics = dict[str, Metric]
"""Ordered: the headline metric first, breakdowns after it as `metric/breakdown`."""


@dataclass(frozen=True, slots=True)
class Task:
    """One split of one benchmark.

    `path` is relative to the data root, `num_samples` the published count (None where unknown to us),
    `families` the group names that `--task` takes. `metrics` reduces samples and their scores, in the same
    order, to the metrics. The first protocol is the default for Qwen-VL and for answers made elsewhere.
    `version` rises whenever a change could alter a number.
    """

    name: str
    path: str
    num_samples: int | None
    to_sample: Callable[["Row"], Sample]
    protocols: tuple[Protocol, ...]
    metrics: Callable[[Sequence[Sample], Sequence[Score]], Metrics]
    families: tuple[str, ...] = ()
    version: int = 1


@dataclass(frozen=True, slots=True)
class Result:
    """The JSON a leaderboard reads. A function of data and answers alone: no times, no process counts.

    `num_samples` counts what was scored, errors and unparsed answers included; both count 0. `complete` is
    false for anything that is not the whole published split answered without error.
    """

    task: str
    version: int
    model: str
    prompt_protocol: str
    score_protocol: str
    metrics: Metrics
    num_samples: int
    num_published: int | None
    num_unparsed: int
    num_errors: int
    complete: bool
    demo: bool
    config: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        """The object written to result.json."""
        return asdict(self)

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> "Result":
        """The inverse of `to_json`; raises KeyError or TypeError on another shape."""
        metrics = {
            name: Metric(m["value"], m["stderr"], tuple(m["ci95"]) if m["ci95"] else None)
            for name, m in fields["metrics"].items()
        }
        return cls(**{**fields, "metrics": metrics})


class Backend(Interface):
    """A model one can ask. One method; it does its own batching.

    `generate` pulls requests when it has room, yields every prediction as it finishes, in any order, and
    records what goes wrong with one request in that request's `Prediction.error`.
    """

    info: ModelInfo

    def generate(self, requests: Iterable[Request]) -> Iterator[Prediction]:
        """Answers each request exactly once."""
        ...

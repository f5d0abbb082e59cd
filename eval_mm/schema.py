"""The nouns of the harness. Read this file first.

A row of a benchmark becomes a `Sample`. A `Protocol` turns the sample into a `Prompt`, which becomes a
`Request`: all a model may see. A back end answers with a `Prediction`, which the protocol judges into a
`Score`. The scores of a `Task` make its `Result`.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple
from typing import Protocol as Interface

from eval_mm.metrics.steps import Steps

if TYPE_CHECKING:
    from eval_mm.data import Row
    from eval_mm.stats import Units

BoxScale = Literal["999", "1000", "fraction", "pixels", "resized"]
"""The unit of the coordinates a model writes: 0..999 or 0..1000 over each side, 0..1, pixels of the picture's
file, or pixels of the picture as the model saw it (`Prediction.image_size`).
"""


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
    chat turn, `system` is what it is told before, where the user says something; a back end that cannot say
    it fails such requests. `stop` are texts that end the answer, besides the model's own end of text.
    """

    id: str
    prompt: Prompt
    choices: tuple[str, ...] = ()
    chat: bool = False
    min_new_tokens: int = 0
    max_new_tokens: int = 32
    stop: tuple[str, ...] = ()
    system: str = ""


@dataclass(frozen=True, slots=True)
class Prediction:
    """One answer, and one line of the journal.

    `key` fingerprints what was asked (prompt, image content, limits, model); empty for answers made
    elsewhere. `stop_reason` is "stop", "length", "refusal" or None; of a refusal `text` is its words, which
    no scorer reads. `error` is None unless this sample failed. `reasoning` is what the model wrote before its
    answer and is no part of it; `prompt_tokens` and `new_tokens` are all that were read and written for it.
    `image_size` is width and height of the only picture as the model saw it, where its coordinates count
    those pixels.
    """

    id: str
    text: str = ""
    key: str = ""
    choice_logprobs: tuple[float, ...] | None = None
    stop_reason: str | None = None
    prompt_tokens: int | None = None
    new_tokens: int | None = None
    error: str | None = None
    image_size: tuple[int, int] | None = None
    reasoning: str = ""


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
    from the values, and must still be known when stored answers are scored without the model; None where it
    is not known, and then no protocol with `boxes` can be asked. `protocol` is the one it is asked by
    default, `chat` whether it has a chat format, `plain` whether it goes on from a text without one,
    `compute` its device and dtype, `parameters` their number where it is known. `settings` are those of a
    server's model that make its answers, for results and reports; they are part of the fingerprint too.
    """

    name: str
    fingerprint: str = ""
    protocol: str = "instruct"
    box_scale: BoxScale | None = "999"
    chat: bool = True
    compute: str = ""
    demo: bool = False
    parameters: int | None = None
    plain: bool = True
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Context:
    """What judging may know besides samples and answers.

    `cache` is a folder for what is costly to compute and depends on the data alone; None keeps nothing.
    """

    model: ModelInfo
    cache: Path | None = None


Scorer = Callable[[Sequence[Sample], Sequence[Prediction], Context], Sequence[Score]]
"""Judges all answers of a split, in order. All at once, since CIDEr weighs words by the whole split; what
judges one answer becomes a Scorer by `scoring.each`. Answers that failed come with an empty text; what
is said of them is replaced afterwards. Samples without a target never come here.
"""


class Normalisation(NamedTuple):
    """The named steps a scorer takes an answer and the references through before it compares them."""

    answer: Steps = ()
    references: Steps = ()


def no_steps(sample: Sample) -> Normalisation:
    """For scorers that compare texts as they are."""
    return Normalisation()


def no_choices(sample: Sample) -> tuple[str, ...]:
    """For protocols that let the model write."""
    return ()


@dataclass(frozen=True, slots=True)
class Protocol:
    """How a benchmark is asked and judged, under a name, because prompt and scorer make the number.

    `prompt(sample)` builds the prompt and `choices(sample)` the continuations to rank, if any; `score`
    judges the answers. `example(sample)` is the answer of a few-shot example as it follows the prompt, None
    where the benchmark has no few-shot form. `steps(sample)` are the steps on texts that `score` takes and
    `explain` shows; what the comparison itself lets pass (numbers within 5 %) the score's explanation says.
    `boxes` says that answers are coordinates, whose unit the model must be known for.
    """

    name: str
    prompt: Callable[[Sample], Prompt]
    score: Scorer
    min_new_tokens: int
    max_new_tokens: int
    stop: tuple[str, ...] = ()
    chat: bool = False
    system: str = ""
    boxes: bool = False
    choices: Callable[[Sample], tuple[str, ...]] = no_choices
    example: Callable[[Sample], str] | None = None
    steps: Callable[[Sample], Normalisation] = no_steps


@dataclass(frozen=True, slots=True)
class Metric:
    """A number on its published scale with its standard error (clustered by image) and 95 % interval."""

    value: float
    stderr: float | None = None
    ci95: tuple[float, float] | None = None


Metrics = dict[str, Metric]
"""Ordered: the headline metric first, breakdowns after it as `metric/breakdown`."""


@dataclass(frozen=True, slots=True)
class Submission:
    """The files that a benchmark's server takes where answers are not public.

    `write(samples, predictions, context)` makes the bytes of each; official id types are restored there.
    """

    files: tuple[str, ...]
    write: Callable[[Sequence[Sample], Sequence[Prediction], Context], tuple[bytes, ...]]


@dataclass(frozen=True, slots=True)
class Task:
    """One split of one benchmark, or several of them together.

    `path` is relative to the data root (an absolute one is a file of one's own), `num_samples` the published
    count (None where unknown to us), `families` the group names that `--task` takes. `metrics` reduces
    samples and their scores, in the same order, to the metrics; `on_request` are further ones by name, each
    taking a Context too. `headline` gives by name what the headline numbers are made of, for errors and
    comparisons; None where it is one number, the mean score x 100. The first protocol is the default for
    Qwen-VL and for answers made elsewhere.
    `lines` cuts the file into numbered JSON rows. `needs` is the extra of the package without which no score
    can be made. `own` is what a file of one's own is made from, for the manifest. `unscored` says in a word
    or two what the answers are where samples have no target. `version` rises whenever a change could alter a
    number; its error may change without: no ranking hangs on that, and `check` says it.

    A task with `members` has no file: it is their samples, in order, ids as `<member>/<id>`, and is computed
    from their scores.
    """

    name: str
    path: str
    num_samples: int | None
    to_sample: Callable[["Row"], Sample]
    protocols: tuple[Protocol, ...]
    metrics: Callable[[Sequence[Sample], Sequence[Score]], Metrics]
    families: tuple[str, ...] = ()
    on_request: Mapping[str, Callable[[Sequence[Sample], Sequence[Score], Context], Metrics]] = field(
        default_factory=dict
    )
    headline: Callable[[Sequence[Sample], Sequence[Score]], Mapping[str, "Units"]] | None = None
    submission: Submission | None = None
    members: tuple["Task", ...] = ()
    lines: Callable[[bytes, Path], list[tuple[int, bytes]]] | None = None
    needs: str | None = None
    own: Mapping[str, str] | None = None
    unscored: str = "not public"
    version: int = 1


def path_of(task: str) -> str:
    """Where the rows of a task lie under the data root: `<benchmark>/<task>.jsonl`."""
    return f"{task.partition('_')[0]}/{task}.jsonl"


@dataclass(frozen=True, slots=True)
class Result:
    """The JSON a leaderboard reads. A function of data and answers alone: no times, no process counts.

    `num_samples` counts what was scored, errors and unparsed answers included; both count 0. `complete` is
    false for anything that is not the whole published split answered without error. `metrics` is empty where
    answers are not public.
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
    records what goes wrong with one request in that request's `Prediction.error`. One that has a method
    `notices()` tells with it, in lines, what the user should know after a run.
    """

    info: ModelInfo

    def generate(self, requests: Iterable[Request]) -> Iterator[Prediction]:
        """Answers each request exactly once."""
        ...

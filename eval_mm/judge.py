"""Predictions -> scores -> results. Needs no model and no torch.

Every sample of the selection is scored exactly once. A missing answer is an error, never a smaller
denominator, unless the caller asks for the subset that is there; an answer that failed counts 0 and is
counted as an error. Where answers are not public there is no number, but the file for the benchmark's server.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from eval_mm import extras
from eval_mm.data import Dataset, Selection, join
from eval_mm.errors import UserError, did_you_mean
from eval_mm.few_shot import Examples
from eval_mm.schema import Context, Metrics, ModelInfo, Prediction, Protocol, Result, Sample, Score, Task
from eval_mm.variant import Variant

REFUSAL = "refusal"
SCORE = tuple(field.name for field in fields(Score))


@dataclass(frozen=True, slots=True)
class Judged:
    """The answers to a task's samples and what each is worth, in the order of the data."""

    samples: Sequence[Sample]
    predictions: Sequence[Prediction]
    scores: Sequence[Score]

    def rows(self) -> Iterator[dict[str, Any]]:
        """The rows of scores.jsonl."""
        for sample, prediction, score in zip(self.samples, self.predictions, self.scores, strict=True):
            judged = {name: getattr(score, name) for name in SCORE}
            yield {"id": sample.id, **judged, "error": prediction.error}


@dataclass(frozen=True, slots=True)
class Asked:
    """Of whom and how a task's answers were asked: all that makes its number but data and scorer."""

    model: ModelInfo
    prompt_protocol: str
    config: Mapping[str, Any]
    subset: bool = False


def judge(
    task: Task,
    dataset: Dataset,
    predictions: Mapping[str, Prediction],
    protocol: Protocol,
    context: Context,
    *,
    subset: bool = False,
) -> Judged:
    """What the answers to a task's samples are worth, by a protocol's scorer.

    Raises:
        UserError: samples without an answer (unless `subset`), or no answer at all; a missing extra.
    """
    samples = dataset.samples
    missing = [sample.id for sample in samples if sample.id not in predictions]
    if missing and not subset:
        raise UserError(
            f"task {task.name}: {len(missing):,} of {len(samples):,} samples have no answer (first: "
            f"'{missing[0]}'); answer them all, or score what is there with --subset"
        )
    samples = [sample for sample in samples if sample.id in predictions]
    if not samples:
        raise UserError(f"task {task.name}: no sample has an answer")
    answers = [predictions[sample.id] for sample in samples]
    if task.needs is not None:
        extras.require(task.needs, f"task {task.name}")
    if samples[0].target is None:
        said = f"no score: the answers are {task.unscored}"
        return Judged(samples, answers, [Score(None, answer.text.strip(), said) for answer in answers])
    unread = [_not_to_be_read(answer) for answer in answers]
    readable = [
        replace(answer, text="") if why else answer for answer, why in zip(answers, unread, strict=True)
    ]
    scores = [
        Score(None, "", why) if why else score
        for why, score in zip(unread, protocol.score(samples, readable, context), strict=True)
    ]
    return Judged(samples, answers, scores)


def _not_to_be_read(answer: Prediction) -> str:
    """Why no scorer reads an answer, empty for one that is read: a refusal may begin with "No"."""
    if answer.error is not None:
        return f"error: {answer.error}"
    return f"refused: {answer.text.strip()}" if answer.stop_reason == REFUSAL else ""


@dataclass(frozen=True, slots=True)
class Scored:
    """A task's judged answers with all that makes a result of them."""

    task: Task
    dataset: Dataset
    judged: Judged
    scorer: Protocol
    asked: Asked
    context: Context

    def result(self, on_request: Sequence[str] = ()) -> Result:
        """The numbers; `on_request` are further metrics by name, of which the task may have some."""
        task, judged = self.task, self.judged
        public = judged.samples[0].target is not None
        metrics: Metrics = {}
        if public:
            metrics = task.metrics(judged.samples, judged.scores)
            for name in on_request:
                if name in task.on_request:
                    metrics |= task.on_request[name](judged.samples, judged.scores, self.context)
        errors = [prediction.error for prediction in judged.predictions]
        num_samples, num_errors = len(judged.samples), sum(error is not None for error in errors)
        num_refused = sum(prediction.stop_reason == REFUSAL for prediction in judged.predictions)
        known = num_samples if task.own else task.num_samples  # a file of one's own is what it is
        whole = num_samples == self.dataset.num_rows and num_samples == known
        demo = self.dataset.root.demo
        return Result(
            task=task.name,
            version=task.version,
            model=self.asked.model.name,
            prompt_protocol=self.asked.prompt_protocol,
            score_protocol=self.scorer.name,
            metrics=metrics,
            num_samples=num_samples,
            num_published=task.num_samples,
            num_unparsed=sum(
                public and score.value is None and error is None
                for score, error in zip(judged.scores, errors, strict=True)
            ),
            num_errors=num_errors,
            complete=whole and num_errors == 0 and not demo,
            demo=demo or self.asked.model.demo,
            config={
                **self.asked.config,
                "data_sha256": self.dataset.sha256,
                "box_scale": self.asked.model.box_scale,
                "subset": self.asked.subset,
                **({"num_refused": num_refused} if num_refused else {}),
            },
        )

    def submission(self) -> dict[str, bytes]:
        """The server's files by name; none for a task that has none."""
        sent = self.task.submission
        if sent is None:
            return {}
        contents = sent.write(self.judged.samples, self.judged.predictions, self.context)
        return dict(zip(sent.files, contents, strict=True))


def score_task(
    task: Task,
    dataset: Dataset,
    predictions: Mapping[str, Prediction],
    scorer: Protocol,
    asked: Asked,
) -> Scored:
    """A task's answers, judged; raises UserError as `judge` does."""
    context = Context(asked.model, dataset.root.cache)
    judged = judge(task, dataset, predictions, scorer, context, subset=asked.subset)
    return Scored(task, dataset, judged, scorer, asked, context)


def combine(task: Task, parts: Sequence[Scored]) -> Scored:
    """A composite task from the judged answers of its members, in their order; nothing is judged twice.

    Raises:
        UserError: the members were asked or judged in different ways.
    """
    first = parts[0]
    for part in parts[1:]:
        differs = _difference(first, part)
        if differs is not None:
            raise UserError(
                f"task {task.name}: {first.task.name} and {part.task.name} differ in {differs}; run them "
                f"again in one way"
            )
    judged = Judged(
        [replace(s, id=f"{part.task.name}/{s.id}") for part in parts for s in part.judged.samples],
        [prediction for part in parts for prediction in part.judged.predictions],
        [score for part in parts for score in part.judged.scores],
    )
    dataset = join(task, [part.dataset for part in parts])
    return Scored(task, dataset, judged, first.scorer, first.asked, first.context)


def _difference(one: Scored, other: Scored) -> str | None:
    """In what two members were not asked or judged alike; None where they make one number."""
    ways = [
        {
            "protocol": (part.asked.prompt_protocol, part.scorer.name),
            "model": part.asked.model,
            "demo data": part.dataset.root.demo,
            "subset": part.asked.subset,
            **part.asked.config,
        }
        for part in (one, other)
    ]
    return next((name for name in ways[0] if ways[0][name] != ways[1].get(name)), None)


def check_on_request(chosen: Sequence[Task], on_request: Sequence[str]) -> None:
    """Raises UserError for a metric on request that none of the tasks has."""
    known = sorted({name for task in chosen for name in task.on_request})
    for name in on_request:
        if name not in known:
            from eval_mm.metrics.caption import EXTRAS

            have = known or EXTRAS
            guess = "" if name in have else did_you_mean(name, have)
            who = "they have" if known else "captions have"
            raise UserError(f"--metrics {name}: none of these tasks has it; {guess}{who} {', '.join(have)}")


def run_config(
    protocol: Protocol, selection: Selection, model: ModelInfo, examples: Examples | None, variant: Variant
) -> dict[str, Any]:
    """What of a run besides data and answers makes its number, for `Result.config`."""
    changed = {"variant": variant.to_json(), "settings": dict(model.settings)}
    return {
        "selection": selection.to_json(),
        "few_shot": None if examples is None else examples.to_json(),
        "chat": protocol.chat,
        "min_new_tokens": protocol.min_new_tokens,
        "max_new_tokens": protocol.max_new_tokens,
        "stop": list(protocol.stop),
        "model_fingerprint": model.fingerprint,
        **{name: fields for name, fields in changed.items() if fields},
    }

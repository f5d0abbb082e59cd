"""What a page holds of single samples: question, prompt, references, and each run's answer, as JSON texts."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from eval_mm.errors import UserError
from eval_mm.evidence import normalised, steps_of_many
from eval_mm.files import ESCAPES
from eval_mm.report.one_file import embedded_json
from eval_mm.report.page.asked import Asked
from eval_mm.report.page.details import answer_facts, clip, prompt_parts, sample_facts
from eval_mm.report.page.groups import Group
from eval_mm.schema import Normalisation, Prediction, Protocol, Request, Sample

LEAST_BYTES = 100
"""What a sample takes at least, and each answer to it."""

CHUNK = 500
"""Samples whose texts are made at once: captions are tokenised together."""

KEY = 10
"""Bytes of a sample's place in the page, with the signs around it."""

Steps = Mapping[str, Callable[[Sample], Normalisation]]
"""By name of a scorer the steps that it takes on a sample's texts."""


class Text(NamedTuple):
    """One sample: its place in the group, and its JSON, of itself and by run of the answer (or "")."""

    place: int
    sample: str
    answers: Sequence[str]

    @property
    def size(self) -> int:
        """Bytes in the page."""
        return sum(num_bytes(text) + KEY for text in (self.sample, *self.answers))


class _Said(NamedTuple):
    """One run's row of scores.jsonl for a sample, and what was sent and came back, where it is known."""

    row: Mapping[str, Any]
    request: Request | None
    prediction: Prediction | None

    @property
    def text(self) -> str:
        return str(self.row["answer"]) if self.prediction is None else self.prediction.text


def num_bytes(text: str) -> int:
    """The length of a text in a file."""
    return len(text) if text.isascii() else len(text.encode("utf-8", ESCAPES))


def texts(group: Group, asked: Sequence[Asked], most: int) -> Iterator[Text]:
    """The texts of the worst `most` samples, made as they are asked for."""
    rows = [{name: place for place, name in enumerate(scores.ids)} for scores in group.scores]
    for start in range(0, min(most, len(group.order)), CHUNK):
        places = group.order[start : min(start + CHUNK, most)]
        said = {
            place: [_said(group, one, turn, rows[turn], place) for turn, one in enumerate(asked)]
            for place in places
        }
        steps = _steps(group, asked, said)
        for place in places:
            yield _text(place, group.questions.samples.get(group.ids[place]), asked, said[place], steps)


def _said(group: Group, asked: Asked, run: int, rows: Mapping[str, int], place: int) -> _Said | None:
    name = group.ids[place]
    if name not in rows:
        return None
    sample = group.questions.samples.get(name)
    request, prediction = asked.answer(sample, group.questions.root) if sample is not None else (None, None)
    return _Said(group.scores[run].row(rows[name]), request, prediction)


def _steps(group: Group, asked: Sequence[Asked], said: Mapping[int, Sequence[_Said | None]]) -> Steps:
    scorers: dict[str, Protocol] = {}
    answered: dict[str, list[tuple[Sample, str]]] = {}
    for turn, one in enumerate(asked):
        if one.scorer is None:
            continue
        scorers[one.scorer.name] = one.scorer
        for place, answers in said.items():
            sample, answer = group.questions.samples.get(group.ids[place]), answers[turn]
            if sample is not None and sample.target is not None and answer is not None:
                answered.setdefault(one.scorer.name, []).append((sample, answer.text))
    steps = {}
    for name, pairs in answered.items():
        try:
            steps[name] = steps_of_many(scorers[name], pairs)
        except UserError:  # no Java on this machine: captions are shown without their tokens
            continue
    return steps


def _text(
    place: int, sample: Sample | None, asked: Sequence[Asked], said: Sequence[_Said | None], steps: Steps
) -> Text:
    facts: dict[str, Any] = {} if sample is None else sample_facts(sample)
    prompts: dict[str, Any] = {}
    references: dict[str, list[str]] = {}
    answers = []
    for one, answer in zip(asked, said, strict=True):
        if answer is None:
            answers.append("")
            continue
        way = None
        taken = steps.get(one.scorer.name) if one.scorer is not None else None
        if sample is not None and sample.target is not None and taken is not None:
            way = normalised(taken(sample), sample, answer.text)
            if any(traced.changes for traced in way.references):
                references[one.result.score_protocol] = [clip(traced.normalised) for traced in way.references]
        if sample is not None and answer.request is not None and one.way not in prompts:
            prompts[one.way] = prompt_parts(answer.request, len(sample.images))
        found = answer_facts(answer.row, sample, one.model, answer.request, answer.prediction, way)
        answers.append(embedded_json(found))
    if prompts:
        facts["p"] = prompts
    if references:
        facts["n"] = references
    return Text(place, embedded_json(facts), answers)

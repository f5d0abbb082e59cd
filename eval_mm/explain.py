"""One answer of a run from prompt to score: what was asked, what came back, and every step of judging it."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from eval_mm import store
from eval_mm.console import printable
from eval_mm.data import find_root, load
from eval_mm.errors import UserError
from eval_mm.evidence import Traced, limits, normalised, references
from eval_mm.judge import judge
from eval_mm.prompt import images_of
from eval_mm.rescore import StoredTask, read_entries, read_stored, task_of
from eval_mm.schema import Context, Image, Mark, Prediction, Prompt, Protocol, Sample, Score

SHOWN_NEAR = 3


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one protocol's scorer makes of an answer; `refused` says why it judges none of this kind."""

    protocol: Protocol
    score: Score | None
    refused: str = ""


def explain(
    run: str | os.PathLike[str], sample_id: str, task: str | None = None, data: str | None = None
) -> str:
    """The whole story of one sample of a run folder, as text for a terminal.

    Args:
        run: the run folder.
        sample_id: the id of the sample, as in scores.jsonl; of a composite task `<member>/<id>`.
        task: the task it belongs to, where several tasks of the run have the id.
        data: the data root; default the one of the run.

    Raises:
        UserError: no such run, task or sample; or the id is in several tasks.
    """
    folder = store.RunFolder.open(Path(run))
    stored, sample = _find(folder, sample_id, task, data)
    request = next(request for request in stored.requests if request.id == sample.id)
    answer = stored.predictions.get(sample.id)
    lines = [f"task {stored.task.name}, sample {sample.id}, model {stored.asked.model.name}", ""]
    lines += _block("prompt as sent", [_shown(request.prompt)])
    if request.system:
        lines += _block("system text", [repr(request.system)])
    lines += _block("pictures", map(_picture, images_of(request.prompt)))
    if request.choices:
        lines += _block("options that were ranked", map(repr, request.choices))
    if answer is None:
        return "\n".join([*lines, "no answer to this very question is stored; run again"])
    raw = repr(answer.text) if answer.error is None else f"error: {printable(answer.error)}"
    if answer.reasoning:
        lines += _block("reasoning, not scored", [repr(answer.reasoning)])
    if answer.choice_logprobs is not None:
        # an edited journal may hold fewer: what is there is shown
        ranks = zip(request.choices, answer.choice_logprobs, strict=False)
        raw = ", ".join(f"{choice!r} {value:.4f}" for choice, value in ranks)
        lines += _block("mean log-probability per token", [raw])
    else:
        lines += _block("answer, raw", [raw])
    lines += _block("asked with", [limits(request, answer)])
    lines += _block("references", _references(sample))
    if sample.target is not None and answer.error is None:
        for verdict in _verdicts(stored, sample.id):
            lines += _verdict(verdict, sample, answer)
    return "\n".join(lines).rstrip()


def _find(
    folder: store.RunFolder, sample_id: str, name: str | None, data: str | None
) -> tuple[StoredTask, Sample]:
    """The task of the run that has the sample, and the sample."""
    entries = read_entries(folder)
    member, slash, inner = sample_id.partition("/")
    if slash and member in entries:
        sample_id, name = inner, member
    if name is not None and name not in entries:
        raise UserError(f"{folder.path}: the run has no task {name}; it has {', '.join(entries)}")
    holding: list[str] = []
    ids: list[str] = []
    for held in [name] if name is not None else entries:
        entry = entries[held]
        own = task_of(held, entry)
        found = load(own, find_root(data or entry.data, own), entry.selection)
        ids += [sample.id for sample in found.samples[:SHOWN_NEAR]]
        holding += [held] if any(sample.id == sample_id for sample in found.samples) else []
    if not holding:
        near = ", ".join([*dict.fromkeys(ids)][: 2 * SHOWN_NEAR])
        raise UserError(f"{folder.path}: no sample has the id '{sample_id}' (ids are like {near})")
    if len(holding) > 1:
        raise UserError(f"the id '{sample_id}' is in {', '.join(holding)}; name one with --task")
    entry = entries[holding[0]]
    stored = read_stored(task_of(holding[0], entry), entry, folder.path, data)
    return stored, next(sample for sample in stored.dataset.samples if sample.id == sample_id)


def _verdicts(stored: StoredTask, sample_id: str) -> Iterator[Verdict]:
    """The answer under every protocol of the task, the one it was asked by first.

    All answers are judged, since a scorer may weigh one by the whole split.
    """
    context = Context(stored.asked.model, stored.dataset.root.cache)
    first = stored.protocol
    for protocol in [first, *(other for other in stored.task.protocols if other.name != first.name)]:
        try:
            judged = judge(stored.task, stored.dataset, stored.predictions, protocol, context, subset=True)
        except UserError as error:  # ranked letters under a scorer of texts, or the reverse
            yield Verdict(protocol, None, str(error))
            continue
        place = [sample.id for sample in judged.samples].index(sample_id)
        yield Verdict(protocol, judged.scores[place])


def _verdict(verdict: Verdict, sample: Sample, answer: Prediction) -> list[str]:
    title = f"by the scorer of protocol {verdict.protocol.name}"
    if verdict.score is None:
        return _block(title, [f"not judged: {verdict.refused}"])
    value = "unparsed, counts 0" if verdict.score.value is None else f"{verdict.score.value:.6g}"
    lines = [f"score {value}", f"answer {verdict.score.answer!r}", verdict.score.explanation]
    way = normalised(verdict.protocol.steps(sample), sample, answer.text)
    lines += _steps("answer", way.answer) if way.answer else []
    for reference in way.references:
        lines += _steps("reference", reference)
    return _block(title, lines)


def _steps(what: str, traced: Traced) -> list[str]:
    """Every step by name, and the text after it."""
    lines, before = [f"{what} {traced.text!r}"], traced.text
    for name, after in traced.steps:
        lines.append(f"  {name}: {'unchanged' if after == before else repr(after)}")
        before = after
    return lines


def _references(sample: Sample) -> list[str]:
    return [
        (f"{one.letter}. " if one.letter else "")
        + repr(one.text)
        + (f" x {one.times}" if one.times > 1 else "")
        for one in references(sample)
    ] or ["not public"]


def _shown(prompt: Prompt) -> str:
    """The prompt with its parts visible: pictures and marks in brackets of their own, text quoted."""
    parts = []
    for part in prompt:
        if isinstance(part, Image):
            parts.append("<picture>")
        elif isinstance(part, Mark):
            parts.append(f"<mark {part.token}>")
        else:
            parts.append(repr(part))
    return " ".join(parts)


def _picture(path: str) -> str:
    from PIL import Image as Pillow

    try:
        with Pillow.open(path) as picture:
            return f"{path} ({picture.width} x {picture.height} pixels, {picture.format})"
    except OSError as error:
        return f"{path} (cannot be read: {error.strerror or 'no picture'})"


def _block(title: str, lines: Iterable[str]) -> list[str]:
    return [title, *(f"  {line}" for line in lines), ""]

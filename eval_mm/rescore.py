"""Scoring without a model: a run folder again, or a file of answers made elsewhere."""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import get_args

from eval_mm import journal, store, tasks
from eval_mm.answers import read_file
from eval_mm.data import Dataset, find_root, load
from eval_mm.errors import UserError
from eval_mm.few_shot import load_examples, train_path
from eval_mm.judge import Asked, Scored, check_on_request, combine, run_config, score_task
from eval_mm.matching import match as match_answers
from eval_mm.own_data import OwnData, own_task
from eval_mm.prompt import to_request
from eval_mm.schema import BoxScale, ModelInfo, Prediction, Protocol, Request, Result, Task
from eval_mm.variant import base_of


def score(
    run: str | os.PathLike[str] | None = None,
    *,
    task: str | None = None,
    predictions: str | os.PathLike[str] | None = None,
    protocol: str | None = None,
    data: str | os.PathLike[str] | None = None,
    subset: bool = False,
    metrics: Sequence[str] = (),
    match: str | None = None,
    id_key: str | None = None,
    text_key: str | None = None,
    box_scale: BoxScale | None = None,
    metric: str | None = None,
    references: str | None = None,
    out: str | os.PathLike[str] | None = None,
) -> list[Result]:
    """Scores a run folder again, or a file of answers made elsewhere. The Python form of `eval_mm score`.

    Args:
        run: a run folder; every task in it is scored, or those that `task` names.
        task: task names or families, comma-separated; with `predictions` exactly one task.
        predictions: a file of answers (formats: eval_mm/answers.py).
        protocol: whose scorer to use; default the one of the run, for a file the task's first.
        data: the data root; default the one of the run.
        subset: score the samples that have an answer instead of refusing when some lack one.
        metrics: further metrics on request, such as "bleu" for captions.
        match: "id" (default) or "order": how a file's answers are matched to samples.
        id_key: the key of the id in a file's objects, where it is none of the usual ones.
        text_key: the key of the answer, likewise.
        box_scale: the unit of the coordinates in a file of answers, "999" by default.
        metric: judges the rows of `task="file:PATH"`.
        references: the captions of `task="caption"`.
        out: where the result of a file is written, as `<out>/<task>/`; default nowhere.

    Raises:
        UserError: anything that makes the score impossible, in one line.
    """
    if match not in (None, "id", "order"):
        raise UserError(f"match: expected 'id' or 'order', got {match!r}")
    if box_scale is not None and box_scale not in get_args(BoxScale):
        raise UserError(f"box_scale: expected one of {', '.join(get_args(BoxScale))}, got {box_scale!r}")
    if out is not None and not str(out):
        raise UserError("out: expected a folder, got an empty text")
    if (run is None) == (predictions is None):
        raise UserError("score takes either a run folder or --predictions FILE with --task")
    if run is not None:
        for_files = {
            "--match": match,
            "--id-key": id_key,
            "--text-key": text_key,
            "--box-scale": box_scale,
            "--metric": metric,
            "--references": references,
            "--out": out,
        }
        given = [option for option, value in for_files.items() if value is not None]
        if given:
            raise UserError(f"{given[0]} is for --predictions FILE; a run folder keeps its own")
        with store.RunFolder.open(Path(run)).kept() as folder:
            return _score_run(folder, task, protocol, data, subset, metrics)
    chosen = tasks.resolve([task], metric, references) if task else []
    if len(chosen) != 1:
        raise UserError(f"--predictions needs --task with exactly one task, got {len(chosen)}")
    path = Path(predictions or "")
    if out is not None and (Path(out) / store.MANIFEST).exists():
        raise UserError(f"--out {out}: holds a run already; name another folder for the scores of a file")
    check_on_request(chosen, metrics)
    answered = chosen[0]
    dataset = load(answered, find_root(data, answered))
    if dataset.samples[0].target is None and out is None:
        raise UserError(
            f"task {answered.name}: its answers are {answered.unscored}, so there is nothing to score; "
            f"--out DIR writes the file for the benchmark's server"
        )
    file = read_file(path, id_key, text_key)
    matched = match_answers(
        file.answers,
        dataset.samples,
        path,
        match or "id",
        subset,
        [member.name for member in answered.members],
    )
    scored = score_task(
        answered,
        dataset,
        matched.predictions,
        tasks.get_protocol(answered, protocol or answered.protocols[0].name),
        Asked(
            ModelInfo(path.name, box_scale=box_scale or "999"),
            store.UNKNOWN_PROMPT,
            {"answers_sha256": file.sha256, "num_unused": matched.num_unused},
            subset,
        ),
    )
    result = scored.result(metrics)
    if out is not None:
        with store.RunFolder.create(Path(out)) as folder:
            beside = "" if scored.scorer == answered.protocols[0] else scored.scorer.name
            folder.write_result(result, scored.judged.rows(), scored.submission(), beside)
    return [result]


class ChangedRowsError(UserError):
    """The rows are no longer those of the run."""


@dataclass(frozen=True, slots=True)
class StoredTask:
    """What a run folder holds of one task: how it was asked, and the answers that fit the data as it is."""

    task: Task
    dataset: Dataset
    protocol: Protocol
    requests: Sequence[Request]
    predictions: Mapping[str, Prediction]
    asked: Asked


def read_stored(
    task: Task,
    entry: store.TaskEntry,
    folder: Path,
    data: str | os.PathLike[str] | None,
    changed: bool = False,
) -> StoredTask:
    """A task of a run folder, and with `changed` of rows that are no longer those of the run.

    Raises:
        ChangedRowsError: without `changed`, where they are not.
        UserError: rows that cannot be read, a protocol that is not known.
    """
    dataset = load(task, find_root(data or entry.data, task), entry.selection)
    if not changed:
        _same(dataset.root.path / task.path, dataset.sha256, entry.data_sha256)
    protocol = entry.variant.of(tasks.get_protocol(task, base_of(entry.protocol)))
    examples = None
    if entry.few_shot is not None:
        examples = load_examples(task, dataset.root, entry.few_shot)
        if not changed:
            _same(dataset.root.path / train_path(task), examples.sha256, entry.train_sha256)
    requests = [
        to_request(sample, protocol, dataset.root.path, examples.of(sample) if examples else ())
        for sample in dataset.samples
    ]
    fitting = fitting_answers(requests, journal.read_answers(folder / task.name), entry.model.fingerprint)
    config = run_config(protocol, entry.selection, entry.model, examples, entry.variant)
    return StoredTask(task, dataset, protocol, requests, fitting, Asked(entry.model, entry.protocol, config))


def fitting_answers(
    requests: Iterable[Request], answers: Iterable[Prediction], fingerprint: str
) -> dict[str, Prediction]:
    """By sample id the newest of a journal's answers to exactly this request to that model."""
    newest = {(answer.id, answer.key.partition("-")[0]): answer for answer in answers}
    return {
        request.id: answer
        for request in requests
        if (answer := newest.get((request.id, store.asked_key(request, fingerprint)))) is not None
    }


def task_of(name: str, entry: store.TaskEntry) -> Task:
    """The task of a run folder's entry: by name, or from the file of one's own that it names."""
    if entry.own is None:
        return tasks.get(name)
    return own_task(OwnData(entry.own.get("path"), entry.own.get("metric")))


def read_entries(folder: store.RunFolder) -> dict[str, store.TaskEntry]:
    """What the manifest knows of every task of the run."""
    found = {
        name: store.TaskEntry.from_json(fields, folder.path)
        for name, fields in folder.manifest["tasks"].items()
    }
    if not found:
        raise UserError(f"{folder.path}: the run has no task yet")
    return found


def _score_run(
    folder: store.RunFolder,
    names: str | None,
    protocol: str | None,
    data: str | os.PathLike[str] | None,
    subset: bool,
    on_request: Sequence[str],
) -> list[Result]:
    entries = read_entries(folder)
    held = {name: task_of(name, entry) for name, entry in entries.items()}
    whole = [task for task in tasks.all_tasks().values() if task.members]
    made_up = {task.name: task for task in whole if all(part.name in held for part in task.members)}
    held |= made_up
    wanted = names.split(",") if names else list(held)
    chosen = [task for name in wanted for task in ([held[name]] if name in held else tasks.resolve([name]))]
    absent = [task.name for task in chosen if task.name not in held]
    if absent:
        raise UserError(f"{folder.path}: the run has no task {absent[0]}; it has {', '.join(held)}")
    check_on_request(chosen, on_request)
    asked, composite = tasks.with_members(chosen)
    done: dict[str, Scored] = {}
    for task in asked:
        stored = read_stored(task, entries[task.name], folder.path, data)
        scorer = tasks.get_protocol(task, protocol) if protocol else stored.protocol
        way = replace(stored.asked, subset=subset)
        try:
            done[task.name] = score_task(task, stored.dataset, stored.predictions, scorer, way)
        except UserError as error:
            named = str(error).startswith(f"task {task.name}")
            raise UserError(str(error) if named else f"task {task.name}: {error}") from None
    for task in composite:
        try:
            done[task.name] = combine(task, [done[part.name] for part in task.members])
        except UserError:
            if names:  # otherwise nobody asked for it: parts that make no whole stand alone
                raise
    results = []
    for scored in (done[name] for name in _in_order(chosen) if name in done):
        task = scored.task
        own = scored.scorer.name == base_of(scored.asked.prompt_protocol)
        result = scored.result(on_request or entries[(task.members or (task,))[0].name].on_request)
        folder.write_result(
            result, scored.judged.rows(), scored.submission(), "" if own else scored.scorer.name
        )
        results.append(result)
    return results


def _in_order(chosen: Sequence[Task]) -> list[str]:
    """The names of the tasks, members before the task they make up, each once."""
    return list(dict.fromkeys(part.name for task in chosen for part in (*task.members, task)))


def _same(path: Path, found: str, recorded: str | None) -> None:
    if found != recorded:
        raise ChangedRowsError(
            f"{path}: not the file of the run, its content differs; name the run's data root with --data, or "
            f"run again"
        )

"""Predictions -> scores -> results. Needs no model and no torch.

Every sample of the selection is scored exactly once. A missing answer is an error, never a smaller
denominator, unless the caller asks for the subset that is there; an answer that failed counts 0 and is
counted as an error.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, get_args

from eval_mm import store, tasks
from eval_mm.answers import read_answers
from eval_mm.data import Dataset, Selection, find_root, load
from eval_mm.errors import UserError
from eval_mm.matching import match as match_answers
from eval_mm.prompt import to_request
from eval_mm.schema import BoxScale, ModelInfo, Prediction, Protocol, Result, Sample, Score, Task


def score_task(
    task: Task,
    dataset: Dataset,
    predictions: Mapping[str, Prediction],
    protocol: Protocol,
    model: ModelInfo,
    *,
    prompt_protocol: str,
    config: Mapping[str, Any],
    subset: bool = False,
) -> tuple[Result, list[dict[str, Any]]]:
    """Judges the answers to a task's samples.

    Returns:
        The result, and one row per sample for scores.jsonl, in the order of the data.

    Raises:
        UserError: samples without an answer (unless `subset`), or no answer at all.
    """
    samples = dataset.samples
    missing = [sample.id for sample in samples if sample.id not in predictions]
    if missing and not subset:
        raise UserError(
            f"task {task.name}: {len(missing):,} of {len(samples):,} samples have no answer (first: "
            f"'{missing[0]}'); finish the run, or score what is there with --subset"
        )
    samples = [sample for sample in samples if sample.id in predictions]
    if not samples:
        raise UserError(f"task {task.name}: no sample has an answer")
    scores = [_judge(sample, predictions[sample.id], protocol, model) for sample in samples]
    errors = [predictions[sample.id].error for sample in samples]
    num_errors = sum(error is not None for error in errors)
    whole = len(samples) == dataset.num_rows and len(samples) == (task.num_samples or len(samples))
    result = Result(
        task=task.name,
        version=task.version,
        model=model.name,
        prompt_protocol=prompt_protocol,
        score_protocol=protocol.name,
        metrics=task.metrics(samples, scores),
        num_samples=len(samples),
        num_published=task.num_samples,
        num_unparsed=sum(
            score.value is None and error is None for score, error in zip(scores, errors, strict=True)
        ),
        num_errors=num_errors,
        complete=whole and num_errors == 0 and not dataset.root.demo,
        demo=dataset.root.demo or model.demo,
        config={**config, "data_sha256": dataset.sha256, "box_scale": model.box_scale, "subset": subset},
    )
    rows = [
        {"id": sample.id, **asdict(score), "error": error}
        for sample, score, error in zip(samples, scores, errors, strict=True)
    ]
    return result, rows


def _judge(sample: Sample, prediction: Prediction, protocol: Protocol, model: ModelInfo) -> Score:
    if prediction.error is not None:
        return Score(None, "", f"error: {prediction.error}")
    return protocol.score(sample, prediction, model)


def score(
    run: str | os.PathLike[str] | None = None,
    *,
    task: str | None = None,
    predictions: str | os.PathLike[str] | None = None,
    protocol: str | None = None,
    data: str | os.PathLike[str] | None = None,
    subset: bool = False,
    match: str | None = None,
    id_key: str | None = None,
    text_key: str | None = None,
    box_scale: BoxScale | None = None,
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
        match: "id" (default) or "order": how a file's answers are matched to samples.
        id_key: the key of the id in a file's objects, where it is none of the usual ones.
        text_key: the key of the answer, likewise.
        box_scale: the unit of the coordinates in a file of answers, "999" by default.
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
        for_files = {"--id-key": id_key, "--text-key": text_key, "--box-scale": box_scale, "--out": out}
        given = [option for option, value in {**for_files, "--match": match}.items() if value is not None]
        if given:
            raise UserError(f"{given[0]} is for --predictions FILE; a run folder keeps its own")
        return _score_run(store.RunFolder.open(Path(run)), task, protocol, data, subset)
    chosen = tasks.resolve([task]) if task else []
    if len(chosen) != 1:
        raise UserError(f"--predictions needs --task with exactly one task, got {len(chosen)}")
    path = Path(predictions or "")
    if out is not None and (Path(out) / store.MANIFEST).exists():
        raise UserError(f"--out {out}: holds a run already; name another folder for the scores of a file")
    dataset = load(chosen[0], find_root(data))
    matched = match_answers(
        read_answers(path, id_key, text_key), dataset.samples, path, match or "id", subset
    )
    result, rows = score_task(
        chosen[0],
        dataset,
        matched.predictions,
        tasks.get_protocol(chosen[0], protocol or chosen[0].protocols[0].name),
        ModelInfo(path.name, box_scale=box_scale or "999"),
        prompt_protocol=store.UNKNOWN_PROMPT,
        config={"answers_sha256": store.file_sha256(path), "num_unused": matched.num_unused},
        subset=subset,
    )
    if out is not None:
        with store.RunFolder.create(Path(out)) as folder:
            folder.write_result(result, rows)
    return [result]


def run_config(protocol: Protocol, selection: Selection, model: ModelInfo) -> dict[str, Any]:
    """What of a run besides data and answers makes its number, for `Result.config`."""
    return {
        "selection": selection.to_json(),
        "chat": protocol.chat,
        "min_new_tokens": protocol.min_new_tokens,
        "max_new_tokens": protocol.max_new_tokens,
        "stop": list(protocol.stop),
        "model_fingerprint": model.fingerprint,
    }


def _score_run(
    folder: store.RunFolder,
    names: str | None,
    protocol: str | None,
    root: str | os.PathLike[str] | None,
    subset: bool,
) -> list[Result]:
    entries = folder.manifest["tasks"]
    chosen = [task.name for task in tasks.resolve([names])] if names else list(entries)
    absent = [name for name in chosen if name not in entries]
    if absent or not chosen:
        raise UserError(
            f"{folder.path}: the run has no task {absent[0] if absent else 'at all'}; it has "
            f"{', '.join(entries) or 'none'}"
        )
    results = []
    for name in chosen:
        task, entry = tasks.get(name), store.TaskEntry.from_json(entries[name], folder.path)
        dataset = load(task, find_root(root or entry.data), entry.selection)
        if dataset.sha256 != entry.data_sha256:
            raise UserError(
                f"{dataset.root.path / task.path}: not the file of the run, its content differs; name the "
                f"run's data root with --data, or run again"
            )
        asked = tasks.get_protocol(task, entry.protocol)
        result, rows = score_task(
            task,
            dataset,
            _answers_to(dataset, asked, entry.model, store.read_answers(folder.path / name)),
            tasks.get_protocol(task, protocol) if protocol else asked,
            entry.model,
            prompt_protocol=asked.name,
            config=run_config(asked, entry.selection, entry.model),
            subset=subset,
        )
        folder.write_result(result, rows)
        results.append(result)
    return results


def _answers_to(
    dataset: Dataset, protocol: Protocol, model: ModelInfo, stored: Sequence[Prediction]
) -> dict[str, Prediction]:
    """The stored answers this very model gave to these very questions (keys: eval_mm/store.py)."""
    newest = {(answer.id, answer.key.partition("-")[0]): answer for answer in stored}
    fitting = {}
    for sample in dataset.samples:
        request = to_request(sample, protocol, dataset.root.path)
        answer = newest.get((sample.id, store.asked_key(request, model.fingerprint)))
        if answer is not None:
            fitting[sample.id] = answer
    return fitting

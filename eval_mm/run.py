"""The pipeline: rows -> samples -> requests -> predictions -> scores -> results, in one readable function."""

import os
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from eval_mm import dispatch, models, store, tasks
from eval_mm.data import ALL_ROWS, DataRoot, Dataset, Selection, find_root, load
from eval_mm.errors import UserError
from eval_mm.prompt import to_request
from eval_mm.schema import Backend, Prediction, Protocol, Request, Result, Task
from eval_mm.score import run_config, score_task

RUNS = Path("results/runs")


@dataclass(frozen=True, slots=True)
class Outcome:
    """A result, with what belongs to this run alone."""

    result: Result
    seconds: float
    num_reused: int
    first_errors: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """What a run did: one outcome per task, the folder, and whether the bundled demo served."""

    outcomes: tuple[Outcome, ...]
    folder: Path
    root: DataRoot


def evaluate(
    model: str | Backend = "demo",
    tasks: str | Sequence[str] = "refcoco",
    data: str | os.PathLike[str] | None = None,
    *,
    protocol: str | None = None,
    limit: int | None = None,
    sample: int | None = None,
    seed: int = 0,
    out: str | os.PathLike[str] | None = None,
    device: str = "auto",
    dtype: str = "auto",
) -> list[Result]:
    """Asks a model the tasks and returns their results. The Python form of `eval_mm run`.

    Args:
        model: what `--model` takes, or a back end object.
        tasks: task names or families.
        data: the data root; default $EVAL_MM_DATA, then ./data, then the bundled demo data.
        protocol: prompt, limits and scorer; default the one of the back end.
        limit: ask the first so many rows only.
        sample: ask so many random rows, drawn by `seed`.
        seed: of `sample`.
        out: the run folder; default results/runs/<model>. An existing one is resumed.
        device: "auto", "cpu", "cuda", "cuda:1", ...
        dtype: "auto", "float32", "bfloat16" or "float16".

    Raises:
        UserError: anything that makes the run impossible, in one line.
    """
    report = run(
        model,
        [tasks] if isinstance(tasks, str) else tasks,
        data,
        protocol=protocol,
        selection=Selection(limit, sample, seed),
        out=out,
        device=device,
        dtype=dtype,
    )
    return [outcome.result for outcome in report.outcomes]


def run(
    model: str | Backend,
    names: Sequence[str],
    data: str | os.PathLike[str] | None = None,
    *,
    protocol: str | None = None,
    selection: Selection = ALL_ROWS,
    out: str | os.PathLike[str] | None = None,
    device: str = "auto",
    dtype: str = "auto",
    progress: bool = False,
) -> Report:
    """Asks a model every sample of the tasks that has no stored answer yet, and scores all.

    Everything about tasks and data is checked before the model is loaded. Answers go to the journal as they
    finish, so an interrupted run goes on where it stopped when it is started again with the same `out`.

    Args:
        model: what `--model` takes, or a back end object.
        names: task names and families.
        data: the data root.
        protocol: prompt, limits and scorer; default the one of the back end.
        selection: which rows.
        out: the run folder; default results/runs/<model>.
        device: "auto", "cpu", "cuda", "cuda:1", ...
        dtype: "auto", "float32", "bfloat16" or "float16".
        progress: show a progress bar on stderr.
    """
    chosen = tasks.resolve(names)
    if protocol is not None:
        for task in chosen:
            tasks.get_protocol(task, protocol)
    root = find_root(data)
    datasets = [load(task, root, selection) for task in chosen]
    from eval_mm.provenance import describe_run, now  # not needed by --help and list

    folder = store.RunFolder.create(Path(out) if out is not None else RUNS / _folder_name(model))
    backend = models.load(model, device, dtype) if isinstance(model, str) else model
    folder.manifest["runs"] = [
        *folder.manifest.get("runs", []),
        describe_run(backend.info.name, device, dtype),
    ]
    outcomes = []
    for task, dataset in zip(chosen, datasets, strict=True):
        asked = tasks.get_protocol(task, protocol or backend.info.protocol)
        outcomes.append(_run_task(task, dataset, asked, backend, selection, folder, progress))
    folder.manifest["runs"][-1]["finished"] = now()
    folder.write_manifest()
    return Report(tuple(outcomes), folder.path, root)


def _run_task(
    task: Task,
    dataset: Dataset,
    protocol: Protocol,
    backend: Backend,
    selection: Selection,
    folder: store.RunFolder,
    progress: bool,
) -> Outcome:
    entry = store.TaskEntry(
        data="demo" if dataset.root.demo else str(dataset.root.path.resolve()),
        data_sha256=dataset.sha256,
        selection=selection,
        protocol=protocol.name,
        version=task.version,
        model=backend.info,
    )
    folder.manifest["tasks"][task.name] = entry.to_json()
    folder.write_manifest()
    started = time.perf_counter()
    requests = [to_request(sample, protocol, dataset.root.path) for sample in dataset.samples]
    keys = store.Keys(backend.info.fingerprint)
    with store.Journal(folder.task_folder(task.name)) as journal:
        todo = [request for request in requests if not _is_answered(request, journal, keys)]
        ordered = (request for group in dispatch.groups(todo) for request in group)
        by_id = {request.id: request for request in todo}
        for prediction in _watch(backend.generate(ordered), task.name, len(requests), len(todo), progress):
            assert prediction.id in by_id, f"an answer nobody asked for: {prediction.id}"
            journal.append(replace(prediction, key=keys.of(by_id.pop(prediction.id))))
        assert not by_id, f"{len(by_id)} requests were never answered, the first {next(iter(by_id))}"
        predictions = {request.id: journal.answers[request.id] for request in requests}
    seconds = time.perf_counter() - started
    result, rows = score_task(
        task,
        dataset,
        predictions,
        protocol,
        backend.info,
        prompt_protocol=protocol.name,
        config=run_config(protocol, selection, backend.info),
    )
    folder.write_result(result, rows)
    folder.manifest["tasks"][task.name] = replace(entry, seconds=round(seconds, 3)).to_json()
    folder.write_manifest()
    errors = [f"{p.id}: {p.error}" for p in predictions.values() if p.error is not None]
    return Outcome(result, seconds, len(requests) - len(todo), tuple(errors[:3]))


def _is_answered(request: Request, journal: store.Journal, keys: store.Keys) -> bool:
    stored = journal.answers.get(request.id)
    return stored is not None and stored.error is None and stored.key == keys.of(request)


def _watch(
    predictions: Iterable[Prediction], label: str, total: int, num_todo: int, progress: bool
) -> Iterator[Prediction]:
    """The predictions as they come, with a progress bar: done, rate, time left, errors."""
    if not progress:
        yield from predictions
        return
    from tqdm import tqdm

    pace = 0.2 if sys.stderr.isatty() else 15.0  # a log file wants few lines
    num_errors = 0
    with tqdm(total=total, initial=total - num_todo, desc=label, unit="sample", mininterval=pace) as bar:
        for prediction in predictions:
            yield prediction
            bar.update()
            if prediction.error is not None:
                num_errors += 1
                bar.set_postfix(errors=num_errors)


def _folder_name(model: str | Backend) -> str:
    name = model if isinstance(model, str) else model.info.name
    if not name.strip("/"):
        raise UserError("--model is empty; name a folder, a hub id, or 'demo'")
    last = name.rstrip("/").rpartition("/")[2]
    return "".join(char if char.isalnum() or char in "-_." else "_" for char in last).lstrip(".") or "model"

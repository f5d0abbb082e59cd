"""The pipeline: rows -> samples -> requests -> predictions -> scores -> results, in one readable function."""

import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from eval_mm import dispatch, models, store, tasks
from eval_mm.data import ALL_ROWS, DEMO_ROOT, DataRoot, Dataset, Selection, find_root, load
from eval_mm.errors import UserError
from eval_mm.prompt import images_of, to_request
from eval_mm.schema import Backend, ModelInfo, Prediction, Protocol, Request, Result, Task
from eval_mm.score import run_config, score_task

RUNS = Path("results/runs")
SHOWN_ERRORS = 3


@dataclass(frozen=True, slots=True)
class Outcome:
    """A result, with what belongs to this session alone: its seconds, the answers it found stored."""

    result: Result
    seconds: float
    num_reused: int
    first_errors: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """What a run did: one outcome per task, where, on whose data, and what the user should know."""

    outcomes: tuple[Outcome, ...]
    folder: Path
    root: DataRoot
    model: ModelInfo
    notices: tuple[str, ...]


def evaluate(
    model: str | os.PathLike[str] | Backend = "demo",
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
        str(model) if isinstance(model, os.PathLike) else model,
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
    arguments: Sequence[str] = (),
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
        arguments: the command line, for the manifest.
    """
    if out is not None and not str(out):
        raise UserError("out: expected a folder, got an empty text")
    chosen = tasks.resolve(names)
    if protocol is not None:
        for task in chosen:
            tasks.get_protocol(task, protocol)
    root = find_root(data)
    datasets = [load(task, root, selection) for task in chosen]
    from eval_mm.provenance import describe_run, now  # not needed by --help and list

    with store.RunFolder.create(Path(out) if out is not None else RUNS / _folder_name(model)) as folder:
        backend = models.load(model, device, dtype) if isinstance(model, str) else model
        notices = _compare_with_folder(folder, backend, [task.name for task in chosen])
        asked = [_protocol_for(task, protocol, backend) for task in chosen]
        record = describe_run(backend.info, arguments)
        folder.manifest.setdefault("runs", []).append(record)
        outcomes = tuple(
            _run_task(task, dataset, asking, backend, selection, folder, progress)
            for task, dataset, asking in zip(chosen, datasets, asked, strict=True)
        )
        record["finished"] = now()
        folder.write_manifest()
    return Report(outcomes, folder.path, root, backend.info, tuple(notices))


def _protocol_for(task: Task, name: str | None, backend: Backend) -> Protocol:
    """The protocol a back end is asked by; UserError for a chat turn to a model without a chat format."""
    protocol = tasks.get_protocol(task, name or backend.info.protocol)
    if protocol.chat and not backend.info.chat:
        raise UserError(
            f"{backend.info.name} is a base model without a chat format, which {protocol.name} needs; "
            f"--protocol qwen-vl does without"
        )
    return protocol


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
        data="demo" if dataset.root.path == DEMO_ROOT else str(dataset.root.path.resolve()),
        data_sha256=dataset.sha256,
        selection=selection,
        protocol=protocol.name,
        version=task.version,
        model=backend.info,
    )
    started = time.perf_counter()
    requests = [to_request(sample, protocol, dataset.root.path) for sample in dataset.samples]
    keys = store.Keys(backend.info.fingerprint)

    def note() -> None:
        folder.manifest["tasks"][task.name] = entry.to_json()
        folder.write_manifest()

    with store.Journal(folder.task_folder(task.name)) as journal:
        stored = {request.id: _stored(request, journal, keys) for request in requests}
        todo = [request for request in requests if stored[request.id] is None]
        answers = _ask(todo, journal, keys, backend, task.name, len(requests), progress, note)
        reused = {name: answer for name, answer in stored.items() if answer is not None}
        for answer in reused.values():
            journal.reuse(answer)
    note()
    predictions = answers | reused
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
    folder.manifest["runs"][-1].setdefault("seconds", {})[task.name] = round(seconds, 3)
    errors = [f"{answer.id}: {answer.error}" for answer in predictions.values() if answer.error is not None]
    return Outcome(result, seconds, len(requests) - len(todo), tuple(errors[:SHOWN_ERRORS]))


def _ask(
    requests: Sequence[Request],
    journal: store.Journal,
    keys: store.Keys,
    backend: Backend,
    label: str,
    total: int,
    progress: bool,
    note: Callable[[], object],
) -> dict[str, Prediction]:
    """Asks every request exactly once, one picture's together, and journals each answer as it comes.

    `note` is called before the first answer is kept: from then on the folder is this run's.
    """
    ordered = (request for group in dispatch.groups(requests) for request in group)
    waiting = {request.id: request for request in requests}
    answers: dict[str, Prediction] = {}
    for answer in _watch(backend.generate(ordered), label, total, len(requests), progress):
        assert answer.id in waiting, f"an answer nobody asked for: {answer.id}"
        request = waiting.pop(answer.id)
        keyed = replace(answer, key=keys.of(request), error=_one_line(answer.error, request))
        if not answers:
            note()
        journal.append(keyed)
        answers[answer.id] = keyed
    assert not waiting, f"{len(waiting)} requests were never answered, the first {next(iter(waiting))}"
    return answers


def _one_line(error: str | None, request: Request) -> str | None:
    """An error as the journal holds it: one line, without the folders of this machine."""
    if error is None:
        return None
    for path in images_of(request.prompt):
        error = error.replace(path, Path(path).name)
    return " ".join(error.split())


def _stored(request: Request, journal: store.Journal, keys: store.Keys) -> Prediction | None:
    """The answer given before to exactly this question, if it was one."""
    answer = journal.answer(request.id, keys.of(request))
    return answer if answer is not None and answer.error is None else None


def _compare_with_folder(folder: store.RunFolder, backend: Backend, names: Sequence[str]) -> list[str]:
    """What earlier runs in the folder mean for this one.

    A folder is one model's: numbers of two would stand in one table and replace each other, so another name
    is refused. Another checkpoint of the same name is asked anew and said.
    """
    others = []
    for task, stored in folder.manifest["tasks"].items():
        model = store.TaskEntry.from_json(stored, folder.path).model
        if model.name != backend.info.name:
            raise UserError(
                f"--out {folder.path}: holds answers of model '{model.name}' (task {task}), not of "
                f"'{backend.info.name}'; name another folder"
            )
        if model.fingerprint != backend.info.fingerprint and task in names:
            others.append(task)
    if not others:
        return []
    return [
        f"{folder.path} held results of another checkpoint or dtype called '{backend.info.name}' for "
        f"{', '.join(others)}; they were replaced, its answers stay in the journals"
    ]


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

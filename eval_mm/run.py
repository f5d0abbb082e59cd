"""The pipeline: rows -> samples -> requests -> predictions -> scores -> results, in one readable function."""

import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from eval_mm import dispatch, extras, models, store, tasks
from eval_mm.data import ALL_ROWS, DEMO_ROOT, DataRoot, Dataset, Selection, find_root, load
from eval_mm.errors import UserError
from eval_mm.few_shot import Examples, FewShot, load_examples
from eval_mm.prompt import images_of, to_request
from eval_mm.schema import Backend, ModelInfo, Prediction, Protocol, Request, Result, Task
from eval_mm.score import Asked, Scored, check_on_request, combine, run_config, score_task

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
    few_shot: int | None = None,
    metrics: Sequence[str] = (),
    metric: str | None = None,
    references: str | None = None,
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
        seed: of `sample` and `few_shot`.
        few_shot: so many examples of the benchmark's training rows before every question.
        metrics: further metrics on request, such as "bleu" for captions.
        metric: judges the rows of `tasks="file:PATH"`.
        references: the captions of `tasks="caption"`.
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
        few_shot=None if few_shot is None else FewShot(few_shot, seed),
        on_request=metrics,
        metric=metric,
        references=references,
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
    few_shot: FewShot | None = None,
    on_request: Sequence[str] = (),
    metric: str | None = None,
    references: str | None = None,
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
        few_shot: how many examples precede every question.
        on_request: further metrics by name.
        metric: judges the rows of `file:PATH`.
        references: the captions of task `caption`.
        out: the run folder; default results/runs/<model>.
        device: "auto", "cpu", "cuda", "cuda:1", ...
        dtype: "auto", "float32", "bfloat16" or "float16".
        progress: show a progress bar on stderr.
        arguments: the command line, for the manifest.
    """
    if out is not None and not str(out):
        raise UserError("out: expected a folder, got an empty text")
    chosen, composite = tasks.with_members(named := tasks.resolve(names, metric, references))
    check_on_request(named, on_request)
    for task in chosen:
        if protocol is not None:
            tasks.get_protocol(task, protocol)
        if task.needs is not None:
            extras.require(task.needs, f"task {task.name}")
    datasets = [load(task, find_root(data, task), selection) for task in chosen]
    from eval_mm.provenance import describe_run, now  # not needed by --help and list

    with store.RunFolder.create(Path(out) if out is not None else RUNS / _folder_name(model)) as folder:
        backend = models.load(model, device, dtype) if isinstance(model, str) else model
        notices = _compare_with_folder(folder, backend, [task.name for task in chosen])
        plans, left_out = [], []
        for task, dataset in zip(chosen, datasets, strict=True):
            asking = tasks.get_protocol(task, protocol or backend.info.protocol)
            if asking.chat and not backend.info.chat:
                left_out.append(task.name)
            else:
                plans.append(_plan(task, dataset, asking, few_shot, selection))
        if left_out:
            notices.append(_needs_chat(backend.info.name, left_out, nothing_else=not plans))
            composite = [task for task in composite if not {part.name for part in task.members} & {*left_out}]
        record = describe_run(backend.info, arguments)
        folder.manifest.setdefault("runs", []).append(record)
        outcomes: dict[str, Outcome] = {}
        done: dict[str, Scored] = {}
        for plan in plans:
            scored, outcome = _run_task(plan, backend, folder, progress, on_request)
            done[plan.task.name], outcomes[plan.task.name] = scored, outcome
        for task in composite:
            whole = combine(task, [done[part.name] for part in task.members])
            parts = [outcomes[part.name] for part in task.members]
            outcomes[task.name] = Outcome(
                _write(whole, folder, on_request),
                sum(part.seconds for part in parts),
                sum(part.num_reused for part in parts),
                (),
            )
        record["finished"] = now()
        folder.write_manifest()
    ordered = {
        part.name: outcomes[part.name]
        for task in named
        for part in (*task.members, task)
        if part.name in outcomes
    }
    return Report(tuple(ordered.values()), folder.path, datasets[0].root, backend.info, tuple(notices))


@dataclass(frozen=True, slots=True)
class Plan:
    """One task, about to be asked: of which data, how, and after which examples."""

    task: Task
    dataset: Dataset
    protocol: Protocol
    selection: Selection
    examples: Examples | None

    def requests(self) -> list[Request]:
        """What is asked about each sample, in the order of the data."""
        return [
            to_request(
                sample,
                self.protocol,
                self.dataset.root.path,
                self.examples.of(sample) if self.examples else (),
            )
            for sample in self.dataset.samples
        ]

    def entry(self, model: ModelInfo) -> store.TaskEntry:
        """The plan as the manifest holds it."""
        root, examples = self.dataset.root.path, self.examples
        return store.TaskEntry(
            data="demo" if root == DEMO_ROOT else str(root.resolve()),
            data_sha256=self.dataset.sha256,
            selection=self.selection,
            protocol=self.protocol.name,
            version=self.task.version,
            model=model,
            few_shot=None if examples is None else examples.few_shot,
            train_sha256=None if examples is None else examples.sha256,
            own=self.task.own,
        )


def _plan(
    task: Task, dataset: Dataset, protocol: Protocol, few_shot: FewShot | None, selection: Selection
) -> Plan:
    examples = None if few_shot is None else load_examples(task, protocol, dataset.root, few_shot)
    return Plan(task, dataset, protocol, selection, examples)


def _needs_chat(model: str, names: Sequence[str], nothing_else: bool) -> str:
    """What is said of tasks that a base model cannot be asked; UserError where there are no others."""
    said = f"{model} is a base model without a chat format, which {', '.join(names)} needs here"
    if nothing_else:
        raise UserError(f"{said}; --protocol qwen-vl does without where a task has it")
    return f"{said}: left out"


def _run_task(
    plan: Plan, backend: Backend, folder: store.RunFolder, progress: bool, on_request: Sequence[str]
) -> tuple[Scored, Outcome]:
    task, entry = plan.task, plan.entry(backend.info)
    started = time.perf_counter()
    requests = plan.requests()
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
    config = run_config(plan.protocol, plan.selection, backend.info, plan.examples)
    asked = Asked(backend.info, plan.protocol.name, config)
    scored = score_task(task, plan.dataset, predictions, plan.protocol, asked)
    result = _write(scored, folder, on_request)
    folder.manifest["runs"][-1].setdefault("seconds", {})[task.name] = round(seconds, 3)
    errors = [f"{answer.id}: {answer.error}" for answer in predictions.values() if answer.error is not None]
    return scored, Outcome(result, seconds, len(requests) - len(todo), tuple(errors[:SHOWN_ERRORS]))


def _write(scored: Scored, folder: store.RunFolder, on_request: Sequence[str]) -> Result:
    result = scored.result(on_request)
    folder.write_result(result, scored.judged.rows(), scored.submission())
    return result


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

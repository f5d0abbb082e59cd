"""The pipeline: rows -> samples -> requests -> predictions -> scores -> results, in one readable function."""

import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from eval_mm import preflight, store
from eval_mm.asking import ask
from eval_mm.data import DataRoot, Selection
from eval_mm.few_shot import FewShot
from eval_mm.jobs import Job, check_folder, plan_run
from eval_mm.judge import Scored, combine, score_task
from eval_mm.models import Settings
from eval_mm.planning import Plan
from eval_mm.schema import Backend, ModelInfo, Result

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
        settings=Settings(device, dtype),
    )
    return [outcome.result for outcome in report.outcomes]


def run(
    model: str | Backend,
    names: Sequence[str],
    data: str | os.PathLike[str] | None = None,
    *,
    progress: bool = False,
    arguments: Sequence[str] = (),
    **how: Any,
) -> Report:
    """Asks a model every sample of the tasks that has no stored answer yet, and scores all.

    Everything about tasks and data is checked before the model is loaded. Answers go to the journal as they
    finish, so an interrupted run goes on where it stopped when it is started again with the same `out`.

    Args:
        model: what `--model` takes, or a back end object.
        names: task names and families.
        data: the data root.
        progress: show a progress bar on stderr.
        arguments: the command line, for the manifest.
        how: the rest of what `plan_run` takes.
    """
    return carry_out(plan_run(model, names, data, **how), progress, arguments)


def carry_out(job: Job, progress: bool = False, arguments: Sequence[str] = ()) -> Report:
    """One job from the checks that need no model to the results; UserError for what makes it impossible."""
    notes = preflight.require([job])
    if progress:
        for note in notes:
            print(f"note: {note}", file=sys.stderr)
    report = fill(job, job.load(), progress, arguments)
    return report if progress else replace(report, notices=(*notes, *report.notices))


def fill(job: Job, backend: Backend, progress: bool = False, arguments: Sequence[str] = ()) -> Report:
    """One run folder filled by a model that is loaded: what is asked, scored and written, task by task."""
    from eval_mm.provenance import describe_run, now  # not needed by --help and list

    wanted, planned = job.wanted, job.planned
    with store.RunFolder.create(job.out) as folder:
        changed = check_folder(folder, backend.info, [task.name for task in wanted.tasks])
        record = describe_run(backend.info, arguments)
        folder.manifest.setdefault("runs", []).append(record)
        outcomes: dict[str, Outcome] = {}
        done: dict[str, Scored] = {}
        for one in planned.plans:
            scored, outcome = _run_task(one, backend, folder, progress)
            done[one.task.name], outcomes[one.task.name] = scored, outcome
        for task in planned.composite:
            whole = combine(task, [done[part.name] for part in task.members])
            parts = [outcomes[part.name] for part in task.members]
            outcomes[task.name] = Outcome(
                _write(whole, folder, wanted.on_request),
                sum(part.seconds for part in parts),
                sum(part.num_reused for part in parts),
                (),
            )
        record["finished"] = now()
        folder.write_manifest()
    ordered = {
        part.name: outcomes[part.name]
        for task in wanted.named
        for part in (*task.members, task)
        if part.name in outcomes
    }
    notices = (*wanted.notices, *changed, *planned.notices)
    return Report(tuple(ordered.values()), folder.path, wanted.root, backend.info, notices)


def _run_task(
    plan: Plan, backend: Backend, folder: store.RunFolder, progress: bool
) -> tuple[Scored, Outcome]:
    started = time.perf_counter()
    predictions, num_reused = ask(plan, backend, folder, progress)
    seconds = time.perf_counter() - started
    scored = score_task(plan.task, plan.dataset, predictions, plan.protocol, plan.asked(backend.info))
    result = _write(scored, folder, plan.on_request)
    folder.manifest["runs"][-1].setdefault("seconds", {})[plan.task.name] = round(seconds, 3)
    errors = [f"{answer.id}: {answer.error}" for answer in predictions.values() if answer.error is not None]
    return scored, Outcome(result, seconds, num_reused, tuple(errors[:SHOWN_ERRORS]))


def _write(scored: Scored, folder: store.RunFolder, on_request: Sequence[str]) -> Result:
    result = scored.result(on_request)
    folder.write_result(result, scored.judged.rows(), scored.submission())
    return result

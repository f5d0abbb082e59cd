"""The pipeline: rows -> samples -> requests -> predictions -> scores -> results, in one readable function."""

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from typing import Any

from eval_mm import preflight, store
from eval_mm.asking import Asking
from eval_mm.console import told
from eval_mm.data import Selection
from eval_mm.errors import UserError
from eval_mm.few_shot import FewShot
from eval_mm.interrupts import Interrupts
from eval_mm.jobs import Job, check_folder, found_before, plan_run
from eval_mm.merge import LATE, standing
from eval_mm.models import Settings
from eval_mm.outcomes import Outcomes, Report
from eval_mm.processes.parcels import mark, sees
from eval_mm.processes.rounds import Round
from eval_mm.processes.team import join
from eval_mm.progress import Progress
from eval_mm.schema import Backend, Result
from eval_mm.work import Work


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
    **settings: Any,
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
        settings: further fields of `eval_mm.models.Settings`, such as `base_url` of a server.

    Raises:
        UserError: anything that makes the run impossible, in one line.
    """
    known = [field.name for field in fields(Settings)]
    if unknown := [name for name in settings if name not in known]:
        raise UserError(f"evaluate: no setting is called '{unknown[0]}'; there are {', '.join(known)}")
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
        settings=Settings(device, dtype, **settings),
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
    notes = look_ahead([job])
    if progress and join().leads:
        for note in notes:
            print(f"note: {note}", file=sys.stderr)
    report = fill(job, job.load, progress, arguments)
    return report if progress else replace(report, notices=(*notes, *report.notices))


def look_ahead(jobs: Sequence[Job]) -> list[str]:
    """What the user should know before the jobs begin; UserError for what makes one of them impossible."""
    with Round(join(), "look ahead") as round:
        notes: list[str] = json.loads(round.same("notes", lambda: json.dumps(preflight.require(jobs))))
    return notes


def fill(
    job: Job, load: Callable[[], Backend], progress: bool = False, arguments: Sequence[str] = ()
) -> Report:
    """One run folder filled: what is left is asked; each task is scored once all its answers are there.

    Every process of a run calls this and returns the same. Process 0 keeps the folder, tells the others what
    is left, and scores; all of them ask. The model is loaded only where something is left.
    """
    with Round(join(), "fill") as round:
        if round.leads:
            report = _lead(job, load, round, progress, arguments)
            round.tell("report", lambda: json.dumps(report.to_json()))
        else:
            try:
                _help(job, load, round)
            except (UserError, OSError) as error:
                if not round.is_told("report"):
                    raise
                print(f"note: process {round.rank} took no part: {told(error)}", file=sys.stderr)
            report = Report.from_json(json.loads(round.hear("report")), job)
    return report


def _lead(
    job: Job, load: Callable[[], Backend], round: Round, progress: bool, arguments: Sequence[str]
) -> Report:
    from eval_mm.provenance import describe_run, now  # not needed by --help and list

    plans, model = job.planned.plans, job.info
    aside = store.put_aside(job.out) if job.fresh and round.team.once(f"fresh {job.out}") else None
    with store.RunFolder.create(job.out) as folder, mark(folder.path, round.world) as its_mark:
        notices = check_folder(folder, model, job.wanted)
        notices += [f"started over; what {job.out} held is in {aside}"] if aside is not None else []
        folders = [folder.task_folder(plan.task.name) for plan in plans]
        before = [standing(plan, path, model.fingerprint) for plan, path in zip(plans, folders, strict=True)]
        notices += found_before(folder, plans, before)
        work = Work.left(plans, before, its_mark)
        round.tell("work", lambda: work.told(model))
        record = describe_run(model, arguments)
        record |= {"tasks": [plan.task.name for plan in plans], "processes": round.world, "seconds": {}}
        folder.manifest.setdefault("runs", []).append(record)

        def begin(task: int) -> None:
            folder.manifest["tasks"][plans[task].task.name] = plans[task].entry(model).to_json()
            folder.write_manifest()

        backend = load() if work.is_left else None
        outcomes = Outcomes(job, folder, before, work.run, LATE if round.world > 1 else 0.0)
        total = sum(len(plan.dataset.samples) for plan in plans)
        with Interrupts() as interrupts, Progress(total, work.num_stored, progress) as bar:
            started = time.perf_counter()
            asking = Asking(work, folders, round, interrupts, bar, begin)
            for task in asking.run(backend, model.fingerprint):
                seconds = time.perf_counter() - started if round.world == 1 else None
                if seconds is not None:
                    record["seconds"][plans[task].task.name] = float(f"{seconds:.3f}")
                outcomes.finish(task, seconds)
                begin(task)
                started = time.perf_counter()
        record["finished"] = now()
        folder.write_manifest()
    said: Callable[[], Sequence[str]] = getattr(backend, "notices", tuple)
    return outcomes.report([*notices, *asking.notices, *said()])


def _help(job: Job, load: Callable[[], Backend], round: Round) -> None:
    """Another process than 0: asks what it is told is left."""
    plans, model = job.planned.plans, job.info
    work = Work.heard(round.hear("work"), plans, model)

    def is_done() -> bool:
        return round.is_told("report")

    is_shared = sees(job.out, work.mark, is_done)
    if is_done():  # by the others, before this process had begun
        return
    folders = [job.out / plan.task.name for plan in plans] if is_shared else None
    backend = load() if work.is_left else None
    with Interrupts(says=False) as interrupts, Progress(0, 0, wanted=False) as bar:
        for _ in Asking(work, folders, round, interrupts, bar).run(backend, model.fingerprint):
            pass

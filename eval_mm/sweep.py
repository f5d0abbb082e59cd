"""Models x tasks x protocols in one go: planned and checked as a whole, each model loaded once."""

import gc
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from eval_mm.data import ALL_ROWS, Selection
from eval_mm.errors import UserError
from eval_mm.few_shot import FewShot
from eval_mm.jobs import RUNS, Job, described, folder_name
from eval_mm.models import Settings
from eval_mm.outcomes import Report
from eval_mm.planning import NeedsChatError, find, plan
from eval_mm.processes.team import join
from eval_mm.run import fill
from eval_mm.schema import Backend


@dataclass(frozen=True, slots=True)
class ModelTable:
    """One `[[models]]`: what --model takes, how it runs, what its folders are called, where it stands."""

    model: str
    settings: Settings
    name: str | None = None
    place: str = "--model"

    def folder(self, protocol: str | None) -> str:
        """What a run folder is called: protocols are part of it where the sweep names them, be it one."""
        name = self.name or folder_name(self.model)
        return name if protocol is None else f"{name}-{protocol}"


@dataclass(frozen=True, slots=True)
class Sweep:
    """Every model asked every task in every protocol; no protocol means each model's own."""

    models: tuple[ModelTable, ...]
    tasks: tuple[str, ...]
    protocols: tuple[str, ...] = ()
    data: str | None = None
    out: str | None = None
    selection: Selection = ALL_ROWS
    few_shot: FewShot | None = None
    metrics: tuple[str, ...] = ()
    metric: str | None = None
    references: str | None = None

    @property
    def ways(self) -> tuple[str | None, ...]:
        """The protocols; None is each model's own."""
        return self.protocols or (None,)


class Jobs(NamedTuple):
    """What a sweep comes to, those of one model together; what makes it impossible; what is left out."""

    jobs: tuple[Job, ...]
    problems: tuple[str, ...]
    notes: tuple[str, ...]


class Failure(NamedTuple):
    """A job that could not be done, why, and the exit code of that."""

    job: Job
    reason: str
    code: int


def sweep_jobs(sweep: Sweep, fetch: bool = True) -> Jobs:
    """A job for every model and protocol, each with a run folder of its own.

    With `fetch` false no model is downloaded; of one that is not here little is known.

    Raises:
        UserError: what concerns all models: tasks, rows, metrics.
    """
    wanted = find(
        sweep.tasks,
        sweep.data,
        sweep.selection,
        sweep.few_shot,
        sweep.metrics,
        metric=sweep.metric,
        references=sweep.references,
    )
    jobs: list[Job] = []
    problems = _named_twice(sweep)
    notes: list[str] = []
    for table in sweep.models:
        try:
            info = described(table.model, table.settings, fetch)
            chats: dict[Path, NeedsChatError] = {}
            for protocol in sweep.ways:
                way = replace(wanted, protocol=protocol)
                out = Path(sweep.out or RUNS, table.folder(protocol))
                try:
                    planned = plan(way, info, table.settings.variant())
                except NeedsChatError as error:
                    chats[out] = error
                else:
                    jobs.append(Job(table.model, table.settings, info, out, way, planned))
            if len(chats) == len(sweep.ways):
                raise next(iter(chats.values()))
            notes += [f"{out} is left out: {error}" for out, error in chats.items()]
        except UserError as error:
            problems.append(f"{table.place}: {error}")
    return Jobs(tuple(jobs), tuple(problems), tuple(notes))


def run_sweep(
    jobs: Sequence[Job], progress: bool = False, arguments: Sequence[str] = ()
) -> Iterator[Report | Failure]:
    """One job after the other; those of one model follow one another and share its load.

    What keeps one model from being run is a Failure and the others go on. Its files were checked before, so
    that is memory above all.
    """
    number = 0
    for _, group in groupby(jobs, key=lambda job: (job.model, job.settings)):
        load = None
        for job in group:
            number += 1
            if progress and join().leads:
                print(f"{number} of {len(jobs)}: {job.out}", file=sys.stderr)
            load = load or _Once(job.load)
            try:
                yield fill(job, load, progress, arguments)
            except UserError as error:
                yield Failure(job, str(error), error.code)
        del load
        _free_memory()


class _Once:
    """Loads a model when it is first called for; what cannot be had is not tried again."""

    def __init__(self, load: Callable[[], Backend]):
        self._load = load
        self._backend: Backend | None = None
        self._error: UserError | None = None

    def __call__(self) -> Backend:
        """The model."""
        if self._error is not None:
            raise self._error
        if self._backend is None:
            try:
                self._backend = self._load()
            except UserError as error:
                self._error = error
                raise
        return self._backend


def _named_twice(sweep: Sweep) -> list[str]:
    """Models that stand twice, or would fill one folder; on some file systems capitals make no difference."""
    problems = []
    models: dict[tuple[str, Settings], ModelTable] = {}
    holders: dict[str, ModelTable] = {}
    for table in sweep.models:
        other = models.setdefault((table.model, table.settings), table)
        if other is not table:
            problems.append(f"{table.place}: {table.model} with these settings stands twice ({other.place})")
            continue
        for folder in (table.folder(protocol) for protocol in sweep.ways):
            other = holders.setdefault(folder.casefold(), table)
            if other is not table:
                problems.append(
                    f"{table.place}: the run folder {folder} is that of {other.model} ({other.place}) too; "
                    f"give one of them another name"
                )
                break
    return problems


def _free_memory() -> None:
    """Lets the next model have what the last one held: how much it asks at once follows from what is free."""
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()

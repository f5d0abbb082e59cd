"""Two run folders, and all that can be said of them together."""

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NoReturn

from eval_mm import tasks
from eval_mm.compare.differences import Difference, differences
from eval_mm.compare.task import TaskComparison, compare_task
from eval_mm.errors import DataError, UserError
from eval_mm.paired import holm
from eval_mm.report.result_file import read_result
from eval_mm.report.runs import RESULT, Run, load_runs


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two runs, what differs between them, and their tasks; `only` are tasks that the other run has not."""

    first: Run
    second: Run
    differences: tuple[Difference, ...]
    tasks: tuple[TaskComparison, ...]
    only: tuple[tuple[str, ...], tuple[str, ...]]

    def to_json(self) -> dict[str, Any]:
        """The object that `compare --json` writes."""
        runs = [{"folder": str(run.folder), "name": run.name} for run in (self.first, self.second)]
        return {
            "runs": runs,
            "differences": [asdict(one) for one in self.differences],
            "tasks": [asdict(one) for one in self.tasks],
            "only": list(self.only),
        }


def compare_runs(
    first: str | os.PathLike[str],
    second: str | os.PathLike[str],
    names: Sequence[str] = (),
    data: str | os.PathLike[str] | None = None,
    show: int | None = None,
) -> Comparison:
    """Compares two run folders, task by task.

    Args:
        first: a run folder, A.
        second: another, B; differences are B less A.
        names: task names or families; default all that both have.
        data: the data root, where it is not the one of the runs.
        show: how many samples that changed, of each direction, are given with both answers; default all.

    Raises:
        UserError: no run folder, no task in common, a task that one of them has not.
        DataError: a result or scores file that cannot be read.
    """
    runs = load_runs([first, second])
    a, b = runs[0], runs[-1]
    chosen = _chosen(a, b, names)
    parts = [compare_task(name, a, b, None if data is None else Path(data), show) for name in chosen]
    corrected = iter(holm([one for part in parts for one in part.numbers.values()]))
    parts = [replace(part, numbers={name: next(corrected) for name in part.numbers}) for part in parts]
    only = [
        tuple(name for name in one.results if name not in other.results) for one, other in ((a, b), (b, a))
    ]
    return Comparison(a, b, differences(a, b, chosen), tuple(parts), (only[0], only[1]))


def _chosen(a: Run, b: Run, names: Sequence[str]) -> list[str]:
    """The tasks to compare, in the order of the first run; an unreadable result of one is an error."""
    listed = [name.strip() for part in names for name in part.split(",") if name.strip()]
    held = {name for run in (a, b) for name in _with_result(run)}
    unknown = [name for name in listed if name not in held]
    wanted = {name for name in listed if name in held} | {
        task.name for task in (tasks.resolve(unknown) if unknown else [])
    }
    for run in (a, b):
        for name in _with_result(run):
            if name not in run.results and (name in wanted or not listed):
                _complain(run.folder / name / RESULT, name)
    for name in listed:
        for run in (a, b):
            if name in wanted and name not in run.results:
                raise UserError(f"{run.folder}: no result of task {name}; it has {_names(run)}")
    both = [name for name in a.results if name in b.results and (name in wanted or not listed)]
    if not both:
        asked = " of those" if listed else ""
        raise UserError(
            f"no task{asked} in common: {a.folder} has {_names(a)}, and {b.folder} has {_names(b)}"
        )
    return both


def _with_result(run: Run) -> list[str]:
    return sorted(path.parent.name for path in run.folder.glob(f"*/{RESULT}"))


def _names(run: Run) -> str:
    return ", ".join(run.results) or "none"


def _complain(path: Path, task: str) -> NoReturn:
    """Says what is wrong with a result that could not be used."""
    found = read_result(path)
    raise DataError(path, f"is of task '{found.task}', not of '{task}'", field="task")

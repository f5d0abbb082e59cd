"""Two run folders, and all that can be said of them together."""

import os
from collections.abc import Sequence, Set
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from eval_mm import tasks
from eval_mm.compare.differences import Difference, differences
from eval_mm.compare.task import TaskComparison, compare_task
from eval_mm.data import find_root
from eval_mm.errors import DataError, UserError
from eval_mm.paired import holm
from eval_mm.report.result_file import read_result
from eval_mm.report.runs import RESULT, Run, load_runs

MOST_NAMED = 8
"""Tasks that an error names."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two runs, what differs between them, and their tasks.

    `only` are tasks that the other run has not; `without` those of which neither has a result of the scorer
    that was asked for.
    """

    first: Run
    second: Run
    differences: tuple[Difference, ...]
    tasks: tuple[TaskComparison, ...]
    only: tuple[tuple[str, ...], tuple[str, ...]]
    without: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The object that `compare --json` writes."""
        runs = [{"folder": str(run.folder), "name": run.name} for run in (self.first, self.second)]
        return {
            "runs": runs,
            "differences": [asdict(one) for one in self.differences],
            "tasks": [asdict(one) for one in self.tasks],
            "only": list(self.only),
            "without": self.without,
        }


def compare_runs(
    first: str | os.PathLike[str],
    second: str | os.PathLike[str],
    names: Sequence[str] = (),
    data: str | os.PathLike[str] | None = None,
    protocol: str | None = None,
    show: int | None = None,
) -> Comparison:
    """Compares two run folders, task by task.

    Args:
        first: a run folder, A.
        second: another, B; differences are B less A.
        names: task names or families; default all that both have.
        data: the data root, where it is not the one of the runs.
        protocol: compare what this scorer made of the answers, or this judge ("judge-<hash>"): results that
            `score --protocol` and the judge left beside the runs' own.
        show: how many samples that changed, of each direction, are given with both answers; default all.

    Raises:
        UserError: no run folder, no task in common, a task that one of them has not.
        DataError: a result or scores file that cannot be read.
    """
    if data is not None:
        find_root(data)  # one that is not there is a slip, not a reason to look elsewhere
    runs = load_runs([first, second])
    wanted = _wanted(names, {path.parent.name for run in runs for path in run.folder.glob("*/result*.json")})
    for run in runs:
        _check_results(run, wanted, protocol)
    a, b = (_scored_by(run, protocol) for run in (runs[0], runs[-1]))
    chosen = _chosen(a, b, wanted, tasks.named_directly(names))
    parts = [compare_task(name, a, b, None if data is None else Path(data), show) for name in chosen]
    corrected = iter(holm([one for part in parts for one in part.numbers.values()]))
    parts = [replace(part, numbers={name: next(corrected) for name in part.numbers}) for part in parts]
    only = [
        tuple(name for name in one.results if name not in other.results) for one, other in ((a, b), (b, a))
    ]
    both = [name for name in runs[0].results if name in runs[-1].results and name in (wanted or [name])]
    scored = {**a.results, **b.results}
    without = [name for name in both if name not in scored and _is_of(name, protocol)]
    return Comparison(a, b, differences(a, b, chosen), tuple(parts), (only[0], only[1]), tuple(without))


def _scored_by(run: Run, protocol: str | None) -> Run:
    """The run with the results of one scorer; its own count where that scorer made them."""
    if protocol is None:
        return run
    beside = run.rescored.get(protocol, {})
    own = {
        name: found for name, found in run.results.items() if found.score_protocol == _name(name, protocol)
    }
    if not own and not beside:
        known = sorted({*run.rescored, *(found.score_protocol for found in run.results.values())})
        raise UserError(
            f"{run.folder}: no result of scorer {protocol}; it has {', '.join(known) or 'none'}; "
            f"python -m eval_mm score {run.folder} --protocol P makes a protocol's"
        )
    return replace(
        run, results={name: found for name in run.results if (found := {**own, **beside}.get(name))}
    )


def _name(task: str, protocol: str) -> str:
    """What a protocol is called for a task: where it has no `official` of its own, that is `qwen-vl`."""
    known = tasks.all_tasks().get(task)
    try:
        return protocol if known is None else tasks.get_protocol(known, protocol).name
    except UserError:
        return protocol


def _is_of(task: str, protocol: str | None) -> bool:
    """Whether `score --protocol` could score the task by it; a judge's name is no protocol."""
    known = tasks.all_tasks().get(task)
    return known is not None and _name(task, protocol or "") in {one.name for one in known.protocols}


def _chosen(a: Run, b: Run, wanted: Set[str] | None, named: Set[str]) -> list[str]:
    """The tasks to compare, in the order of the first run; those `named` one by one must be there."""
    for name in named:
        for run in (a, b):
            if name not in run.results:
                raise UserError(f"{run.folder}: no result of task {name}; it has {_listed(run)}")
    both = [name for name in a.results if name in b.results and (wanted is None or name in wanted)]
    if not both:
        which = "no task" if wanted is None else f"none of {', '.join(sorted(wanted))}"
        raise UserError(f"{which} in common: {a.folder} has {_listed(a)}; {b.folder} has {_listed(b)}")
    return both


def _wanted(names: Sequence[str], held: Set[str]) -> Set[str] | None:
    """The tasks that are asked for, families spelt out; None for all there are."""
    listed = {name.strip() for part in names for name in part.split(",") if name.strip()}
    if not listed:
        return None
    others = listed - held
    return (listed & held) | ({task.name for task in tasks.resolve(others)} if others else set())


def _check_results(run: Run, wanted: Set[str] | None, protocol: str | None) -> None:
    """Raises DataError for a result of a wanted task that could not be used."""
    used = run.results if protocol is None else {**run.results, **run.rescored.get(protocol, {})}
    for name in (RESULT, f"result.{protocol}.json"):
        for path in sorted(run.folder.glob(f"*/{name}")):
            task = path.parent.name
            if task not in used and (wanted is None or task in wanted):
                found = read_result(path)
                raise DataError(path, f"is of task '{found.task}', not of '{task}'", field="task")


def _listed(run: Run) -> str:
    """The tasks that a run has results of, as many as a line takes."""
    names = list(run.results)
    more = f" and {len(names) - MOST_NAMED:,} more" if len(names) > MOST_NAMED else ""
    return (", ".join(names[:MOST_NAMED]) or "none") + more

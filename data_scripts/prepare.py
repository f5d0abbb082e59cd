"""Official files -> canonical files: what every benchmark does alike.

Everything is read and checked before anything is written.
"""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data_scripts import pictures, source
from eval_mm import files
from eval_mm.console import align, count
from eval_mm.data import Row
from eval_mm.errors import DataError, UserError
from eval_mm.schema import Task


@dataclass(frozen=True, slots=True)
class Options:
    """What the user asked for besides the two folders."""

    images: Path | None = None
    allow_partial: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """How one benchmark is prepared.

    `source_names(task)` are the file names looked for in --raw and in its `source_folders`; `convert` turns
    official rows into canonical ones; `pictures` is their folder under the data root, `origin` says where one
    gets them.
    """

    tasks: Sequence[Task]
    source_names: Callable[[Task], Sequence[str]]
    source_folders: Sequence[str]
    convert: Callable[[Iterator[Row]], Iterator[dict[str, Any]]]
    pictures: str
    origin: str


def prepare(plan: Plan, raw: Path, out: Path, options: Options) -> None:
    """Writes every split of the plan under `out` and prints what was written.

    Raises:
        UserError: a missing file, a bad row, a count other than the published one (unless `allow_partial`), a
            picture folder that cannot be linked. Nothing has been written then.
    """
    sources = _find_sources(plan, raw, out, options.allow_partial)
    splits = {task: list(plan.convert(source.read(path))) for task, path in sources.items()}
    for task, rows in splits.items():
        _check_count(task, sources[task], len(rows), options.allow_partial)
    folder = out / plan.pictures
    link = pictures.plan_link(folder, options.images) if options.images else None

    if link:
        link.make()  # first: not every file system has links, and then no rows are written either
        print(link.note)
    files.write_all({out / task.path: files.jsonl(rows) for task, rows in splits.items()})
    present = pictures.names_in(folder)
    needed = {task: {Path(row["image"]).name for row in rows} for task, rows in splits.items()}
    print(_summary(splits, needed, present))
    absent = len(set().union(*needed.values()) - present)
    if absent:
        print(
            f"{absent:,} pictures are not there yet; they must lie in {folder} ({plan.origin}): put them "
            "there, or run again with --images DIR to link a folder you have"
        )


def _find_sources(plan: Plan, raw: Path, out: Path, allow_partial: bool) -> dict[Task, Path]:
    if not raw.is_dir():
        raise UserError(f"--raw {raw}: no such folder; name the folder of the official files")
    found = {
        task: source.find(raw, plan.source_folders, plan.source_names(task), out / task.path)
        for task in plan.tasks
    }
    missing = [task for task, path in found.items() if path is None]
    if missing:
        looked = "; ".join(f"{task.name}: {' or '.join(plan.source_names(task))}" for task in missing)
        folders = ", ".join(plan.source_folders)
        message = (
            f"{raw}: {len(missing)} of {len(found)} splits have no file; looked, with and without .gz, "
            f"also in {folders}, for {looked}"
        )
        if not allow_partial or len(missing) == len(found):
            raise UserError(message)
        _warn(message)
    return {task: path for task, path in found.items() if path is not None}


def _check_count(task: Task, path: Path, found: int, allow_partial: bool) -> None:
    if task.num_samples in (None, found):
        return
    message = f"{found} rows, but the published {task.name} has {task.num_samples}"
    if not allow_partial:
        raise DataError(path, f"{message}; get the whole file, or take it as it is with --allow-partial")
    _warn(f"{path}: {message}; numbers on it cannot be compared with published ones")


def _summary(
    splits: Mapping[Task, Sequence[object]], needed: Mapping[Task, set[str]], present: set[str]
) -> str:
    head = ("split", "rows", "published", "pictures needed", "pictures present")
    lines = [
        (
            task.name,
            *map(count, (len(rows), task.num_samples, len(needed[task]), len(needed[task] & present))),
        )
        for task, rows in splits.items()
    ]
    return align([head, *lines])


def _warn(message: str) -> None:
    print(f"warning: {message}", file=sys.stderr)

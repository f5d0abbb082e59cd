"""The rows behind stored results, where they are still at hand, and which pictures answers were given to.

A result names its rows by the hash of their file. They are looked for under the data root that is named, then
under those the runs had. Without them, the journal still tells which samples were asked about the same
pictures: the second half of an answer's key is made of their content. It also has the answers as written.
"""

import hashlib
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path

from eval_mm import journal, store, tasks
from eval_mm.data import ALL_ROWS, Selection, find_root, load
from eval_mm.errors import UserError
from eval_mm.report.runs import Run
from eval_mm.rescore import task_of
from eval_mm.schema import Result, Sample, Task

NO_PICTURES = hashlib.sha256(b"").hexdigest()[:16]
"""The second half of a key without pictures (`store.Keys`)."""


def find_task(name: str, runs: Sequence[Run]) -> Task | None:
    """The task of that name, or of the file that a run was asked; None for one that is not known here."""
    for run in runs:
        entry = _entry(name, run)
        if entry is not None and entry.own is not None:
            return task_of(name, entry)
    return tasks.all_tasks().get(name)


def find_rows(
    task: Task, runs: Sequence[Run], result: Result, data: Path | None = None
) -> Mapping[str, Sample] | None:
    """The samples by id of the file that a result is of; None where it is not at hand any more."""
    selection = _selection(result)
    for root in dict.fromkeys(_roots(task, runs, data)):
        try:
            found = load(task, find_root(root, task), selection)
        except (UserError, OSError):
            continue
        if found.sha256 == result.config.get("data_sha256"):
            return {sample.id: sample for sample in found.samples}
    return None


def _roots(task: Task, runs: Sequence[Run], data: Path | None) -> list[str | None]:
    roots = [None if data is None else str(data)] if data is not None else []
    entries = [_entry(part.name, run) for run in runs for part in task.members or (task,)]
    return [*roots, *(entry.data for entry in entries if entry is not None), None]


def _entry(name: str, run: Run) -> store.TaskEntry | None:
    """What the run's manifest says of the task; None for a file of answers and for members' whole."""
    fields = run.manifest.get("tasks", {}).get(name)
    return None if fields is None else store.TaskEntry.from_json(fields, run.folder)


def _selection(result: Result) -> Selection:
    try:
        return Selection(**result.config.get("selection") or {})
    except (TypeError, UserError):
        return ALL_ROWS


def pictures_asked(task: str, members: Sequence[str], run: Run) -> Mapping[str, Hashable]:
    """By sample id what stands for its pictures, from the journal; empty where that does not tell.

    It does not for files of answers, and for answers after examples, whose pictures count too. A sample about
    no picture, or asked about several versions of one, stands for itself.
    """
    result = run.results[task]
    if result.config.get("few_shot"):
        return {}
    found: dict[str, set[str]] = {}
    for part in members or [task]:
        before = f"{part}/" if members else ""
        for answer in journal.read_answers(run.folder / part):
            found.setdefault(before + answer.id, set()).add(answer.key.partition("-")[2])
    if not all(all(keys) for keys in found.values()):
        return {}
    return {
        name: min(keys) if len(keys) == 1 and min(keys) != NO_PICTURES else (name,)
        for name, keys in found.items()
    }


def texts_of(task: str, members: Sequence[str], run: Run, ids: Sequence[str]) -> Mapping[str, str]:
    """What the model wrote by sample id, for those ids of which the journal holds answers to one question."""
    found: dict[str, dict[str, str]] = {}
    for part in members or [task]:
        before = f"{part}/" if members else ""
        wanted = {name.removeprefix(before) for name in ids if name.startswith(before)}
        for answer in journal.iterate_answers(run.folder / part, wanted) if wanted else ():
            if answer.id in wanted and answer.error is None:
                found.setdefault(before + answer.id, {})[answer.key] = answer.text
    return {name: text for name, texts in found.items() if len(texts) == 1 for text in texts.values()}

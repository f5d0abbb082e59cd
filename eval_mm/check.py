"""A run folder verified: its manifest, every answer by its key, its numbers against the answers they are of.

Needs no model and changes nothing. A finding is what makes the numbers wrong, old or incomplete; a note is
what need not concern them: answers to earlier questions, torn lines of a crash, checks that cannot be made
here.
"""

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from eval_mm import journal, store, tasks
from eval_mm.check_scores import NOT_COMPARED, Compared, Scores, compare_composite, compare_task
from eval_mm.errors import UserError
from eval_mm.files import LOCK, is_locked
from eval_mm.prompt import images_of
from eval_mm.rescore import ChangedRowsError, StoredTask, read_stored, task_of
from eval_mm.schema import Prediction

RECORDED = ("started", "arguments", "model", "packages", "python", "machine")
"""What the manifest holds of every run."""


@dataclass(slots=True)
class TaskCheck:
    """What was found of one task. Counts are None where its rows could not be read."""

    task: str
    samples: int | None = None
    answered: int | None = None
    missing: int | None = None
    failed: int | None = None
    stale: int | None = None
    repeated: int | None = None
    spoilt: int = 0
    pictures: str = "-"
    scores: str = "-"
    findings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(slots=True)
class RunCheck:
    """What was found of a run folder: of the whole, and of each of its tasks."""

    folder: Path
    tasks: list[TaskCheck] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def said(self, kind: str) -> list[str]:
        """All "findings" or all "notes", those of a task with its name."""
        own: list[str] = getattr(self, kind)
        return [*own, *(f"{one.task}: {text}" for one in self.tasks for text in getattr(one, kind))]


def check_run(run: str | os.PathLike[str], data: str | os.PathLike[str] | None = None) -> RunCheck:
    """Everything that can be verified of a run folder without its model.

    Args:
        run: the run folder.
        data: the data root; default the one of the run.

    Raises:
        UserError: no run folder, or a manifest that cannot be read.
    """
    folder = _opened(Path(run))
    entries = {
        name: store.TaskEntry.from_json(one, folder.path) for name, one in folder.manifest["tasks"].items()
    }
    found = RunCheck(folder.path)
    writing = is_locked(folder.path)
    if writing:
        found.findings.append("a run is writing here now: what follows is of this moment")
    found.findings += _manifest_findings(folder.manifest, writing)
    unknown = [*_strangers(folder.path, entries)]
    found.findings += [f"{name}: not finished: the same run command goes on" for name in unknown]
    if left := [name for name in _planned(folder.manifest) if name not in (*entries, *unknown)]:
        found.findings.append(f"not started: {', '.join(left)}; the same run command goes on")
    found.notes += _leftovers(folder.path)
    scored: dict[str, Scores] = {}
    for name, entry in entries.items():
        one = TaskCheck(name)
        found.tasks.append(one)
        its_scores = _check_task(one, entry, folder.path, data)
        if "" in its_scores:
            scored[name] = its_scores
    for task in tasks.all_tasks().values():
        if task.members and (folder.path / task.name / "result.json").is_file():
            whole = TaskCheck(task.name)
            found.tasks.append(whole)
            missing = [part.name for part in task.members if part.name not in scored]
            if missing:
                whole.scores, whole.notes = NOT_COMPARED, [f"not compared: {missing[0]} was not"]
                continue
            parts = [scored[part.name] for part in task.members]
            asked = entries[task.members[0].name].on_request
            _take(whole, compare_composite(task, parts, folder.path / task.name, asked))
    return found


def _opened(path: Path) -> store.RunFolder:
    """The run folder; one without a manifest too where a run was there and ended before its first answer."""
    begun = (path / LOCK).is_file() and not any(path.glob("*/result*.json"))
    if begun and not (path / store.MANIFEST).exists():
        return store.RunFolder(path, {"tasks": {}})
    return store.RunFolder.open(path)


def _planned(manifest: Mapping[str, Any]) -> list[str]:
    """The tasks that the last run was to ask."""
    last = (manifest.get("runs") or [{}])[-1]
    planned = last.get("tasks") if isinstance(last, dict) else None
    return [name for name in planned if isinstance(name, str)] if isinstance(planned, list) else []


def _manifest_findings(manifest: Mapping[str, Any], writing: bool) -> Iterator[str]:
    """What is missing in the manifest."""
    runs = manifest.get("runs", [])
    if not manifest["tasks"]:
        yield "no answers yet"
    if not runs and manifest["tasks"]:
        yield f"{store.MANIFEST}: says of no run when and with what it was made"
    for number, record in enumerate(runs, 1):
        missing = [key for key in RECORDED if not isinstance(record, dict) or key not in record]
        if missing:
            yield f"{store.MANIFEST}: run {number} has no {', '.join(missing)}"
    if runs and isinstance(runs[-1], dict) and "finished" not in runs[-1] and not writing:
        yield "the last run has not ended; the same run command goes on"


def _strangers(folder: Path, entries: Mapping[str, store.TaskEntry]) -> Iterator[str]:
    """Tasks with answers that the manifest does not know: of other processes than the one that writes it."""
    for path in sorted(folder.iterdir()):
        answered = any(file.stat().st_size for file in journal.files(path))
        if answered and path.name not in entries:
            yield path.name


def _leftovers(folder: Path) -> Iterator[str]:
    """Temporary files of writers that were killed; a writer that lives has some too."""
    for path in sorted([*folder.glob(".*.tmp"), *folder.glob("*/.*.tmp")]):
        yield f"{path.relative_to(folder)}: a temporary file of a process that was killed; delete it"


def _check_task(
    one: TaskCheck, entry: store.TaskEntry, folder: Path, data: str | os.PathLike[str] | None
) -> Scores:
    """Fills in what is found of one task; returns its scores as its answers give them now, if they do."""
    name = one.task
    stored = journal.read(folder / name)
    torn = [file for file, end in stored.ends.items() if (folder / name / file).stat().st_size > end]
    one.spoilt = len(stored.spoilt) + len(torn)
    if stored.spoilt:
        one.notes.append(f"lines that are no answer: {len(stored.spoilt):,} (first: {stored.spoilt[0]})")
    if torn:
        one.notes.append(f"the last line of {', '.join(torn)} is torn")
    changed = False
    try:
        task = task_of(name, entry)
        try:
            whole = read_stored(task, entry, folder, data)
        except ChangedRowsError as error:  # whose answers still fit is worth knowing; no number is
            one.findings.append(str(error))
            changed, whole = True, read_stored(task, entry, folder, data, changed=True)
    except UserError as error:
        one.findings.append(f"not checked further: {error}")
        return {}
    if task.version != entry.version:
        one.findings.append(
            f"asked as version {entry.version} of the task, now at {task.version}: numbers may differ"
        )
    _count(one, whole, stored.answers, entry.model.fingerprint)
    _check_pictures(one, whole, entry.model.fingerprint)
    if changed:
        one.scores = NOT_COMPARED
        return {}
    return _take(one, compare_task(whole, folder / name, entry.on_request))


def _take(one: TaskCheck, compared: Compared) -> Scores:
    one.scores = compared.state
    one.findings += compared.findings
    one.notes += compared.notes
    return compared.scored


def _count(one: TaskCheck, whole: StoredTask, answers: Sequence[Prediction], fingerprint: str) -> None:
    """How many samples have which kind of answer."""
    current = {request.id: store.asked_key(request, fingerprint) for request in whole.requests}
    missing = [name for name in current if name not in whole.predictions]
    failed = [name for name, answer in whole.predictions.items() if answer.error is not None]
    times = Counter((answer.id, answer.key) for answer in answers)
    fitting = {
        (name, key): number
        for (name, key), number in times.items()
        if current.get(name) == key.partition("-")[0]
    }
    one.samples, one.missing, one.failed = len(current), len(missing), len(failed)
    one.answered = len(current) - len(missing)
    one.stale = len(answers) - sum(fitting.values())
    one.repeated = sum(fitting.values()) - len(fitting)
    if missing:
        one.findings.append(
            f"samples without an answer to the question as it is now: {len(missing):,} of {len(current):,} "
            f"(first: {missing[0]}); the same run command asks them"
        )
    if failed:
        one.findings.append(
            f"samples that failed: {len(failed):,} (first: {failed[0]}); the same run command asks them again"
        )


def _check_pictures(one: TaskCheck, whole: StoredTask, fingerprint: str) -> None:
    """Whether the answers are about the pictures as they are now, of those that are here."""
    keys = store.Keys(fingerprint)
    here: dict[str, bool] = {}
    checked, absent, changed = 0, 0, []
    for request in whole.requests:
        answer = whole.predictions.get(request.id)
        paths = images_of(request.prompt)
        if answer is None or not paths:
            continue
        for path in paths:
            if path not in here:
                here[path] = os.path.isfile(path)
        if not all(here[path] for path in paths):
            absent += 1
            continue
        checked += 1
        if keys.of(request) != answer.key:
            changed.append(request.id)
    one.pictures = "not here" if absent and not checked else "same" if checked else "none"
    if absent and checked:
        one.pictures = f"{checked:,} same"
    if absent:
        one.notes.append(f"samples whose pictures are not here to be compared: {absent:,}")
    if changed:
        one.pictures = f"{len(changed):,} changed"
        one.findings.append(
            f"answers about other pictures than those here now: {len(changed):,} (first: {changed[0]}); "
            f"the same run command asks them again"
        )

"""What is looked at before a model is loaded: run folders, pictures, room on the disk. Nothing is written."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from eval_mm import models, store
from eval_mm.console import size
from eval_mm.errors import UserError
from eval_mm.files import is_locked
from eval_mm.jobs import Job, check_folder
from eval_mm.planning import Plan

LEAST_PER_SAMPLE, MOST_PER_SAMPLE, MOST_PER_TOKEN = 400, 1000, 12
"""Bytes of the disk: a line of the journal, one of scores.jsonl and its copy while it is written."""


class Findings(NamedTuple):
    """In a line each: what makes a run impossible, and what the user should know of before it."""

    problems: tuple[str, ...]
    notes: tuple[str, ...]


class Pictures(NamedTuple):
    """The pictures of a task's questions and examples, each once, and those that are not there."""

    total: int
    missing: tuple[str, ...]


class Room(NamedTuple):
    """Bytes that answers and scores take: surely, and at most."""

    least: int
    most: int


class Disk(NamedTuple):
    """A file system: a folder on it, how much is free, how much will be written."""

    folder: Path
    free: int
    needed: Room


def look(jobs: Sequence[Job]) -> Findings:
    """Everything that can be found without a model; costs a look at each picture's name, no reading."""
    problems = [problem for job in jobs for problem in _folder_problems(job)]
    notes: list[str] = []
    plans = {
        (plan.dataset.root.path, plan.task.name): plan
        for job in jobs
        if _looks(job)
        for plan in job.planned.plans
    }
    for (root, task), plan in plans.items():
        found = pictures_of(plan)
        if found.missing:
            said = f"{task}: {len(found.missing):,} of {found.total:,} pictures are not under {root}"
            said += f" (first: {found.missing[0]})"
            if len(found.missing) == found.total:
                problems.append(said)
            else:
                notes.append(f"{said}; their samples will be errors")
    for disk in disks(jobs):
        said = f"--out {disk.folder}: {size(disk.needed.least)} to {size(disk.needed.most)} will be written"
        said += f", {size(disk.free)} are free there"
        if disk.free < disk.needed.least:
            problems.append(said)
        elif disk.free < disk.needed.most:
            notes.append(said)
    return Findings(tuple(problems), tuple(notes))


def replaced(job: Job) -> list[str]:
    """What a run would say of earlier results in its folder; nothing where that cannot be known."""
    if job.fresh or not job.info.fingerprint:
        return []
    try:
        folder = store.RunFolder.open(job.out)
        return check_folder(folder, job.info, job.wanted)
    except UserError:
        return []


def require(jobs: Sequence[Job]) -> tuple[str, ...]:
    """What the user should know; UserError for what makes a run impossible."""
    problems, notes = look(jobs)
    refuse(problems)
    return notes


def refuse(problems: Sequence[str]) -> None:
    """Raises UserError with the first of the problems, if there is one."""
    if problems:
        others = len(problems) - 1
        more = f" (and {others} more: --dry-run shows all)" if others else ""
        raise UserError(f"{problems[0]}{more}")


def pictures_of(plan: Plan) -> Pictures:
    """The pictures that the questions of a plan show."""
    samples = plan.dataset.samples
    names = {image.path for sample in samples for image in sample.images}
    if plan.examples is not None:
        drawn = (example for sample in samples for example in plan.examples.of(sample))
        names |= {image.path for example in drawn for image in example.images}
    root = str(plan.dataset.root.path)
    missing = [name for name in names if not os.path.isfile(os.path.join(root, name))]
    return Pictures(len(names), tuple(sorted(missing)))


def bytes_needed(job: Job) -> Room:
    """What a job may still write, about; what is in its folder already counts as written."""
    least = most = 0
    for plan in job.planned.plans:
        folder, samples = job.out / plan.task.name, len(plan.dataset.samples)
        written = (
            sum(entry.stat().st_size for entry in os.scandir(folder))
            if folder.is_dir() and not job.fresh
            else 0
        )
        per_sample = MOST_PER_SAMPLE + MOST_PER_TOKEN * plan.protocol.max_new_tokens
        least += max(0, LEAST_PER_SAMPLE * samples - written)
        most += max(0, per_sample * samples - written)
    return Room(least, most)


def disks(jobs: Sequence[Job]) -> list[Disk]:
    """The file systems that the jobs write to, and what all of them together may write there."""
    found: dict[int, Disk] = {}
    for job in jobs:
        folder, needed = nearest_folder(job.out), bytes_needed(job)
        number = folder.stat().st_dev
        before = found.get(number) or Disk(job.out, shutil.disk_usage(folder).free, Room(0, 0))
        both = Room(before.needed.least + needed.least, before.needed.most + needed.most)
        found[number] = before._replace(needed=both)
    return list(found.values())


def nearest_folder(path: Path) -> Path:
    """The folder itself or the one nearest above it that is there."""
    path = Path(os.path.abspath(path))
    return next((folder for folder in (path, *path.parents) if os.path.lexists(folder)), path)


def _looks(job: Job) -> bool:
    """Whether a model looks at pictures; what is passed from Python may be anything."""
    return isinstance(job.model, str) and models.scheme_of(job.model).sees


def _folder_problems(job: Job) -> list[str]:
    """Why a run folder cannot be filled."""
    above = nearest_folder(job.out)
    if not above.is_dir():
        return [f"--out {job.out}: {above} is a file"]
    if not os.access(above, os.W_OK | os.X_OK):
        return [f"--out {job.out}: cannot write there"]
    try:
        if is_locked(job.out):
            return [f"--out {job.out}: another run is writing there; wait for it, or name another"]
        if (job.out / store.MANIFEST).exists() and not job.fresh:
            check_folder(store.RunFolder.open(job.out), job.info, job.wanted)
    except UserError as error:
        return [str(error)]
    return []

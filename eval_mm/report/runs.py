"""Run folders as reports read them: what is there and whole, and in a line each what is not.

A folder is what `run` left behind, or what `score --predictions FILE --out DIR` wrote, which has no manifest.
Corrupt and half-finished parts never end a report: they are in `Run.problems`.
"""

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from eval_mm.console import printable
from eval_mm.errors import UserError
from eval_mm.files import CHUNK, LOCK
from eval_mm.report.result_file import read_result
from eval_mm.schema import Result
from eval_mm.store import MANIFEST, named, read_json
from eval_mm.tasks import all_tasks
from eval_mm.variant import base_of

RESULT = "result.json"
LONGEST_NAME = 80


@dataclass(frozen=True, slots=True)
class Run:
    """One run folder.

    `name` is the model's, made unique among the runs read together and fit for one line. `results` are the
    result.json of the tasks, `rescored` the same answers under other scorers or judges: the middle of
    `result.<P>.json` -> task -> result. `manifest` is empty where there is none, or none that can be read.
    `problems` says in a line each what is corrupt, half-finished, or not what the manifest says.
    """

    name: str
    folder: Path
    results: dict[str, Result]
    manifest: dict[str, Any]
    problems: tuple[str, ...]
    rescored: Mapping[str, Mapping[str, Result]] = field(default_factory=dict)

    def scores_path(self, task: str) -> Path:
        """The scores that made `results[task]`, which may be another scorer's than the run's own."""
        result = self.results[task]
        scorer = next((name for name, found in self.rescored.items() if found.get(task) is result), "")
        return self.folder / task / named("scores", scorer, "jsonl")


def load_runs(folders: Sequence[str | os.PathLike[str]]) -> list[Run]:
    """The runs in these folders, in order, each once.

    Raises:
        UserError: a path that is no run folder at all.
    """
    runs, refused = load_those(folders)
    if refused:
        raise refused[0]
    return runs


def load_those(folders: Sequence[str | os.PathLike[str]]) -> tuple[list[Run], list[UserError]]:
    """As `load_runs`, but a path that is no run folder is told beside the runs of the others.

    Raises:
        UserError: none of them is one.
    """
    runs: dict[str, Run] = {}
    refused: list[UserError] = []
    for folder in map(Path, folders):
        if (place := os.path.realpath(folder)) not in runs:
            try:
                runs[place] = _load(folder)
            except UserError as error:
                refused.append(error)
    if refused and not runs:
        raise refused[0]
    return _with_unique_names(list(runs.values())), refused


def _load(folder: Path) -> Run:
    if not folder.exists():
        raise UserError(f"{folder}: no such folder; name run folders, such as results/runs/demo")
    if not folder.is_dir():
        raise UserError(f"{folder}: a file; name run folders, such as results/runs/demo")
    try:
        entries = sorted(folder.iterdir())
        tasks = [path for path in entries if path.is_dir()]
        files = {path.name: sorted(one.name for one in path.iterdir()) for path in tasks}
    except OSError as error:
        return Run(folder.name, folder, {}, {}, (f"cannot be read ({error.strerror})",))
    held = {task: names for task, names in files.items() if any(map(_belongs_to_task, names))}
    if not held and not {MANIFEST, LOCK} & {path.name for path in entries}:
        raise UserError(f"{folder}: no run folder: neither {MANIFEST} nor the results of a task are in it")
    manifest, problems = _read_manifest(folder)
    results: dict[str, Result] = {}
    rescored: dict[str, dict[str, Result]] = {}
    stored = manifest.get("tasks", {})
    for task in dict.fromkeys([*stored, *held]):
        names = held.get(task, [])
        if RESULT not in names and (task in stored or any(map(_is_journal, names))):
            problems.append(_unfinished(folder, task, names))
        for name in names:
            scorer = _scorer_of(name)
            if scorer is None:
                continue
            try:
                result = read_result(folder / task / name)
                if result.task != task:
                    raise UserError(f"{folder / task / name}: is of task '{result.task}', not '{task}'")
            except UserError as error:
                problems.append(_said(error, folder))
                continue
            if lost := _lost_scores(folder, result, scorer):
                problems.append(lost)
            (rescored.setdefault(scorer, {}) if scorer else results)[task] = result
        if task in results and task in stored and (differs := _difference(results[task], stored[task])):
            problems.append(
                f"{task}: {RESULT} is of an earlier run, the one that was begun since has another {differs}: "
                f"half-finished, the same run command goes on"
            )
        for scorer, found in rescored.items():
            if task in found and task in stored and (differs := _difference(found[task], stored[task])):
                problems.append(
                    f"{task}: result.{scorer}.json is of earlier answers, asked with another {differs}: "
                    f"judge them again, or delete it"
                )
    problems += [
        f"{name}: {RESULT} is of earlier answers to its parts: run the whole again"
        for name, whole in results.items()
        if not _is_of_its_parts(whole, results)
    ]
    if not (folder / MANIFEST).exists() and any(map(_is_journal, chain.from_iterable(held.values()))):
        problems.append(
            f"no {MANIFEST}: how the answers were asked is not known; the same run command makes it anew"
        )
    if not held:
        problems.append("no task has answers yet")
    kept = tuple(dict.fromkeys(printable(problem) for problem in problems))
    answered = [result for found in (results, *rescored.values()) for result in found.values()]
    return Run(_name(folder, manifest, answered), folder, results, manifest, kept, rescored)


def _read_manifest(folder: Path) -> tuple[dict[str, Any], list[str]]:
    """The manifest with tasks and runs of the right shape, and what is wrong with it."""
    if not (folder / MANIFEST).exists():
        return {}, []
    try:
        manifest = read_json(folder / MANIFEST)
    except UserError as error:
        return {}, [_said(error, folder)]
    tasks, runs = manifest.get("tasks"), manifest.get("runs", [])
    if not isinstance(tasks, dict) or not isinstance(runs, list):
        return {}, [f"{MANIFEST}: not the manifest of a run"]
    known = {
        name: entry for name, entry in tasks.items() if isinstance(entry, dict) and Path(name).name == name
    }
    records = [record for record in runs if isinstance(record, dict)]
    problems = [f"{MANIFEST}: task '{name}' cannot be read" for name in tasks.keys() - known.keys()]
    if records and "finished" not in records[-1]:
        asked = records[-1].get("tasks")
        left = [str(name) for name in asked if str(name) not in known] if isinstance(asked, list) else []
        more = f"; not begun: {', '.join(left)}" if left else ""
        problems.append(f"the last run has not ended: it was interrupted, or is still going on{more}")
    return {**manifest, "tasks": known, "runs": records}, problems


def _belongs_to_task(name: str) -> bool:
    return _scorer_of(name) is not None or _is_journal(name)


def _is_journal(name: str) -> bool:
    return name.startswith("predictions.rank") and name.endswith(".jsonl")


def _scorer_of(name: str) -> str | None:
    """The P of `result.P.json`, empty for `result.json`; None for other files."""
    if name == RESULT:
        return ""
    middle = name.removeprefix("result.").removesuffix(".json")
    return middle if middle and name == f"result.{middle}.json" else None


def _unfinished(folder: Path, task: str, names: Iterable[str]) -> str:
    """What is said of a task without a result of its own."""
    answers = 0
    for name in filter(_is_journal, names):
        try:
            answers += _num_lines(folder / task / name)
        except OSError:
            return f"{task}: no {RESULT}, and {name} cannot be read"
    return f"{task}: no {RESULT}: half-finished, {answers:,} answers so far, the same run command goes on"


def _lost_scores(folder: Path, result: Result, scorer: str) -> str | None:
    """What is said where the scores that made a result are gone, or are of other samples; None where not."""
    place = f"{result.task}/{named('scores', scorer, 'jsonl')}"
    again = f"python -m eval_mm check {folder} tells more"
    try:
        lines = _num_lines(folder / place)
    except FileNotFoundError:
        return f"{place}: no such file, so which samples make the number cannot be seen; {again}"
    except OSError as error:
        return f"{place}: cannot be read ({error.strerror})"
    if lines == result.num_samples:
        return None
    counted = named("result", scorer, "json")
    return f"{place}: has {lines:,} samples, {counted} has {result.num_samples:,}; {again}"


def _num_lines(path: Path) -> int:
    """How many whole lines a file has."""
    with path.open("rb") as file:
        return sum(block.count(b"\n") for block in iter(partial(file.read, CHUNK), b""))


def _difference(result: Result, entry: Mapping[str, Any]) -> str | None:
    """In what a result is not of the run that the manifest tells of; None where it is."""
    config, model, protocol = result.config, entry.get("model"), entry.get("protocol")
    pairs = {
        "data": (config.get("data_sha256"), entry.get("data_sha256")),
        "checkpoint": (
            config.get("model_fingerprint"),
            model.get("fingerprint") if isinstance(model, dict) else None,
        ),
        "protocol": (
            base_of(result.prompt_protocol),
            base_of(protocol) if isinstance(protocol, str) else protocol,
        ),
        "prompt": (config.get("variant") or {}, entry.get("variant") or {}),
        "task version": (result.version, entry.get("version")),
        "selection": _parts("limit", "sample", of=(config.get("selection"), entry.get("selection"))),
        "few-shot": _parts("shots", "seed", of=(config.get("few_shot"), entry.get("few_shot"))),
    }
    return next((name for name, (one, other) in pairs.items() if other is not None and one != other), None)


def _is_of_its_parts(whole: Result, results: Mapping[str, Result]) -> bool:
    """Whether a result computed from others is of those beside it, by the number of samples and how asked."""
    task = all_tasks().get(whole.task)
    parts = [results[part.name] for part in (task.members if task else ()) if part.name in results]
    if task is None or not parts or len(parts) < len(task.members):
        return True
    ways = [
        (one.prompt_protocol, one.score_protocol, {**one.config, "data_sha256": None})
        for one in (whole, *parts)
    ]
    return whole.num_samples == sum(one.num_samples for one in parts) and all(way == ways[0] for way in ways)


def _parts(*names: str, of: tuple[Any, Any]) -> tuple[list[Any], list[Any]]:
    """The named fields of both, as far as they are objects."""
    one, other = ([part.get(name) if isinstance(part, dict) else None for name in names] for part in of)
    return one, other


def _said(error: UserError, folder: Path) -> str:
    """The message, its path from the run folder on."""
    return str(error).removeprefix(f"{folder}{os.sep}")


def _name(folder: Path, manifest: Mapping[str, Any], results: Iterable[Result]) -> str:
    """The model's name; the folder's where there is none, or where files of several models lie together."""
    models = {result.model for result in results}
    if not models and manifest.get("runs"):
        models = {str(manifest["runs"][-1].get("model", ""))}
    (name,) = models if len(models) == 1 else {""}
    name = " ".join(printable(name).split()) or printable(Path(os.path.abspath(folder)).name)
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"


def _with_unique_names(runs: Sequence[Run]) -> list[Run]:
    """The runs, those of one name told apart by the end of their folders' paths, as short as it can be."""
    counts = Counter(run.name for run in runs)
    names: list[str] = []
    for run in runs:
        name = run.name
        if counts[name] > 1:
            others = [_path(other) for other in runs if other.name == name and other is not run]
            parts = _path(run)
            lengths = range(1, len(parts))
            length = next((n for n in lengths if all(parts[-n:] != one[-n:] for one in others)), len(parts))
            name = f"{name} ({printable('/'.join(parts[-length:]))})"
        while name in names:  # a model that is called like another with its folder
            name += "'"
        names.append(name)
    return [replace(run, name=name) for run, name in zip(runs, names, strict=True)]


def _path(run: Run) -> list[str]:
    return Path(os.path.abspath(run.folder)).as_posix().split("/")

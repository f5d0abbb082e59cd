"""Results in a run folder against what scoring the stored answers gives now, without a model."""

import io
import math
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from eval_mm import tasks
from eval_mm.errors import UserError
from eval_mm.files import jsonl
from eval_mm.judge import Scored, combine, score_task
from eval_mm.rescore import StoredTask
from eval_mm.schema import Task
from eval_mm.store import named, read_json

SAME, DIFFERENT, NONE, NOT_COMPARED = "same", "different", "none", "not compared"

Scores = Mapping[str, Scored]
"""What a task's answers come to: under its run's own scorer by the name "", under others by theirs."""


class Compared(NamedTuple):
    """How the files of one task stand to its answers, in a word and in lines; its scores for what is made of
    them.
    """

    state: str
    findings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    scored: Scores = MappingProxyType({})


def compare_task(stored: StoredTask, folder: Path, on_request: Sequence[str]) -> Compared:
    """The task's own result, and those under other scorers of its benchmark."""
    own = _held(folder / "result.json")
    subset = isinstance(own, dict) and isinstance(own.get("config"), dict) and own["config"].get("subset")
    if len(stored.predictions) < len(stored.requests) and not subset:
        return Compared(NOT_COMPARED)
    every, notes = [_compare_under(stored, "", folder, on_request, bool(subset))], []
    for scorer in _beside(folder):
        if scorer == stored.protocol.name:  # written while the run's own was another; now it is result.json
            said = f"result.{scorer}.json is of earlier answers, asked under another protocol: delete it"
            every.append(Compared(DIFFERENT, (said,)))
        elif scorer in (protocol.name for protocol in stored.task.protocols):
            every.append(_compare_under(stored, scorer, folder, on_request, bool(subset)))
        else:
            notes.append(f"result.{scorer}.json is not checked: it is not made of answers alone")
    return _together(every, notes)


def compare_composite(
    task: Task, parts: Sequence[Scores], folder: Path, on_request: Sequence[str]
) -> Compared:
    """A task computed from others, given the scores of those; parts that make no whole now once did."""
    every, notes = [], []
    for scorer in ("", *_beside(folder)):
        name = named("result", scorer, "json")
        if not all(scorer in part for part in parts):
            notes.append(f"{name} is not compared: not all of its parts were")
            continue
        try:
            whole = combine(task, [part[scorer] for part in parts])
        except UserError as error:
            every.append(Compared(DIFFERENT, (f"{name} is of earlier answers: {error}",)))
        else:
            every.append(_compare(whole, folder, on_request, scorer))
    return _together(every, notes)


def _together(every: Sequence[Compared], notes: Sequence[str]) -> Compared:
    """All results of a task as one, its own first; `notes` are of those that were not compared."""
    states = [one.state for one in every] or [NOT_COMPARED]
    return Compared(
        DIFFERENT if DIFFERENT in states else states[0],
        tuple(text for one in every for text in one.findings),
        (*(text for one in every for text in one.notes), *notes),
        {scorer: scores for one in every for scorer, scores in one.scored.items()},
    )


def _beside(folder: Path) -> list[str]:
    """The scorers that have a result beside the task's own."""
    return [
        path.name.removeprefix("result.").removesuffix(".json")
        for path in sorted(folder.glob("result.*.json"))
    ]


def _compare_under(
    stored: StoredTask, scorer: str, folder: Path, on_request: Sequence[str], subset: bool
) -> Compared:
    """The result of one scorer, of the run's own where it has no name."""
    protocol = tasks.get_protocol(stored.task, scorer) if scorer else stored.protocol
    way = replace(stored.asked, subset=subset)
    try:
        scored = score_task(stored.task, stored.dataset, stored.predictions, protocol, way)
    except UserError as error:
        return Compared(NOT_COMPARED, notes=(f"not compared: {error}",))
    return _compare(scored, folder, on_request, scorer)


def _compare(scored: Scored, folder: Path, on_request: Sequence[str], beside: str) -> Compared:
    """The files that `RunFolder.write_result` writes, against what it would write now."""
    results, scores = folder / named("result", beside, "json"), folder / named("scores", beside, "jsonl")
    all_of_it = {beside: scored}
    held = _held(results)
    if held is None:
        return Compared(
            NONE, (f"no {results.name} yet; the same run command, or score, writes it",), (), all_of_it
        )
    if isinstance(held, str):
        return Compared(DIFFERENT, (held,), (), all_of_it)
    expected = scored.result(on_request).to_json()
    further = _without_further_metrics(held, expected)
    differing = [
        key for key in dict.fromkeys((*expected, *held)) if not _same(held.get(key), expected.get(key))
    ]
    options = f"{f' --protocol {beside}' if beside else ''}{' --subset' if scored.asked.subset else ''}"
    again = f"python -m eval_mm score {folder.parent}{options} makes it anew"
    findings = []
    if differing == ["metrics"] and _same(_values(held), _values(expected)):
        findings.append(
            f"{results.name}: the numbers are those of its answers, their errors and intervals are of "
            f"another version; {again}"
        )
    elif differing:
        findings.append(f"{results.name} is not what its answers give now: {', '.join(differing)}; {again}")
    if different := _different_line(scores, jsonl(scored.judged.rows())):
        cure = "" if findings else f"; {again}"
        findings.append(f"{scores.name} is not what its answers give now: {different}{cure}")
    for name, content in scored.submission().items():
        if not (folder / name).is_file():
            findings.append(f"{name}, for the benchmark's server, is missing")
        elif _content((folder / name).read_bytes()) != _content(content):
            findings.append(f"{name}, for the benchmark's server, is not what the answers give now")
    notes = (f"{results.name}: {', '.join(further)} not checked",) if further else ()
    return Compared(DIFFERENT if findings else SAME, tuple(findings), notes, all_of_it)


def _held(path: Path) -> dict[str, Any] | str | None:
    """The result in a file; what is wrong with it; None where there is none."""
    if not path.is_file():
        return None
    try:
        return read_json(path)
    except UserError as error:
        return str(error).removeprefix(f"{path.parent}/")


def _without_further_metrics(held: dict[str, Any], expected: Mapping[str, Any]) -> list[str]:
    """Takes out of a held result the metrics that `score --metrics` added later, and names them."""
    metrics = held.get("metrics")
    if not isinstance(metrics, dict):
        return []
    further = [name for name in metrics if name not in expected["metrics"]]
    held["metrics"] = {name: value for name, value in metrics.items() if name not in further}
    return further


def _values(result: Mapping[str, Any]) -> dict[str, Any] | None:
    """The numbers of a result without their errors; None where its metrics have another shape."""
    metrics = result.get("metrics")
    if not isinstance(metrics, dict) or not all(isinstance(metric, dict) for metric in metrics.values()):
        return None
    return {name: metric.get("value") for name, metric in metrics.items()}


def _different_line(path: Path, expected: bytes) -> str:
    """The first line in which a file differs, empty where it does not."""
    if not path.is_file():
        return "it is missing"
    held = path.read_bytes()
    if held == expected:
        return ""
    # one may have more lines: then those that both have are compared, and the rest is the difference
    pairs = zip(held.splitlines(), expected.splitlines(), strict=False)
    line = next((number for number, (one, other) in enumerate(pairs, 1) if one != other), None)
    return f"line {line}" if line is not None else "it has more or fewer lines"


def _content(raw: bytes) -> bytes | dict[str, bytes]:
    """What a file says: of an archive (zip, xlsx) its files, without the times at which it was made."""
    if not zipfile.is_zipfile(io.BytesIO(raw)):
        return raw
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        return {name: archive.read(name) for name in archive.namelist() if name != "docProps/core.xml"}


def _same(one: Any, other: Any) -> bool:
    """Whether two values of JSON are equal, numbers to nine digits: another machine may round otherwise."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-12)
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)

"""What differs between two runs besides their answers: whom they asked, what, how, with which programs."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from eval_mm import tasks
from eval_mm.console import printable
from eval_mm.report.runs import Run
from eval_mm.schema import Result
from eval_mm.variant import base_of

ABSENT = "-"
LONGEST = 60
PROMPT = "prompt"

NAMES = {
    "data_sha256": "data",
    "model_fingerprint": "checkpoint",
    "answers_sha256": "file of answers",
    "box_scale": "unit of boxes",
    "num_unused": "answers without a sample",
}
"""What fields of a result's `config` are called; others by their own name with blanks."""

HASHES = 12
"""Characters of a hash that are shown."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that differs: what it is, of the first run and of the second, and in which tasks."""

    what: str
    first: str
    second: str
    tasks: tuple[str, ...]


def differences(first: Run, second: Run, names: Sequence[str]) -> tuple[Difference, ...]:
    """What differs between two runs in these tasks, which both have; what is alike in several, once."""
    found: dict[tuple[str, str, str], list[str]] = {}
    for task in names:
        one, other = facts(first, task), facts(second, task)
        for what in dict.fromkeys([*one, *other]):
            pair = one.get(what, ABSENT), other.get(what, ABSENT)
            if pair[0] != pair[1] and not (what == PROMPT and _asks_alike(task, *pair)):
                found.setdefault((what, *pair), []).append(task)
    parts = (_asked, _programs)
    whats = [what for part in parts for name in names for run in (first, second) for what in part(run, name)]
    order = {what: place for place, what in enumerate(dict.fromkeys(whats))}
    ranked = sorted(found.items(), key=lambda one: order[one[0][0]])
    return tuple(
        Difference(what, _shown(one), _shown(other), tuple(where)) for (what, one, other), where in ranked
    )


def facts(run: Run, task: str) -> dict[str, str]:
    """All that made a run's number of a task besides the answers, as text by name; most telling first."""
    found = _asked(run, task) | _programs(run, task)
    return {name: text for name, text in found.items() if text}


def _asked(run: Run, task: str) -> dict[str, str]:
    """Who was asked what, and how; an empty text keeps the place of what is not known."""
    result = run.results[task]
    found = {
        "model": result.model,
        "checkpoint": "",
        PROMPT: result.prompt_protocol,
        "scorer": result.score_protocol,
        "task version": str(result.version),
        "data": "",
        "samples": f"{result.num_samples:,}",
        "failed samples": f"{result.num_errors:,}",
    }
    return found | {
        NAMES.get(name, name.replace("_", " ")): text for name, text in _flat(result.config).items()
    }


def _programs(run: Run, task: str) -> dict[str, str]:
    """What the answers were made with."""
    record = _record(run, run.results[task])
    told = {
        name: record[name]
        for name in ("compute", "python", "packages", "git_commit", "machine")
        if name in record
    }
    return {name.replace("_", " ").removeprefix("packages "): text for name, text in _flat(told).items()}


def _asks_alike(task: str, one: str, other: str) -> bool:
    """Whether two protocols ask with the same prompt and limits, and differ in name and scorer alone."""
    known = tasks.all_tasks().get(task)
    named = {protocol.name: protocol for protocol in known.protocols} if known is not None else {}
    if base_of(one) != one or base_of(other) != other or not {one, other} <= named.keys():
        return False
    first, second = (
        (way.prompt, way.choices, way.min_new_tokens, way.max_new_tokens, way.stop, way.chat, way.system)
        for way in (named[one], named[other])
    )
    return first == second


def _record(run: Run, result: Result) -> Mapping[str, Any]:
    """What the manifest tells of the last run that asked the task; nothing where there is no manifest."""
    records = run.manifest.get("runs", [])
    asked = [one for one in records if isinstance(one.get("seconds"), dict) and result.task in one["seconds"]]
    found: Mapping[str, Any] = (asked or records or [{}])[-1]
    return found


def _flat(fields: Mapping[str, Any], before: str = "") -> dict[str, str]:
    """Values as text, those of objects under both names."""
    found: dict[str, str] = {}
    for name, value in fields.items():
        if isinstance(value, Mapping):
            found |= _flat(value, f"{before}{name} ")
        elif value not in (None, "", []):
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            found[before + name] = text
    return found


def _shown(text: str) -> str:
    """A text for one cell; hashes are cut where they still tell files apart."""
    if len(text) >= 40 and all(char in "0123456789abcdef" for char in text):
        return text[:HASHES]
    text = printable(text)
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"

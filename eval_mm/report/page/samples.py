"""The samples of a report's tasks as JSON for the failure browser, within a stated number of bytes.

Of every sample its id, breakdowns and each run's score are there. Text (question, prompt, answers,
references) is there for as many as fit, worst first: errors, unparsed answers, then by score, the runs taking
turns. Of these the first `max_samples` of every run have pictures, as far as they fit; runs that were asked
the same rows share them. Each task may take an equal part of what is left when its turn comes, the smallest
first; text takes half of it before pictures do.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from eval_mm.report.one_file import embedded_json
from eval_mm.report.page.asked import Asked, read_asked
from eval_mm.report.page.groups import Group, groups_of
from eval_mm.report.page.pictures import pictures_within
from eval_mm.report.page.texts import LEAST_BYTES, Text, num_bytes, texts
from eval_mm.report.runs import Run
from eval_mm.report.scores_file import Outcomes, distribution
from eval_mm.tasks import all_tasks

REST = 3000
"""Bytes of a group besides what is counted: names of fields, notes of runs."""


class Block(NamedTuple):
    """The samples of a task as JSON, and by place of a run how its scores are distributed."""

    json: str
    outcomes: Mapping[int, Outcomes]


def sample_blocks(
    runs: Sequence[Run], data: Path | None, max_samples: int, max_bytes: int
) -> dict[str, Block]:
    """By task its samples, all together about `max_bytes` long at most."""
    names = list(dict.fromkeys(task for run in runs for task in run.results))
    sizes = {name: sum(_size(run.scores_path(name)) for run in runs if name in run.results) for name in names}
    blocks: dict[str, Block] = {}
    left = max_bytes
    for turn, name in enumerate(sorted(names, key=lambda name: sizes[name])):
        blocks[name] = _block(name, runs, data, max_samples, left // (len(names) - turn))
        left -= num_bytes(blocks[name].json)
    return {name: blocks[name] for name in names}


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _block(task: str, runs: Sequence[Run], data: Path | None, max_samples: int, share: int) -> Block:
    """One task, its runs in groups that were asked the same rows; a composite one names its members."""
    known = all_tasks().get(task)
    members = [member.name for member in known.members] if known else []
    groups = [] if members else groups_of(task, runs, data)
    parts: list[str] = []
    for turn, group in enumerate(groups):
        parts.append(_group(group, max_samples, share // (len(groups) - turn)))
        share -= num_bytes(parts[-1])
    outcomes = {
        place: distribution(values, scored=bool(runs[place].results[task].metrics))
        for group in groups
        for place, values in zip(group.places, group.values, strict=True)
    }
    return Block(f'{{"members":{embedded_json(members)},"groups":[{",".join(parts)}]}}', outcomes)


def _group(whole: Group, max_samples: int, share: int) -> str:
    group, listing = _listed(whole, share // 2)
    left = share - num_bytes(listing) - REST
    most = max(0, left) // (LEAST_BYTES * (1 + len(group.runs)))
    wanted = {group.ids[place] for place in group.order[:most]}
    asked = [read_asked(group.task, run, group.questions, wanted) for run in group.runs]
    made = texts(group, asked, most)
    shown, left = _take(made, left, left // 2)
    wanted_pictures = _paths(group, shown[: whole.num_worst(max_samples)])
    pictures = pictures_within(wanted_pictures, left)
    shown += _take(made, left - pictures.size, 0)[0]
    with_pictures = _paths(group, shown)
    counts = {
        "scored": len(whole.ids),
        "listed": len(group.ids),
        "text": len(shown),
        "pictured": len(with_pictures),
        "pictures": pictures.num_shown,
        "unreadable": len(pictures.unreadable),
        "full": len(pictures.of) < len(wanted_pictures),
        "better": len(wanted_pictures) < len(with_pictures),
    }
    facts = {
        "runs": [_run(group, turn, one) for turn, one in enumerate(asked)],
        "problem": group.questions.problem,
        "counts": counts,
        "pictures": pictures.urls,
        "shows": pictures.of,
    }
    samples = _object({text.place: text.sample for text in shown})
    answers = [
        _object({text.place: text.answers[turn] for text in shown if text.answers[turn]})
        for turn in range(len(asked))
    ]
    return _object(
        {
            "listing": listing,
            "samples": samples,
            "answers": f"[{','.join(answers)}]",
            **{name: embedded_json(value) for name, value in facts.items()},
        }
    )


def _paths(group: Group, shown: Sequence[Text]) -> dict[int, list[Path]]:
    """The pictures of these samples, where they have some."""
    found = {}
    for text in shown:
        sample = group.questions.samples.get(group.ids[text.place])
        if sample is not None and sample.images:
            found[text.place] = [group.questions.root / image.path for image in sample.images]
    return found


def _listed(group: Group, room: int) -> tuple[Group, str]:
    """The group and its listing; where that would be too long, of the worst samples only."""
    listing = embedded_json(group.listing())
    while (size := num_bytes(listing)) > room and group.ids:
        group = group.only(min(len(group.ids) - 1, len(group.ids) * max(0, room) // size))
        listing = embedded_json(group.listing())
    return group, listing


def _run(group: Group, turn: int, asked: Asked) -> dict[str, Any]:
    """What the browser must know of one run's part."""
    result, scores = asked.result, group.scores[turn]
    missing = result.num_samples - len(scores.ids)
    lost = f"Of {missing:,} of {result.num_samples:,} samples the score cannot be read" if missing > 0 else ""
    return {
        "run": group.places[turn],
        "way": asked.way,
        "scorer": result.score_protocol,
        "scored": bool(result.metrics),
        "problems": [told for told in (asked.problem, scores.problem or lost) if told],
    }


def _take(made: Iterator[Text], left: int, least: int) -> tuple[list[Text], int]:
    """Texts until no more than `least` bytes would be left, and what is left."""
    taken: list[Text] = []
    while left > least and (text := next(made, None)) is not None:
        if text.size > left:
            break
        taken.append(text)
        left -= text.size
    return taken, left


def _object(fields: Mapping[Any, str]) -> str:
    """A JSON object of values that are JSON already."""
    return "{" + ",".join(f"{json.dumps(str(name))}:{value}" for name, value in fields.items()) + "}"

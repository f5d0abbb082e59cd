"""Runs that were asked the same rows of a task, side by side: ids, scores, breakdowns, the worst first."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path
from typing import Any

from eval_mm.report.page.asked import Questions, breakdowns, read_questions
from eval_mm.report.runs import Run
from eval_mm.report.scores_file import ABSENT, Scores, Value, read_scores, worst_first


@dataclass(frozen=True, slots=True)
class Group:
    """One task's samples that some runs share.

    `places` are those of the runs in the report, `values` by run in the order of `ids`, `parts` the
    breakdowns of every sample (empty where the task has none), `order` the places of the samples, worst
    first.
    """

    task: str
    places: Sequence[int]
    runs: Sequence[Run]
    scores: Sequence[Scores]
    questions: Questions
    ids: Sequence[str]
    values: Sequence[Sequence[Value]]
    parts: Sequence[Sequence[str]]
    order: Sequence[int]

    def listing(self) -> dict[str, Any]:
        """What a page holds of every sample: id, breakdowns, the score by run."""
        labels = list(dict.fromkeys(label for labels in self.parts for label in labels))
        number = {label: place for place, label in enumerate(labels)}
        return {
            "ids": self.ids,
            "labels": labels,
            "of": [[number[label] for label in labels] for labels in self.parts],
            "values": [[_short(value) for value in column] for column in self.values],
        }

    def num_worst(self, count: int) -> int:
        """How many at the head of `order` are the worst `count` of every run."""
        return len({place for column in self.values for place in worst_first(column)[:count]})

    def only(self, count: int) -> "Group":
        """The worst `count` samples, in the order of the data."""
        kept = sorted(self.order[:count])
        new = {old: place for place, old in enumerate(kept)}
        return replace(
            self,
            ids=[self.ids[place] for place in kept],
            values=[[column[place] for place in kept] for column in self.values],
            parts=[self.parts[place] for place in kept] if self.parts else [],
            order=[new[old] for old in self.order[:count]],
        )


def groups_of(task: str, runs: Sequence[Run], data: Path | None) -> list[Group]:
    """The runs that have a result of the task, by the content of the file they were asked of."""
    by_data: dict[str, list[int]] = {}
    for place, run in enumerate(runs):
        if task in run.results:
            by_data.setdefault(str(run.results[task].config.get("data_sha256")), []).append(place)
    return [_group(task, places, [runs[place] for place in places], data) for places in by_data.values()]


def _group(task: str, places: Sequence[int], runs: Sequence[Run], data: Path | None) -> Group:
    scores = [read_scores(run.scores_path(task)) for run in runs]
    ids = list(dict.fromkeys(one for found in scores for one in found.ids))
    values = [_in_order(ids, found) for found in scores]
    questions = read_questions(task, runs, data)
    has_parts = any("/" in name for run in runs for name in run.results[task].metrics)
    return Group(
        task,
        places,
        runs,
        scores,
        questions,
        ids,
        values,
        parts=breakdowns(questions, ids) if has_parts else [],
        order=_by_turns([worst_first(column) for column in values]),
    )


def _in_order(ids: Sequence[str], scores: Scores) -> Sequence[Value]:
    if scores.ids == ids:
        return scores.values
    found = dict(zip(scores.ids, scores.values, strict=True))
    return [found.get(one, ABSENT) for one in ids]


def _by_turns(orders: Sequence[Sequence[int]]) -> list[int]:
    """The first of every run, then the second of every run, and so on; each place once."""
    return list(dict.fromkeys(place for turn in zip_longest(*orders) for place in turn if place is not None))


def _short(value: Value) -> Value:
    """A score with no more digits than a page shows."""
    return value if value is None else int(value) if value == int(value) else round(value, 4)

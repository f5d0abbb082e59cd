"""The published TouchStone figures, which GPT-4 of 2023 judged: no figure of another judge compares."""

import csv
from typing import NamedTuple

from eval_mm.report.published import published_folder

JUDGED_BY = "judged by GPT-4 of 2023"


class Figure(NamedTuple):
    """One row of results/published/leaderboard.csv."""

    model: str
    score: float
    source: str


def figures(task: str) -> list[Figure]:
    """The figures of a task, the highest first, each model once."""
    with published_folder().joinpath("leaderboard.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["task"] == task and row["group"] == "generalist"]
    found = {row["model"]: Figure(row["model"], float(row["score"]), row["source"]) for row in rows}
    return sorted(found.values(), key=lambda figure: -figure.score)

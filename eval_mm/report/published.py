"""The papers' figures, from results/published/leaderboard.csv: one row a figure, with its source and note."""

import csv
from functools import cache
from pathlib import Path
from typing import NamedTuple

from eval_mm.tasks.mme import COGNITION, PERCEPTION

REFERENCE_MODEL = "Qwen-VL-7B"
"""Whose figure stands beside a result: the model whose prompts and scorers protocol `qwen-vl` follows."""

REFERENCE_NAMES = {REFERENCE_MODEL, "Qwen-VL (Qwen-7B)"}
"""What the tables of its report call it."""

SUPERSEDED = "superseded"
FEW_SHOT = "few-shot"
ZERO_SHOT_GROUPS = {"generalist"}
"""Groups whose models were not tuned to the benchmark."""


class Figure(NamedTuple):
    """One row of the file. `score` is written as published: 76.00 stays 76.00."""

    task: str
    metric: str
    score: str
    model: str
    group: str
    section: str
    source: str
    note: str

    @property
    def place(self) -> tuple[str, str]:
        """Task and metric as results name them: MME's figures are one task with breakdowns there."""
        for whole, parts in (("mme_perception", PERCEPTION), ("mme_cognition", COGNITION)):
            if self.task == whole:
                return "mme", whole
            for part in parts:
                if self.task == f"mme_{part.lower()}":
                    return "mme", f"{whole}/{part}"
        return self.task, self.metric

    @property
    def shown_group(self) -> str:
        """The group of its row in a table: figures of another kind stand apart."""
        if self.section == SUPERSEDED:
            return SUPERSEDED
        return FEW_SHOT if self.section.startswith(FEW_SHOT) else self.group

    @property
    def zero_shot(self) -> bool:
        """Whether it ranks with zero-shot results."""
        return self.shown_group in ZERO_SHOT_GROUPS


@cache
def figures() -> tuple[Figure, ...]:
    """Every published figure, in the order of the file."""
    with published_folder().joinpath("leaderboard.csv").open(encoding="utf-8", newline="") as file:
        return tuple(Figure(**row) for row in csv.DictReader(file))


@cache
def reference_figures() -> dict[tuple[str, str], float]:
    """(task, metric) -> the reference model's zero-shot figure for that very split."""
    return {
        figure.place: float(figure.score)
        for figure in figures()
        if figure.model in REFERENCE_NAMES and not figure.note
    }


def published_folder() -> Path:
    """The checkout's folder, or the copy that an installed package carries."""
    package = Path(__file__).parents[1]
    checkout = package.parent / "results" / "published"
    return checkout if checkout.is_dir() else package / "published"

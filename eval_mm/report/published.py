"""The papers' figures, from results/published/leaderboard.csv: task, metric, score, model, source, note."""

import csv
from functools import cache
from pathlib import Path

REFERENCE_MODEL = "Qwen-VL-7B"
"""Whose figure stands beside a result: the model whose prompts and scorers protocol `qwen-vl` follows."""

REFERENCE_NAMES = {REFERENCE_MODEL, "Qwen-VL (Qwen-7B)"}
"""What the tables of its report call it."""


@cache
def reference_figures() -> dict[tuple[str, str], float]:
    """(task, metric) -> the reference model's zero-shot figure for that very split."""
    with published_folder().joinpath("leaderboard.csv").open(encoding="utf-8", newline="") as file:
        return {
            (row["task"], row["metric"]): float(row["score"])
            for row in csv.DictReader(file)
            if row["model"] in REFERENCE_NAMES and not row["note"]
        }


def published_folder() -> Path:
    """The checkout's folder, or the copy that an installed package carries."""
    package = Path(__file__).parents[1]
    checkout = package.parent / "results" / "published"
    return checkout if checkout.is_dir() else package / "published"

"""The published TouchStone figures, which GPT-4 of 2023 judged: no figure of another judge compares."""

from collections.abc import Sequence

from eval_mm.report import published
from eval_mm.report.published import Figure

JUDGED_BY = "judged by GPT-4 of 2023"


def figures(task: str) -> Sequence[Figure]:
    """The figures of a task, the highest first, each model once."""
    found = [figure for figure in published.figures() if figure.task == task and figure.zero_shot]
    return sorted(found, key=lambda figure: -float(figure.score))

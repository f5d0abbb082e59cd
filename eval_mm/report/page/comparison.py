"""What a page says of two runs side by side: the same words and numbers as `compare` in the terminal."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from markupsafe import Markup

from eval_mm.compare import Comparison, Difference, compare_runs
from eval_mm.compare.text import left_out, note, p_text, words
from eval_mm.errors import UserError
from eval_mm.paired import POWER, SIGNIFICANT, Paired
from eval_mm.report.cells import number
from eval_mm.report.page import svg
from eval_mm.report.runs import Run


class PairRow(NamedTuple):
    """A number of both runs; `task` is empty below the first number of a task."""

    task: str
    metric: str
    samples: str
    first: str
    second: str
    difference: str
    stderr: str
    interval: str
    p: str
    shown: bool
    detectable: str
    gained: int
    lost: int
    note: str


class ComparisonView(NamedTuple):
    """Two runs: A and B with their signs, or in `refused` why they cannot be compared."""

    names: Sequence[str]
    signs: Sequence[Markup]
    words: Sequence[str] = ()
    left_out: Sequence[str] = ()
    differences: Sequence[Difference] = ()
    rows: Sequence[PairRow] = ()
    refused: str = ""
    level: float = SIGNIFICANT
    power: float = POWER


def comparison_of(runs: Sequence[Run], data: Path | None) -> ComparisonView | None:
    """The comparison where there are two runs."""
    if len(runs) != 2:
        return None
    names, signs = [run.name for run in runs], [svg.swatch(place) for place in range(2)]
    try:
        found = compare_runs(runs[0].folder, runs[1].folder, data=data, show=0)
    except (UserError, OSError) as error:
        return ComparisonView(names, signs, refused=str(error))
    return ComparisonView(
        names, signs, list(words(found)), list(left_out(found)), found.differences, _rows(found)
    )


def _rows(found: Comparison) -> list[PairRow]:
    rows = []
    for task in found.tasks:
        for turn, (metric, one) in enumerate(task.numbers.items()):
            rows.append(
                PairRow(
                    "" if turn else task.task,
                    metric,
                    f"{task.num_samples:,}",
                    number(one.first),
                    number(one.second),
                    f"{one.difference:+.2f}",
                    "" if one.stderr is None else number(one.stderr),
                    _interval(one),
                    p_text(one.p_holm),
                    bool(one.better),
                    "" if one.detectable is None else number(one.detectable),
                    len(task.gained),
                    len(task.lost),
                    "" if turn else note(task),
                )
            )
    return rows


def _interval(one: Paired) -> str:
    return "" if one.ci95 is None else f"{one.ci95[0]:+.2f} to {one.ci95[1]:+.2f}"

"""Which numbers of a column may be compared, and which of them is the best.

A number ranks only with numbers measured alike: complete, zero-shot, on real data, under one protocol; the
figures of generalists in the papers count as protocol `qwen-vl`, which is theirs. Everything else is shown,
marked, and never the best.
"""

from dataclasses import replace

from eval_mm.report.cells import Cell, Table
from eval_mm.report.notes import settings_of, shots_of
from eval_mm.schema import Result
from eval_mm.tasks import all_tasks

PUBLISHED = "qwen-vl"
"""The protocol that published figures count as."""

LOWER_IS_BETTER = {"touchstone_score/order_gap"}
NEITHER_IS_BETTER = {f"touchstone_score/{name}" for name in ("lower", "upper", "reference", "position_bias")}

BEST = (
    "best of at least two that were measured alike: complete, zero-shot, real data, one protocol; the "
    "published figures of generalists count as protocol qwen-vl"
)
"""What being marked means."""


def alike(result: Result) -> str | None:
    """What a result ranks with, by name; None for one that ranks with nothing."""
    task = all_tasks().get(result.task)
    if not result.complete or result.demo or shots_of(result):
        return None
    if task is not None and task.version != result.version:
        return None
    if judge := result.config.get("judge"):
        return f"judge {judge['model']} {judge.get('prompt_sha256')}"
    asked, judged = result.prompt_protocol, result.score_protocol
    way = ", ".join(filter(None, [judged if asked == judged else f"{asked}, {judged}", settings_of(result)]))
    return way if task is not None else f"{way}, {result.config.get('data_sha256')}"


def ranked(table: Table) -> Table:
    """The table with the best of every column and kind of measurement marked."""
    best: set[tuple[int, int]] = set()
    for column in range(len(table.columns)):
        contests: dict[str, list[tuple[float, int]]] = {}
        for place, row in enumerate(table.rows):
            cell = row.cells[column]
            if cell is not None and (contest := contest_of(cell)):
                contests.setdefault(contest, []).append((round(cell.value, 2), place))
        metrics = {place.metric for place in table.columns[column].places}
        if metrics & NEITHER_IS_BETTER:
            continue
        choose = min if metrics & LOWER_IS_BETTER else max
        for entries in contests.values():
            top = choose(value for value, _ in entries)
            if len(entries) > 1:
                best |= {(place, column) for value, place in entries if value == top}
    rows = [
        replace(
            row,
            cells=tuple(
                replace(cell, best=True) if cell is not None and (place, column) in best else cell
                for column, cell in enumerate(row.cells)
            ),
        )
        for place, row in enumerate(table.rows)
    ]
    return replace(table, rows=tuple(rows))


def contest_of(cell: Cell) -> str | None:
    """What a number ranks with, by name; None for one that ranks with nothing."""
    if isinstance(cell.origin, Result):
        return alike(cell.origin)
    if not cell.origin.zero_shot:
        return None
    return "judge of the paper" if cell.origin.metric == "touchstone_score" else PUBLISHED

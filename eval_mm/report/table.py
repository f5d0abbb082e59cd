"""What `run` and `score` print: a line a result, with the published figure of its split."""

from collections.abc import Sequence

from eval_mm.console import align, printable, seen_length
from eval_mm.report.cells import error_of
from eval_mm.report.notes import marks, shots_of
from eval_mm.report.published import REFERENCE_MODEL, reference_figures
from eval_mm.schema import Metric, Result
from eval_mm.tasks import all_tasks
from eval_mm.variant import base_of

HEADER = (
    "model",
    "task",
    "metric",
    "value",
    "± stderr",
    "n",
    "unparsed",
    "errors",
    "seconds",
    REFERENCE_MODEL,
    "note",
)
LEFT = {"run", "model", "task", "metric", "note"}
OPTIONAL = {"unparsed", "errors", "seconds", REFERENCE_MODEL, "note"}
"""Columns that may go where they tell nothing and there is no room."""


def results_table(
    results: Sequence[Result],
    seconds: Sequence[float | None],
    runs: Sequence[str] | None = None,
    width: int | None = None,
) -> str:
    """One line per result: headline metric, error bar, counts, and the published figure of the split.

    Metrics made on request follow on lines of their own. `runs` names the folder of each result where results
    of several stand in one table. What is wider than `width` goes without the columns that tell nothing, and
    if need be with its notes below.
    """
    rows: list[tuple[str, ...]] = [HEADER]
    folders = [""]
    for place, (result, time) in enumerate(zip(results, seconds, strict=True)):
        whole = [name for name in result.metrics if "/" not in name]
        rows.append(_row(result, whole[0] if whole else None, time))
        rows += [("", "", name, *_cells(result.metrics[name]), *[""] * 6) for name in whole[1:]]
        folders += [runs[place] if runs else ""] + [""] * (len(rows) - len(folders) - 1)
    folders[0] = "run"
    lines = [(folder, *row) for folder, row in zip(folders, rows, strict=True)]
    columns = [column for column in lines[0] if runs is not None or column != "run"]
    text = _text(lines, columns)
    if width is None or _width(text) <= width:
        return text
    columns = [column for column in columns if column not in OPTIONAL or _tells(lines, column)]
    text = _text(lines, columns)
    if _width(text) <= width:
        return text
    notes = [f"{' '.join(row[:3]).strip()}: {row[-1]}" for row in lines[1:] if row[-1]]
    return "\n".join([_text(lines, columns[:-1]), *map(printable, notes)])


def breakdown_table(results: Sequence[Result]) -> str:
    """The parts of every metric that has some: one line per task and part."""
    rows = [("task", "part", "value", "± stderr")]
    for result in results:
        for name, metric in result.metrics.items():
            if "/" in name:
                rows.append((result.task, name, *_cells(metric)))
    return align(rows, {0, 1}) if len(rows) > 1 else "no breakdowns"


def _text(rows: Sequence[Sequence[str]], columns: Sequence[str]) -> str:
    places = [rows[0].index(column) for column in columns]
    left = {place for place, column in enumerate(columns) if column in LEFT}
    return align([[row[place] for place in places] for row in rows], left)


def _tells(rows: Sequence[Sequence[str]], column: str) -> bool:
    """Whether a column has anything but nothing and 0."""
    place = rows[0].index(column)
    return any(row[place] not in ("", "0") for row in rows[1:])


def _width(text: str) -> int:
    return max(map(seen_length, text.splitlines()))


def _row(result: Result, name: str | None, time: float | None) -> tuple[str, ...]:
    published = reference_figures().get((result.task, name or "")) if _asked_as_published(result) else None
    return (
        result.model,
        result.task,
        name or (all_tasks()[result.task].unscored if result.task in all_tasks() else "-"),
        *_cells(result.metrics.get(name or "")),
        f"{result.num_samples:,}",
        f"{result.num_unparsed:,}",
        f"{result.num_errors:,}",
        "" if time is None else f"{time:.1f}",
        "" if published is None else f"{published:.2f}",
        _note(result),
    )


def _asked_as_published(result: Result) -> bool:
    """Whether prompt, limits and scorer may be the published ones; of answers made elsewhere they may."""
    asked = result.prompt_protocol
    ways = {asked, result.score_protocol}
    return not shots_of(result) and "instruct" not in ways and base_of(asked) == asked


def _cells(metric: Metric | None) -> tuple[str, str]:
    """Value and standard error; an interval where the error is 0."""
    if metric is None:
        return "-", ""
    error = error_of(metric)
    return f"{metric.value:.2f}", error.stderr or error.interval


def _note(result: Result) -> str:
    """What keeps a number just made from standing beside a published one; `unparsed` has its column."""
    return ", ".join(mark.text for mark in marks(result) if mark.kind not in ("unread", "version"))

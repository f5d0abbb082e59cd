"""Results and published figures -> tables, the same for every format: cells, marks, and which are the best.

No result is left out: what no table of eval_mm/report/boards.py shows stands in a table of its own. A run
under another scorer is a row of its own.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from eval_mm.console import printable
from eval_mm.report.boards import BOARDS, Board, Column, Place
from eval_mm.report.cells import Cell, Row, Table, number
from eval_mm.report.footnotes import with_notes
from eval_mm.report.notes import Mark, judge_of, marks
from eval_mm.report.published import Figure, figures
from eval_mm.report.ranking import alike, ranked
from eval_mm.report.runs import Run
from eval_mm.schema import Result
from eval_mm.tasks import all_tasks

RUNS = "runs"
"""The group of the rows that are ours."""

TOLD_BY_COLUMN = {"sub-task"}
"""Notes of published figures that the heading of the column says already."""


HASHES = 8
"""Characters of a hash that are shown."""

MOST_COLUMNS = 11
"""More columns than that are lines."""

MOST_NAMES = 5
"""Runs named in a line about several."""


class Entrant(NamedTuple):
    """What has a row: a run under its own scorers, or its answers under another."""

    name: str
    run: str
    results: Mapping[str, Result]


def leaderboards(runs: Sequence[Run], *, published: bool = False, breakdowns: bool = False) -> list[Table]:
    """The tables of a report, without columns and tables that would be empty.

    Args:
        runs: the runs, a row each, and one more for each other scorer or judge of their answers.
        published: the papers' figures too.
        breakdowns: tables of the parts of numbers that no table of the report shows.
    """
    entrants = entrants_of(runs)
    known = figures() if published else ()
    boards = [*BOARDS, *_further(entrants, known, breakdowns)]
    taken: set[Place] = set()
    tables = []
    for board in boards:
        tables.append(_table(board, entrants, [one for one in known if Place(*one.place) not in taken]))
        taken |= {place for column in board.columns for place in column.places}
    return [table for table in tables if table.rows]


def entrants_of(runs: Sequence[Run]) -> list[Entrant]:
    """The rows that runs have in tables: each under its own scorers, then under each other one."""
    found = []
    for run in runs:
        found.append(Entrant(run.name, run.name, run.results))
        judges = Counter(_judge(results) for results in run.rescored.values())
        for scorer, results in run.rescored.items():
            judge = _judge(results)
            told = f"judge {judge}" if judge and judges[judge] == 1 else f"scorer {scorer}"
            found.append(Entrant(f"{run.name} [{printable(told)}]", run.name, results))
    return found


def by_scorer(runs: Sequence[Run]) -> list[Run]:
    """The runs, then every other scorer's results of them, each as a run called as its row in tables."""
    others = [
        replace(run, name=entrant.name, results=dict(entrant.results))
        for run in runs
        for entrant in entrants_of([run])
        if entrant.name != run.name
    ]
    return [*runs, *others]


def remarks(runs: Sequence[Run]) -> list[str]:
    """What a reader must know besides the tables, a line each: what is broken, and what has no number."""
    said = [f"{run.name}: {problem}" for run in runs for problem in run.problems]
    without: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for run in runs:
        whys: dict[str, list[str]] = {}
        for task, result in run.results.items():
            if not result.metrics and not any(found[task].metrics for found in _scored(run, task)):
                known = all_tasks().get(task)
                why = f"the answers are {known.unscored}" if known else "no answers to compare with"
                whys.setdefault(why, []).append(task)
        for why, tasks in whys.items():
            without.setdefault((why, tuple(sorted(tasks))), []).append(run.name)
    for (why, missing), names in without.items():
        more = f" and {len(names) - MOST_NAMES:,} more" if len(names) > MOST_NAMES else ""
        said.append(f"{', '.join(names[:MOST_NAMES])}{more}: no number for {', '.join(missing)}: {why}")
    return said


def _scored(run: Run, task: str) -> list[Mapping[str, Result]]:
    return [results for results in run.rescored.values() if task in results]


def _judge(results: Mapping[str, Result]) -> str | None:
    return next((judge for result in results.values() if (judge := judge_of(result))), None)


def _further(entrants: Sequence[Entrant], known: Sequence[Figure], breakdowns: bool) -> list[Board]:
    """A table a task for the numbers that no other table shows; one a metric for its parts."""
    shown = {place for board in BOARDS for column in board.columns for place in column.places}
    found = [
        Place(task, name)
        for entrant in entrants
        for task, result in entrant.results.items()
        for name in result.metrics
    ]
    found += [Place(*figure.place) for figure in known]
    wholes: dict[str, list[Column]] = {}
    parts: dict[str, list[Column]] = {}
    for place in dict.fromkeys(found):
        if place not in shown:
            whole, _, part = place.metric.partition("/")
            title = f"{place.task}: parts of {whole}" if part else _title(place.task, shown)
            (parts if part else wholes).setdefault(title, []).append(Column("", part or whole, (place,)))
    boards = [Board(title, tuple(columns)) for title, columns in wholes.items()]
    if breakdowns:
        boards += [Board(title, tuple(columns), parts=True) for title, columns in parts.items()]
    return boards


def _title(task: str, shown: Iterable[Place]) -> str:
    has_headline = any(place.task == task for place in shown)
    return f"{task}: further metrics" if has_headline else f"Other: {task}"


def _table(board: Board, entrants: Sequence[Entrant], known: Sequence[Figure]) -> Table:
    rows = [
        Row(
            entrant.name,
            RUNS,
            tuple(_own_cell(column, entrant) for column in board.columns),
            run=entrant.run,
        )
        for entrant in entrants
    ]
    rows = _with_files([row for row in rows if any(row.cells)]) + _published_rows(board, known)
    kept = [place for place in range(len(board.columns)) if any(row.cells[place] for row in rows)]
    rows = [replace(row, cells=tuple(row.cells[place] for place in kept)) for row in rows]
    columns = tuple(board.columns[place] for place in kept)
    origins = [cell.origin for row in rows for cell in row.cells if cell is not None]
    sources = Counter(origin.source for origin in origins if isinstance(origin, Figure))
    turned = len(rows) < len(columns) and (board.parts or len(columns) > MOST_COLUMNS)
    by_number = tuple(name for name, _ in sources.most_common())
    return with_notes(ranked(Table(board.title, columns, tuple(rows), sources=by_number, turned=turned)))


def _own_cell(column: Column, entrant: Entrant) -> Cell | None:
    for place in column.places:
        result = entrant.results.get(place.task)
        metric = result.metrics.get(place.metric) if result else None
        if result is not None and metric is not None:
            return Cell(metric.value, number(metric.value), result, metric, marks(result))
    return None


def _with_files(rows: Sequence[Row]) -> list[Row]:
    """The rows, whole results of one column marked where they are of different files of the task's rows."""
    if not rows:
        return []
    columns = []
    for column in zip(*(row.cells for row in rows), strict=True):
        files = [_file(cell) for cell in column]
        differ = len({file for file in files if file is not None}) > 1
        columns.append(
            [
                replace(cell, marks=(*cell.marks, Mark("data", f"of the file of rows {file[:HASHES]}")))
                if differ and cell is not None and file is not None
                else cell
                for cell, file in zip(column, files, strict=True)
            ]
        )
    return [replace(row, cells=cells) for row, cells in zip(rows, zip(*columns, strict=True), strict=True)]


def _file(cell: Cell | None) -> str | None:
    """The hash of the file that a whole result is of; None for what ranks with nothing."""
    if cell is None or not isinstance(cell.origin, Result) or alike(cell.origin) is None:
        return None
    return str(cell.origin.config.get("data_sha256"))


def _published_rows(board: Board, known: Sequence[Figure]) -> list[Row]:
    """The rows of the figures that belong to the columns: a row a model and group, groups together."""
    places = {place: index for index, column in enumerate(board.columns) for place in column.places}
    rows: dict[tuple[str, str], list[Cell | None]] = {}
    for figure in known:
        if (index := places.get(Place(*figure.place))) is not None:
            empty: list[Cell | None] = [None] * len(board.columns)
            cells = rows.setdefault((figure.shown_group, figure.model), empty)
            said = figure.note if figure.note not in TOLD_BY_COLUMN else ""
            noted = (Mark("published", said),) if said else ()
            assert cells[index] is None, f"two figures in one cell: {figure}"
            cells[index] = Cell(float(figure.score), figure.score, figure, marks=noted)
    groups = list(dict.fromkeys(group for group, _ in rows))
    return [
        Row(model, group, tuple(cells))
        for wanted in groups
        for (group, model), cells in rows.items()
        if group == wanted
    ]

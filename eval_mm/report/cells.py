"""What a table is made of, whatever the format: cells with their origin, rows, groups of rows."""

from dataclasses import dataclass
from typing import NamedTuple

from eval_mm.report.boards import Column
from eval_mm.report.notes import Mark
from eval_mm.report.published import Figure
from eval_mm.schema import Metric, Result


def number(value: float) -> str:
    """A number on its published scale, with two decimals as the papers print them."""
    return f"{value:.2f}" if abs(value) < 1e9 else f"{value:.6g}"


class Error(NamedTuple):
    """What stands beside a number as text: its standard error, or its interval; both empty for none."""

    stderr: str = ""
    interval: str = ""


def error_of(metric: Metric | None) -> Error:
    """The standard error; the interval where all pictures are alike, of which an error of 0 says too much."""
    if metric is None or metric.stderr is None:
        return Error()
    stderr, zero = number(metric.stderr), number(0.0)
    low, high = map(number, metric.ci95 or (0.0, 0.0))
    return Error(interval=f"[{low}, {high}]") if stderr == zero and low != high else Error(stderr)


@dataclass(frozen=True, slots=True)
class Cell:
    """One number with where it comes from. `footnotes` count from 1 in the notes of the table."""

    value: float
    text: str
    origin: Result | Figure
    metric: Metric | None = None
    marks: tuple[Mark, ...] = ()
    footnotes: tuple[int, ...] = ()
    best: bool = False

    @property
    def error(self) -> Error:
        """What stands beside the number."""
        return error_of(self.metric)


@dataclass(frozen=True, slots=True)
class Row:
    """One entrant or published model; None in `cells` where it has no number.

    `note` holds for all of them; `run` is the name of the run whose answers these are.
    """

    name: str
    group: str
    cells: tuple[Cell | None, ...]
    note: str = ""
    run: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """One leaderboard; the rows of a group stand together.

    `sources` are those of its published figures. `turned` asks for a line a column where columns are lines.
    """

    title: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    footnotes: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    turned: bool = False

    @property
    def groups(self) -> dict[str, list[Row]]:
        """The rows by group, in order."""
        found: dict[str, list[Row]] = {}
        for row in self.rows:
            found.setdefault(row.group, []).append(row)
        return found

    @property
    def has_best(self) -> bool:
        """Whether anything could be compared."""
        return any(cell is not None and cell.best for row in self.rows for cell in row.cells)

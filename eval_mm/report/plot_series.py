"""What the charts share: who is drawn, in which colour, on which axis."""

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from eval_mm.console import printable
from eval_mm.report.boards import Column, Place
from eval_mm.report.cells import Cell, Row, Table
from eval_mm.report.leaderboards import RUNS
from eval_mm.report.published import REFERENCE_NAMES

COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9", "#F0E442", "#999999")
"""Those of Okabe and Ito (https://jfly.uni-koeln.de/color/), which colour-blind readers tell apart."""

MARKERS = ("o", "s", "^", "v", "P", "X", "*", "p")
HATCHES = ("", "//", "..", "\\\\", "xx", "--", "++", "oo")
"""They say again what colours say, for print without colour."""

MOST_SERIES = len(COLOURS)
LONGEST_LABEL = 48
REFERENCE = "Qwen-VL, published"

TOPS = {
    "cider": 150.0,
    "mme_perception": 2000.0,
    "mme_cognition": 800.0,
    "touchstone_score": 1000.0,
}
"""The end of a metric's axis where it is not 100: the most one can get, of CIDEr what none has got."""

SUBTASK_TOP = 200.0
"""That of a sub-task of MME."""

SHORT = {"demo": "DEMO", "partial": "partial"}
LABELLED = ("demo", "partial", "shots", "version")
"""Marks that are said in a legend; how all was asked and judged is in the tables."""


class Series(NamedTuple):
    """What is drawn in one colour; `look` is the place of that colour, its marker and its hatch."""

    label: str
    cells: tuple[Cell | None, ...]
    look: int = 0


def is_reference(row: Row) -> bool:
    """Whether a row is the published one that the others are seen beside."""
    return row.group != RUNS and row.name in REFERENCE_NAMES


def looks_of(tables: Sequence[Table]) -> list[str]:
    """The names of what is drawn, each at the place of its look: the same in every chart of these tables.

    Empty where there are more than looks; then each chart counts its own.
    """
    rows = [row for table in tables for row in table.rows if row.group == RUNS]
    names = list(dict.fromkeys([*(row.run for row in rows), *(row.name for row in rows)]))
    return names if len(names) <= MOST_SERIES else []


def drawable(rows: Sequence[Row], remarks: list[str], looks: Sequence[str] = ()) -> list[Series]:
    """The runs among the rows, as many as a chart can tell apart; the others are told in `remarks`."""
    runs = [row for row in rows if row.group == RUNS]
    if len(runs) > MOST_SERIES:
        remarks.append(f"charts: of {len(runs):,} runs the first {MOST_SERIES} are drawn")
    return [
        Series(label_of(row), row.cells, looks.index(row.name) if looks else place)
        for place, row in enumerate(runs[:MOST_SERIES])
    ]


def label_of(row: Row, longest: int = LONGEST_LABEL) -> str:
    """The name of a run with what keeps it from being compared."""
    marks = [mark for cell in row.cells if cell is not None for mark in cell.marks if mark.kind in LABELLED]
    name = printable(row.name)
    name = name if len(name) <= longest else f"{name[: longest - 1]}…"
    told = dict.fromkeys(SHORT.get(mark.kind, mark.text) for mark in marks)
    return f"{name} ({', '.join(told)})" if told else name


def top_of(place: Place) -> float:
    """Where the axis of a metric ends."""
    name, _, part = place.metric.partition("/")
    if part and name.startswith("mme_"):
        return 100.0 if part.endswith(("/accuracy", "/accuracy+")) else SUBTASK_TOP
    return TOPS.get(name, 100.0)


def heading(column: Column) -> str:
    """What stands at the axis of a column."""
    return printable(f"{column.benchmark} {column.split}").strip()


def end_of(values: Iterable[float], usual: float) -> float:
    """Where an axis ends: at the usual place, or at the next round number where a value is above it."""
    most = max(values, default=0.0)
    if most <= usual:
        return usual
    step = 10.0 ** math.floor(math.log10(most))
    return step * math.ceil(most / step)

"""A table as bars with 95 % intervals, a panel for every scale; published figures are marks beside them."""

from collections.abc import Sequence
from typing import Any

from eval_mm.console import printable
from eval_mm.report.cells import Cell, Row, Table
from eval_mm.report.leaderboards import RUNS
from eval_mm.report.plot_series import (
    COLOURS,
    HATCHES,
    REFERENCE,
    Series,
    drawable,
    heading,
    is_reference,
    top_of,
)
from eval_mm.report.ranking import alike
from eval_mm.schema import Result

HEIGHT = 3.8
WIDEST = 13.0
"""Inches."""

LONGEST_LEVEL = 12
MOST_LEVEL = 4
"""Headings longer or more than this stand aslant."""

LONGEST_UNIT = 24
OTHERS = "other published figures"
LEAST_BAR = 0.005
"""Lower bars, as a part of the axis, are a thick line, so that their colour is seen."""

BARS_FROM, BARS_TO, PUBLISHED_AT = -0.42, 0.3, 0.4
"""Where a benchmark's bars stand beside its tick, and the published figures beside them."""


def bars(table: Table, remarks: list[str], looks: Sequence[str] = ()) -> Any:
    """The chart of a table; `looks` are those that its runs have in other charts too."""
    from matplotlib.figure import Figure

    runs = drawable(table.rows, remarks, looks)
    others = [row for row in table.rows if row.group != RUNS]
    panels: dict[float, list[int]] = {}
    for place, column in enumerate(table.columns):
        if any(run.cells[place] for run in runs) or not runs:
            panels.setdefault(top_of(column.places[0]), []).append(place)
    widths = [0.5 + len(places) for places in panels.values()]
    width = 0.8 * len(panels) + (0.45 + 0.2 * max(1, len(runs))) * sum(widths)
    figure = Figure(figsize=(min(WIDEST, max(4.0, width)), HEIGHT))
    figure.set_layout_engine("constrained")
    axes = figure.subplots(1, len(panels), width_ratios=widths, squeeze=False)[0]
    for axis, (top, places) in zip(axes, panels.items(), strict=True):
        _panel(axis, runs, others, places, top)
        columns = [table.columns[place] for place in places]
        labels = [heading(column) for column in columns]
        aslant = len(places) > MOST_LEVEL or max(map(len, labels)) > LONGEST_LEVEL
        middle = 0 if others or not runs else (BARS_FROM + BARS_TO) / 2
        turned = {"rotation": 40, "ha": "right", "rotation_mode": "anchor"} if aslant else {}
        axis.set_xticks([slot + middle for slot in range(len(places))], labels, **turned)
        unit = ", ".join(dict.fromkeys(column.metric for column in columns))
        axis.set_ylabel(unit if len(unit) <= LONGEST_UNIT else "score")
    figure.suptitle(printable(table.title), fontsize=10)
    found = {
        label: handle
        for axis in axes
        for handle, label in zip(*axis.get_legend_handles_labels(), strict=True)
    }
    order = sorted(found, key=[*(run.label for run in runs), REFERENCE, OTHERS].index)
    figure.legend(
        [found[label] for label in order],
        order,
        loc="outside lower center",
        ncols=2,
        frameon=False,
        fontsize=8,
    )
    return figure


def _panel(
    axis: Any, runs: Sequence[Series], others: Sequence[Row], places: Sequence[int], top: float
) -> None:
    width = (BARS_TO - BARS_FROM) / max(1, len(runs))
    values = [0.0]  # all that the axis must show, the ends of intervals too
    drawn: list[tuple[float, int, float]] = []
    for slot, place in enumerate(places):
        for number, run in enumerate(runs):
            if (cell := run.cells[place]) is not None:
                at = slot + BARS_FROM + width * (number + 0.5)
                _bar(axis, at, 0.92 * width, cell, run)
                interval = cell.metric.ci95 if cell.metric is not None else None
                values += [cell.value, *(interval or ())]
                drawn.append((at, run.look, cell.value))
        for row in others:
            if (cell := row.cells[place]) is not None:
                _published(
                    axis, slot + (PUBLISHED_AT if runs else 0), cell.value, reference=is_reference(row)
                )
                values.append(cell.value)
    end = max(top, *values)
    for at, look, value in drawn:
        if abs(value) < LEAST_BAR * end:
            ends = [at - 0.46 * width, at + 0.46 * width]
            axis.plot(ends, [0, 0], color=COLOURS[look], lw=3, solid_capstyle="butt", clip_on=False)
    axis.set_ylim(1.02 * min(values), 1.02 * end)
    axis.set_xlim(-0.6, len(places) - 0.4)
    axis.yaxis.grid(True, linewidth=0.4, alpha=0.5)
    axis.set_axisbelow(True)


def _bar(axis: Any, at: float, width: float, cell: Cell, run: Series) -> None:
    """A bar with its interval; pale with a dashed edge where the number may not be compared."""
    comparable = isinstance(cell.origin, Result) and alike(cell.origin) is not None
    axis.bar(
        at,
        cell.value,
        width,
        color=COLOURS[run.look],
        alpha=1.0 if comparable else 0.45,
        hatch=HATCHES[run.look],
        edgecolor="black",
        linestyle="-" if comparable else "--",
        linewidth=0.6,
        label=run.label,
    )
    if cell.metric is not None and cell.metric.ci95 is not None:
        low, high = cell.metric.ci95
        error = [[max(0.0, cell.value - low)], [max(0.0, high - cell.value)]]
        axis.errorbar(at, cell.value, error, color="black", capsize=2.5, linewidth=0.9)


def _published(axis: Any, at: float, value: float, reference: bool) -> None:
    if reference:
        axis.plot(at, value, "D", color="black", ms=4.5, label=REFERENCE, zorder=4)
    else:
        axis.plot(at, value, "_", color="#666666", ms=8, label=OTHERS, zorder=3)

"""Headline metrics of all benchmarks in one chart, each as the part of its axis that a run reaches."""

import math
from collections.abc import Sequence
from typing import Any

from eval_mm.report.boards import BOARDS, Column
from eval_mm.report.cells import Cell, Row, Table
from eval_mm.report.leaderboards import RUNS
from eval_mm.report.plot_series import (
    COLOURS,
    MARKERS,
    REFERENCE,
    Series,
    drawable,
    end_of,
    heading,
    is_reference,
    looks_of,
    top_of,
)

LEAST_AXES = 3
SIDE, SIDE_OF_AXIS = 4.5, 0.1
"""Inches, and those that every axis adds."""

LABELS_AT = 106
"""Percent of the radius."""

STEEP = 0.9
"""The cosine from which a label stands above or below its axis."""


def radar(tables: Sequence[Table], remarks: list[str]) -> Any:
    """The chart; None where there are too few benchmarks, which `remarks` then tell."""
    from matplotlib.figure import Figure

    columns, runs, reference = _spokes(tables, remarks)
    if len(columns) < LEAST_AXES:
        remarks.append(f"charts: no radar, it takes {LEAST_AXES} benchmarks or more")
        return None
    side = SIDE + SIDE_OF_AXIS * len(columns)
    figure = Figure(figsize=(side, side))
    axis: Any = figure.add_subplot(projection="polar")
    axis.set_theta_offset(math.pi / 2)
    axis.set_theta_direction(-1)
    angles = [2 * math.pi * number / len(columns) for number in range(len(columns))]
    everyone = [*runs, *([reference] if reference else [])]
    ends = [
        end_of((cell.value for one in everyone if (cell := one.cells[place])), top_of(column.places[0]))
        for place, column in enumerate(columns)
    ]
    closed = [*angles, angles[0]]
    for run in runs:
        heights = _heights(run, ends)
        look = {"color": COLOURS[run.look], "marker": MARKERS[run.look]}
        axis.plot(
            closed,
            [*heights, heights[0]],
            linewidth=1.6,
            ms=4.5,
            label=run.label,
            clip_on=False,
            zorder=3,
            **look,
        )
        if not any(map(math.isnan, heights)):
            axis.fill(angles, heights, color=COLOURS[run.look], alpha=0.08)
    if reference is not None:
        heights = _heights(reference, ends)
        look = {"color": "black", "linestyle": ":", "marker": "D"}
        axis.plot(
            closed,
            [*heights, heights[0]],
            linewidth=1.3,
            ms=3.5,
            label=REFERENCE,
            clip_on=False,
            zorder=3,
            **look,
        )
    axis.set_xticks(angles, [""] * len(columns))
    for angle, column, top in zip(angles, columns, ends, strict=True):
        end = f"\n(of {top:,.0f})" if top != 100 else ""
        sideways = round(math.sin(angle), 1)
        towards = "center" if sideways == 0 else "left" if sideways > 0 else "right"
        height = "bottom" if math.cos(angle) > STEEP else "top" if math.cos(angle) < -STEEP else "center"
        axis.text(angle, LABELS_AT, heading(column) + end, ha=towards, va=height, fontsize=8)
    axis.set_ylim(0, 100)
    axis.set_rlabel_position(math.degrees(math.pi / len(columns)))
    axis.set_yticks([20, 40, 60, 80], ["20 %", "40 %", "60 %", "80 %"], fontsize=7, color="#555555")
    axis.grid(linewidth=0.4)
    axis.legend(loc="upper center", bbox_to_anchor=(0.5, -0.12), ncols=2, frameon=False, fontsize=8)
    return figure


def _spokes(tables: Sequence[Table], remarks: list[str]) -> tuple[list[Column], list[Series], Series | None]:
    """The columns of headline metrics, the runs, and Qwen-VL as published where it is in the tables.

    A run is one line, whoever scored its answers.
    """
    known = {column for board in BOARDS for column in board.columns if "/" not in column.places[0].metric}
    cells: dict[str, dict[Column, Cell]] = {}
    published: dict[Column, Cell] = {}
    for table in tables:
        for row in table.rows:
            if row.group == RUNS:
                into = cells.setdefault(row.run, {})
            elif is_reference(row):
                into = published
            else:
                continue
            for column, cell in zip(table.columns, row.cells, strict=True):
                if cell is not None and column in known:
                    into.setdefault(
                        column, cell
                    )  # the run's own scorer comes first, what a judge adds after it
    found = {column: None for table in tables for column in table.columns}
    columns = [column for column in found if any(column in own for own in cells.values() or [published])]
    rows = [Row(name, RUNS, tuple(map(own.get, columns))) for name, own in cells.items()]
    reference = Series(REFERENCE, tuple(map(published.get, columns))) if published else None
    drawn = drawable([row for row in rows if any(row.cells)], remarks, looks_of(tables))
    return columns, drawn, reference


def _heights(series: Series, ends: Sequence[float]) -> list[float]:
    """Percent of every axis; NaN leaves a gap."""
    return [
        math.nan if cell is None else 100 * cell.value / end
        for cell, end in zip(series.cells, ends, strict=True)
    ]

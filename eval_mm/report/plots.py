"""Charts for papers as PNG and SVG: a radar over benchmarks, and bars with 95 % intervals for every table.

The same results give the same bytes with the same matplotlib: no date, no random ids.
"""

import io
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from eval_mm import extras
from eval_mm.files import write_all
from eval_mm.report.cells import Table
from eval_mm.report.leaderboards import RUNS
from eval_mm.report.plot_bars import bars
from eval_mm.report.plot_radar import radar
from eval_mm.report.plot_series import looks_of

FORMATS: dict[str, dict[str, Any]] = {"png": {"Software": None}, "svg": {"Date": None, "Creator": None}}
"""With what is not to be said of where and when a file was made."""

STYLE: Any = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9,
    "svg.hashsalt": "eval_mm",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "text.parse_math": False,
    "hatch.linewidth": 0.5,
}
"""`text.parse_math` off: a dollar sign in a model's name is a dollar sign."""

LONGEST_NAME = 100


class Drawn(NamedTuple):
    """The files that were written, and what could not be drawn, a line each."""

    files: tuple[Path, ...]
    remarks: tuple[str, ...]


def write_plots(tables: Sequence[Table], folder: Path) -> Drawn:
    """Writes the charts of the tables into a folder.

    Raises:
        UserError: matplotlib is not installed.
    """
    extras.require("plots", "--plots")
    import matplotlib

    contents: dict[Path, bytes] = {}
    remarks: list[str] = []
    with matplotlib.rc_context(STYLE), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for name, figure in _figures(tables, remarks):
            for kind, metadata in FORMATS.items():
                buffer = io.BytesIO()
                figure.savefig(buffer, format=kind, dpi=200, bbox_inches="tight", metadata=metadata)
                contents[folder / f"{name}.{kind}"] = buffer.getvalue()
    if any("Glyph" in str(warning.message) for warning in caught):
        remarks.append("charts: letters that the font DejaVu Sans does not have are drawn as boxes")
    write_all(contents)
    return Drawn(tuple(contents), tuple(dict.fromkeys(remarks)))


def _figures(tables: Sequence[Table], remarks: list[str]) -> Iterator[tuple[str, Any]]:
    """The charts by the names of their files, which no two share."""
    whole = radar(tables, remarks)
    if whole is not None:
        yield "radar", whole
    taken: set[str] = set()
    looks = looks_of(tables)
    with_runs = [table for table in tables if RUNS in table.groups]
    for table in with_runs or tables:
        name = "".join(char if char.isalnum() else "_" for char in f"bars_{table.title.lower()}")[
            :LONGEST_NAME
        ]
        while name in taken:
            name += "_"
        taken.add(name)
        yield name, bars(table, remarks, looks)

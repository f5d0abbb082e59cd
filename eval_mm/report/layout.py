"""A table as lines of boxes: what the terminal, Markdown and LaTeX write each in their own way.

Tables of parts with few rows (MME with its sub-tasks) are turned: their columns become lines.
"""

from typing import NamedTuple

from eval_mm.report.cells import Cell, Error, Table

NOTE = "note"


class Box(NamedTuple):
    """One field: a number with its error, or a text where there is none."""

    text: str = ""
    error: Error = Error()
    footnotes: tuple[int, ...] = ()
    best: bool = False


class Line(NamedTuple):
    """What stands on one line: its label, a box a column, and the note that follows them."""

    label: str
    boxes: tuple[Box, ...]
    note: str = ""


class Group(NamedTuple):
    """Lines that stand together, with their title, which may be empty."""

    title: str
    lines: tuple[Line, ...]


class Layout(NamedTuple):
    """A table to be written: the heading of a column is several texts, one above the other.

    `below` are lines under it; in a table that is not turned the notes stand in its lines.
    """

    title: str
    heads: tuple[tuple[str, ...], ...]
    groups: tuple[Group, ...]
    has_notes: bool
    below: tuple[str, ...] = ()

    @property
    def head_lines(self) -> list[tuple[str, ...]]:
        """The headings line by line."""
        return list(zip(*self.heads, strict=True))


def layout(table: Table) -> Layout:
    """How a table is written."""
    metrics = {column.metric for column in table.columns}
    told = any(column.metric in (column.split, *table.title.split(" ")) for column in table.columns)
    title = table.title if told or len(metrics) > 1 else f"{table.title} ({', '.join(metrics)})"
    if table.turned:
        return _turned(table, title)
    heads = [(column.benchmark, column.split, column.metric) for column in table.columns]
    used = [line for line in range(2) if any(head[line] for head in heads)]
    used += [2] if len(metrics) > 1 and not told else []
    groups = [
        Group(
            name if len(table.groups) > 1 else "",
            tuple(Line(row.name, tuple(map(_box, row.cells)), row.note) for row in rows),
        )
        for name, rows in table.groups.items()
    ]
    return Layout(
        title,
        tuple(tuple(head[line] for line in used) for head in heads),
        tuple(groups),
        has_notes=any(row.note for row in table.rows),
    )


def _turned(table: Table, title: str) -> Layout:
    """The table with a line for each column; what is noted of its rows stands below."""
    lines: dict[str, list[Line]] = {}
    for place, column in enumerate(table.columns):
        boxes = tuple(_box(row.cells[place]) for row in table.rows)
        label = column.split or column.metric
        lines.setdefault(column.benchmark, []).append(Line(label, boxes))
    groups = [Group(name if len(lines) > 1 else "", tuple(found)) for name, found in lines.items()]
    below = tuple(f"{row.name}: {row.note}" for row in table.rows if row.note)
    several = len(table.groups) > 1
    heads = tuple((row.group, row.name) if several else (row.name,) for row in table.rows)
    return Layout(title, heads, tuple(groups), False, below)


def _box(cell: Cell | None) -> Box:
    return Box() if cell is None else Box(cell.text, cell.error, cell.footnotes, cell.best)

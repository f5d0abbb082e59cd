"""What is said of numbers in a table: of a whole row in its note, of some of its cells below the table."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from eval_mm.report.cells import Cell, Table
from eval_mm.report.notes import Mark
from eval_mm.report.published import Figure

LONGEST_NOTE = 20
"""Longer notes of published figures stand below the table."""

SPANNED = {"partial": "partial", "unread": "unparsed"}
"""What is said of a row once, from the least to the greatest part, instead of a footnote a number."""


@dataclass(slots=True)
class _Footnotes:
    """Texts that are said once below a table, by their number."""

    texts: list[str] = field(default_factory=list)

    def of(self, text: str) -> int:
        if text not in self.texts:
            self.texts.append(text)
        return self.texts.index(text) + 1


def with_notes(table: Table) -> Table:
    """What holds for a whole row as its note, what holds for some of its cells as footnotes of the table."""
    footnotes = _Footnotes()
    rows = []
    for row in table.rows:
        spans = _spans([cell for cell in row.cells if cell is not None])
        shown = [cell and replace(cell, marks=_spanned(cell, spans)) for cell in row.cells]
        note = _row_note([cell for cell in shown if cell is not None], table.sources)
        cells = tuple(
            cell
            and replace(
                cell,
                footnotes=tuple(footnotes.of(mark.text) for mark in cell.marks if mark.kind not in note),
            )
            for cell in shown
        )
        rows.append(replace(row, cells=cells, note=", ".join(note.values())))
    return replace(table, rows=tuple(rows), footnotes=tuple(footnotes.texts))


def _spans(cells: Sequence[Cell]) -> dict[str, str]:
    """What is said by kind where the cells of a row tell of different parts of their rows."""
    found: dict[str, dict[str, float]] = {}
    for cell in cells:
        for mark in cell.marks:
            if mark.percent is not None:
                found.setdefault(mark.kind, {})[mark.text] = mark.percent
    spans = {}
    for kind, parts in found.items():
        if len(parts) > 1:
            ends = dict.fromkeys([_percent(min(parts.values())), _percent(max(parts.values()))])
            spans[kind] = f"{SPANNED[kind]}: {' to '.join(ends)} % of the rows"
    return spans


def _percent(value: float) -> str:
    return f"{value:.2g}" if value < 10 else f"{value:.0f}"


def _spanned(cell: Cell, spans: dict[str, str]) -> tuple[Mark, ...]:
    """The marks of a cell, those of which the row has a span replaced by it."""
    return tuple(
        mark if mark.percent is None or mark.kind not in spans else mark._replace(text=spans[mark.kind])
        for mark in cell.marks
    )


def _row_note(cells: Sequence[Cell], sources: Sequence[str]) -> dict[str, str]:
    """What is said of a row as a whole, by kind of mark."""
    note: dict[str, str] = {}
    by_kind: dict[str, list[Mark]] = {}
    for cell in cells:
        for mark in cell.marks:
            by_kind.setdefault(mark.kind, []).append(mark)
    for kind, found in by_kind.items():
        text = found[0].text
        short = kind != "published" or len(text) <= LONGEST_NOTE
        if len(found) == len(cells) and len({mark.text for mark in found}) == 1 and short:
            note[kind] = text
    origins = {cell.origin.source for cell in cells if isinstance(cell.origin, Figure)}
    if others := sorted(origins - set(sources[:1])):
        note["source"] = "; ".join(others)
    return note

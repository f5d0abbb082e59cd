"""What is said of numbers in a table: of a whole row in its note, of some of its cells below the table."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from eval_mm.report.cells import Cell, Table
from eval_mm.report.notes import Mark
from eval_mm.report.published import Figure
from eval_mm.schema import Result

LONGEST_NOTE = 20
"""Longer notes of published figures stand below the table."""


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
        cells = [cell for cell in row.cells if cell is not None]
        note = _row_note(cells, table.sources)
        cells_noted = tuple(
            cell
            and replace(
                cell,
                footnotes=tuple(footnotes.of(mark.text) for mark in cell.marks if mark.kind not in note),
            )
            for cell in row.cells
        )
        rows.append(replace(row, cells=cells_noted, note=", ".join(text for text in note.values() if text)))
    return replace(table, rows=tuple(rows), footnotes=tuple(footnotes.texts))


def _row_note(cells: Sequence[Cell], sources: Sequence[str]) -> dict[str, str]:
    """What is said of a row as a whole, by kind of mark."""
    note: dict[str, str] = {}
    by_kind: dict[str, list[Mark]] = {}
    for cell in cells:
        for mark in cell.marks:
            by_kind.setdefault(mark.kind, []).append(mark)
    for kind, found in by_kind.items():
        texts = {mark.text for mark in found}
        if len(found) < len(cells) or (kind == "published" and max(map(len, texts)) > LONGEST_NOTE):
            continue
        if len(texts) == 1:
            note[kind] = found[0].text
        elif kind == "partial" and (span := _span(cells)):
            note[kind] = span
    origins = {cell.origin.source for cell in cells if isinstance(cell.origin, Figure)}
    if others := sorted(origins - set(sources[:1])):
        note["source"] = "; ".join(others)
    return note


def _span(cells: Sequence[Cell]) -> str:
    """The least and the largest part of the splits that was asked; empty where some size is unknown."""
    parts = [
        100 * cell.origin.num_samples / cell.origin.num_published
        for cell in cells
        if isinstance(cell.origin, Result) and cell.origin.num_published
    ]
    return f"partial: {min(parts):.2g} to {max(parts):.2g} % of the rows" if len(parts) == len(cells) else ""

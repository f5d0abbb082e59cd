"""Tables for the terminal: aligned columns, `*` at the best, footnotes below."""

from collections.abc import Sequence

from eval_mm.console import align, printable
from eval_mm.report.cells import Table
from eval_mm.report.layout import NOTE, Box, layout
from eval_mm.report.ranking import BEST

BEST_SIGN = "*"


def render(tables: Sequence[Table], remarks: Sequence[str]) -> str:
    """The report as text."""
    parts = [_table(table) for table in tables]
    parts += [f"{BEST_SIGN} {BEST}"] if any(table.has_best for table in tables) else []
    parts += ["\n".join(printable(line) for line in remarks)] if remarks else []
    return "\n\n".join(parts)


def _table(table: Table) -> str:
    shape = layout(table)
    noted = shape.has_notes
    rows = [["", *line, *([""] if noted else [])] for line in shape.head_lines]
    if noted:
        rows[-1][-1] = NOTE
    num_heads = len(rows)
    lines = [line for group in shape.groups for line in group.lines]
    columns = [_aligned([line.boxes[place] for line in lines]) for place in range(len(shape.heads))]
    texts = iter(zip(*columns, strict=True))
    for group in shape.groups:
        if group.title:
            rows.append([f"[{group.title}]", *[""] * (len(rows[0]) - 1)])
        rows += [[line.label, *next(texts), *([line.note] if noted else [])] for line in group.lines]
    left = {0, len(rows[0]) - 1} if noted else {0}
    below = [*map(printable, shape.below)]
    below += [f"[{number}] {printable(text)}" for number, text in enumerate(table.footnotes, 1)]
    below += [f"published: {printable(', '.join(table.sources))}"] if table.sources else []
    return "\n".join([printable(shape.title), "", align(rows, left, num_heads), *below])


def _aligned(boxes: Sequence[Box]) -> list[str]:
    """The fields of a column, so that value stands below value and error below error."""
    values = [f"{box.text}{BEST_SIGN if box.best else ''}" for box in boxes]
    signed = any(box.best for box in boxes)
    signs = [" " if signed and box.text and not box.best else "" for box in boxes]
    errors = [f" ±{box.stderr}" if box.stderr else "" for box in boxes]
    notes = ["".join(f"[{number}]" for number in box.footnotes) for box in boxes]
    for_errors, for_notes = max(map(len, errors)), max(map(len, notes))
    return [
        f"{value}{sign}{error:<{for_errors}}{note:<{for_notes}}"
        for value, sign, error, note in zip(values, signs, errors, notes, strict=True)
    ]

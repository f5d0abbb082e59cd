"""Tables for the terminal: aligned columns, `*` at the best, footnotes below."""

from collections.abc import Sequence, Set

from eval_mm.console import align, printable, seen_length
from eval_mm.report.cells import Table
from eval_mm.report.layout import NOTE, Box, Group, Layout, layout
from eval_mm.report.ranking import BEST

BEST_SIGN = "*"


def render(tables: Sequence[Table], remarks: Sequence[str], width: int | None = None) -> str:
    """The report as text; tables wider than `width` in parts, one below the other."""
    parts = [_table(table, width) for table in tables]
    parts += [f"{BEST_SIGN} {BEST}"] if any(table.has_best for table in tables) else []
    parts += ["\n".join(printable(line) for line in remarks)] if remarks else []
    return "\n\n".join(parts)


def fitted(rows: Sequence[Sequence[str]], left: Set[int], width: int | None, labels: int = 1) -> str:
    """Rows below a heading, aligned; wider than `width` in parts, with the first `labels` columns in each."""
    text = align(rows, left)
    if width is None or max(map(seen_length, text.splitlines())) <= width:
        return text
    widths = [max(map(seen_length, column)) for column in zip(*rows, strict=True)]
    first = list(range(labels))
    grids = []
    for part in _split(widths[labels:], width - sum(widths[:labels]) - 2 * (labels - 1)):
        places = [*first, *(labels + place for place in part)]
        kept = {turn for turn, place in enumerate(places) if place in left}
        grids.append(align([[row[place] for place in places] for row in rows], kept))
    return "\n\n".join(grids)


def _table(table: Table, width: int | None) -> str:
    shape = layout(table)
    lines = [line for group in shape.groups for line in group.lines]
    columns = [_aligned([line.boxes[place] for line in lines]) for place in range(len(shape.heads))]
    grids = [_grid(shape, columns, range(len(columns)), noted=shape.has_notes)]
    below = list(shape.below)
    if width is not None and max(map(seen_length, grids[0].splitlines())) > width:
        grids = [_grid(shape, columns, part, noted=False) for part in _parts(shape, columns, width)]
        below += [f"{line.label}: {line.note}" for line in lines if line.note]
    below += [f"[{number}] {text}" for number, text in enumerate(table.footnotes, 1)]
    below += [f"published: {', '.join(table.sources)}"] if table.sources else []
    grid = "\n\n".join(grids)
    return "\n".join([printable(shape.title), "", grid, *map(printable, below)])


def _grid(shape: Layout, columns: Sequence[Sequence[str]], places: Sequence[int], noted: bool) -> str:
    """The lines of some columns, with their headings."""
    rows = [["", *(line[place] for place in places), *([""] if noted else [])] for line in shape.head_lines]
    if noted:
        rows[-1][-1] = NOTE
    num_heads = len(rows)
    texts = iter(zip(*(columns[place] for place in places), strict=True))
    for group in shape.groups:
        if group.title:
            rows.append([_title(group), *[""] * (len(rows[0]) - 1)])
        rows += [[line.label, *next(texts), *([line.note] if noted else [])] for line in group.lines]
    return align(rows, {0, len(rows[0]) - 1} if noted else {0}, num_heads)


def _title(group: Group) -> str:
    return f"[{group.title}]"


def _parts(shape: Layout, columns: Sequence[Sequence[str]], width: int) -> list[list[int]]:
    """The columns that stand together, as many as `width` takes beside the labels, and one at least."""
    labels = [_title(group) for group in shape.groups if group.title]
    labels += [line.label for group in shape.groups for line in group.lines]
    needed = [
        max(map(seen_length, [*head, *texts])) for head, texts in zip(shape.heads, columns, strict=True)
    ]
    return _split(needed, width - max(map(seen_length, labels)))


def _split(widths: Sequence[int], room: int) -> list[list[int]]:
    """The places of columns of these widths, in parts that take no more than `room`, or are one column."""
    parts: list[list[int]] = []
    left = 0
    for place, needed in enumerate(widths):
        if not parts or needed + 2 > left:
            parts.append([])
            left = room
        parts[-1].append(place)
        left -= needed + 2
    return parts


def _aligned(boxes: Sequence[Box]) -> list[str]:
    """The fields of a column, so that value stands below value and error below error."""
    values = [f"{box.text}{BEST_SIGN if box.best else ''}" for box in boxes]
    signed = any(box.best for box in boxes)
    signs = [" " if signed and box.text and not box.best else "" for box in boxes]
    errors = [
        f" ±{error.stderr}" if error.stderr else f" {error.interval}" if error.interval else ""
        for error in (box.error for box in boxes)
    ]
    notes = [
        " " + "".join(f"[{number}]" for number in box.footnotes) if box.footnotes else "" for box in boxes
    ]
    for_errors, for_notes = max(map(len, errors)), max(map(len, notes))
    return [
        f"{value}{sign}{error:<{for_errors}}{note:<{for_notes}}"
        for value, sign, error, note in zip(values, signs, errors, notes, strict=True)
    ]

"""Tables in GitHub's Markdown: the best in bold, footnotes below; texts of models and files stay texts."""

import re
from collections.abc import Sequence

from eval_mm.console import printable
from eval_mm.report.cells import Table
from eval_mm.report.layout import NOTE, Box, Layout, layout
from eval_mm.report.ranking import BEST

MEANT = re.compile(r"[\\`*\[\]|~#$]|(?<![0-9A-Za-z])_|_(?![0-9A-Za-z])|^[-+]|(?<=^\d)[.)]")
ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


def render(tables: Sequence[Table], remarks: Sequence[str]) -> str:
    """The report as Markdown."""
    parts = [_table(table) for table in tables]
    parts += [f"Bold: {escape(BEST)}."] if any(table.has_best for table in tables) else []
    parts += ["\n".join(f"- {escape(line)}" for line in remarks)] if remarks else []
    return "\n\n".join(parts)


def escape(text: str) -> str:
    """The text as one line in which nothing is Markdown or HTML."""
    return MEANT.sub(r"\\\g<0>", printable(text).strip()).translate(ENTITIES)


def _table(table: Table) -> str:
    shape = layout(table)
    heads = [" ".join(filter(None, head)) for head in shape.heads]
    rows = [["", *map(escape, heads), *([NOTE] if shape.has_notes else [])]]
    rows.append([":---", *["---:"] * len(heads), *([":---"] if shape.has_notes else [])])
    for group in shape.groups:
        if group.title:
            rows.append([f"*{escape(group.title)}*", *[""] * (len(rows[0]) - 1)])
        for line in group.lines:
            note = [escape(line.note)] if shape.has_notes else []
            rows.append([escape(line.label), *map(_text, line.boxes), *note])
    text = "\n".join("| " + " | ".join(row) + " |" for row in rows)
    return "\n\n".join([f"### {escape(shape.title)}", text, *_below(table, shape)])


def _text(box: Box) -> str:
    text = f"**{box.text}**" if box.best else box.text
    stderr, interval = box.error
    error = f" ± {stderr}" if stderr else f" {escape(interval)}" if interval else ""
    notes = f"<sup>{' '.join(map(str, box.footnotes))}</sup>" if box.footnotes else ""
    return f"{text}{error}{notes}"


def _below(table: Table, shape: Layout) -> list[str]:
    lines = [*map(escape, shape.below)]
    lines += [f"<sup>{number}</sup> {escape(text)}" for number, text in enumerate(table.footnotes, 1)]
    if table.sources:
        lines.append(f"Published: {escape(', '.join(table.sources))}.")
    return ["  \n".join(lines)] if lines else []

"""Tables in LaTeX with booktabs: the best in bold, footnotes below; texts of models and files stay texts."""

from collections.abc import Sequence

from eval_mm.console import printable
from eval_mm.report.cells import Table
from eval_mm.report.layout import NOTE, Box, Layout, layout
from eval_mm.report.ranking import BEST

PREAMBLE = (
    "% needs \\usepackage{booktabs}; names in other scripts want XeLaTeX or LuaLaTeX and a font with them"
)

COMMANDS = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "_": r"\_",
    "%": r"\%",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"{\char34}",
    "±": r"$\pm$",
    "…": r"\ldots{}",
    "'": "{'}",
    "`": "{`}",
}

ESCAPES = str.maketrans(COMMANDS)


def render(tables: Sequence[Table], remarks: Sequence[str]) -> str:
    """The report as LaTeX tables, to be put into a document."""
    comments = "\n".join(f"% {printable(line)}" for line in remarks)
    return "\n\n".join([PREAMBLE, *map(_table, tables), *([comments] if comments else [])])


def escape(text: str) -> str:
    """The text as one line in which nothing is a command, an option of the line before, or a ligature."""
    plain = printable(text).translate(ESCAPES).replace("--", "-{}-").replace("--", "-{}-")
    return f"{{}}{plain}" if plain.startswith(("[", "*")) else plain


def _table(table: Table) -> str:
    shape = layout(table)
    noted = shape.has_notes
    width = 1 + len(shape.heads) + noted
    lines = [
        r"\begin{table}",
        r"\centering",
        r"\footnotesize",
        rf"\caption{{{escape(shape.title)}}}",
        rf"\begin{{tabular}}{{l{'r' * len(shape.heads)}{'l' * noted}}}",
        r"\toprule",
    ]
    for number, head in enumerate(shape.head_lines):
        last = number == len(shape.head_lines) - 1
        lines.append(_line(["", *map(escape, head), *([NOTE if last else ""] if noted else [])]))
    for group in shape.groups:
        lines.append(r"\midrule")
        if group.title:
            lines.append(rf"\multicolumn{{{width}}}{{l}}{{\textit{{{escape(group.title)}}}}} \\")
        for line in group.lines:
            note = [escape(line.note)] if noted else []
            lines.append(_line([escape(line.label), *map(_text, line.boxes), *note]))
    lines += [r"\bottomrule", r"\end{tabular}", *_below(table, shape), r"\end{table}"]
    return "\n".join(lines)


def _line(cells: Sequence[str]) -> str:
    return " & ".join(cells) + r" \\"


def _text(box: Box) -> str:
    text = rf"\textbf{{{escape(box.text)}}}" if box.best else escape(box.text)
    stderr, interval = box.error
    shown = rf"$\pm${escape(stderr)}" if stderr else escape(interval)
    error = rf" {{\scriptsize {shown}}}" if interval else rf" {{\scriptsize{shown}}}" if stderr else ""
    notes = rf"\textsuperscript{{{','.join(map(str, box.footnotes))}}}" if box.footnotes else ""
    return f"{text}{error}{notes}"


def _below(table: Table, shape: Layout) -> list[str]:
    lines = [f"{escape(line)}." for line in shape.below]
    lines += [
        rf"\textsuperscript{{{number}}} {escape(text)}." for number, text in enumerate(table.footnotes, 1)
    ]
    if table.sources:
        lines.append(f"Published: {escape(', '.join(table.sources))}.")
    if table.has_best:
        lines.append(f"Bold: {escape(BEST)}.")
    return (
        [r"\par\smallskip", r"\begin{minipage}{\linewidth}\scriptsize", *lines, r"\end{minipage}"]
        if lines
        else []
    )

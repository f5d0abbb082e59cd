"""`report`: runs beside the published figures, as tables, a page to look at every answer, and charts."""

import argparse
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from eval_mm.commands.arguments import filled, megabytes, positive
from eval_mm.console import Parser, seen_width
from eval_mm.errors import UserError

if TYPE_CHECKING:
    from eval_mm.report.cells import Table

PURPOSE = "show runs: tables, a page of every answer, charts"

EXAMPLES = """
examples:
  python -m eval_mm report results/runs/demo
  python -m eval_mm report results/runs/* --published
  python -m eval_mm report --published                                the papers' tables alone
  python -m eval_mm report results/runs/demo --format html            a page: leaderboard and every answer
  python -m eval_mm report results/runs/demo --published --format latex --out tables.tex
  python -m eval_mm report results/runs/demo --published --plots charts

The page is one file that opens without a network. It shows the pictures of at most --max-samples samples of
each task and run, failures first, and stays below --max-mb. On a terminal wide tables stand in parts.
"""

FORMATS = ("table", "md", "csv", "latex", "html")
PAGE = "report.html"
MB = 1_000_000


def add_options(parser: Parser) -> None:
    """The options of `report`."""
    add = parser.add_argument
    add("runs", nargs="*", metavar="RUN", help="run folders, or what `score --out` wrote")
    add("--published", action="store_true", help="the papers' figures too")
    add("--format", choices=FORMATS, default="table", help="table (default), md, csv, latex or html")
    add(
        "--out",
        type=filled,
        metavar="FILE",
        help=f"write it there (default: html to {PAGE} in the first run folder, others to the screen)",
    )
    add("--breakdowns", action="store_true", help="the parts of every number too")
    add(
        "--plots", type=filled, metavar="DIR", help="charts for papers, PNG and SVG (needs the extra 'plots')"
    )
    page = parser.add_argument_group("html")
    page.add_argument(
        "--data",
        type=filled,
        metavar="DIR",
        help="where the pictures are (default: the data root of each run)",
    )
    page.add_argument("--max-samples", type=positive, metavar="N", help="default 500")
    page.add_argument("--max-mb", type=megabytes, metavar="MB", help="megabytes of 10^6 bytes, default 25")


def command(arguments: argparse.Namespace) -> int:
    """Writes or prints the report, and the charts; returns the exit code."""
    from eval_mm.report.leaderboards import leaderboards, remarks
    from eval_mm.report.runs import load_those

    _check(arguments)
    runs, refused = load_those(arguments.runs)
    tables = leaderboards(runs, published=arguments.published, breakdowns=arguments.breakdowns)
    said = [*map(str, refused), *remarks(runs)]
    out = Path(arguments.out) if arguments.out else None
    if arguments.format == "html":
        from eval_mm.report.page.html import MAX_BYTES, MAX_SAMPLES, write_html

        page = out or runs[0].folder / PAGE
        write_html(
            runs,
            page,
            data=Path(arguments.data) if arguments.data else None,
            published=arguments.published,
            max_samples=arguments.max_samples or MAX_SAMPLES,
            max_bytes=round(arguments.max_mb * MB) if arguments.max_mb else MAX_BYTES,
        )
        print(f"report: {page}")
    else:
        if arguments.format == "csv":
            from eval_mm.report import long_form

            text = long_form.render(runs, published=arguments.published)
        else:
            text = _renderer(arguments.format, out)(tables, said)
        if out is None:
            print(text)
        else:
            from eval_mm.files import write_text

            write_text(out, f"{text}\n")
            print(f"report: {out}")
    if arguments.format in ("html", "csv") or out is not None:
        for line in said:
            print(f"note: {line}", file=sys.stderr)
    if arguments.plots:
        from eval_mm.report.plots import write_plots

        drawn = write_plots(tables, Path(arguments.plots))
        shown = sys.stderr if out is None and arguments.format != "html" else sys.stdout
        print(f"charts: {len(drawn.files)} files in {arguments.plots}", file=shown)
        for line in drawn.remarks:
            print(f"note: {line}", file=sys.stderr)
    return 0


def _renderer(name: str, out: Path | None) -> "Callable[[Sequence[Table], Sequence[str]], str]":
    from eval_mm.report import latex, markdown, plain

    if name == "md":
        return markdown.render
    if name == "latex":
        return latex.render
    return partial(plain.render, width=None if out is not None else seen_width())


def _check(arguments: argparse.Namespace) -> None:
    if not arguments.runs and not arguments.published:
        raise UserError("report takes run folders, such as results/runs/demo, or --published")
    if arguments.out and not (folder := Path(arguments.out).absolute().parent).is_dir():
        raise UserError(f"--out {arguments.out}: there is no folder {folder}; make it, or name another place")
    if arguments.plots:
        from eval_mm import extras

        plots = Path(arguments.plots).absolute()
        there = next(place for place in (plots, *plots.parents) if place.exists())
        if not there.is_dir():
            raise UserError(f"--plots {arguments.plots}: {there} is not a folder")
        extras.require("plots", "--plots")
    if arguments.format == "html":
        if not arguments.runs and not arguments.out:
            raise UserError("--format html without a run needs --out FILE")
        if arguments.breakdowns:
            raise UserError("--breakdowns is for the other formats; the page shows them in any case")
        return
    for_page = {
        "--data": arguments.data,
        "--max-samples": arguments.max_samples,
        "--max-mb": arguments.max_mb,
    }
    if given := [option for option, value in for_page.items() if value is not None]:
        raise UserError(f"{given[0]} is for --format html")

"""The options of the command line, verb by verb."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from data_scripts import help_texts
from eval_mm.console import Parser

ALL = "all"
DOWNLOADS = Path("downloads")
KEPT = "nothing was left half-written; the same command does the rest"
"""What is said when a command is interrupted."""


def build_parser(verb: str | None = None) -> Parser:
    """The parser of all verbs; with `verb`, one or "", only that one has its options.

    The others would have to import every benchmark, for the names and help pages that they offer.
    """
    parser = Parser(
        prog="python -m data_scripts",
        description="Fetches benchmarks, turns them into the rows that eval_mm reads, and checks them.",
        epilog=help_texts.EXAMPLES,
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar=" | ".join(VERBS))
    for name, one in VERBS.items():
        inner = verbs.add_parser(name, help=one.summary, description=one.description)
        if verb in (None, name):
            one.add_options(inner)
    return parser


def fetchable() -> list[str]:
    """Every benchmark, and what only the table of downloads has: pictures that several share."""
    from data_scripts import downloads
    from data_scripts.benchmarks import all_benchmarks

    return list(dict.fromkeys([*all_benchmarks(), *downloads.names()]))


def _add_list(parser: Parser) -> None:
    from data_scripts.benchmarks import all_benchmarks

    parser.add_argument("benchmark", nargs="?", choices=list(all_benchmarks()), metavar="BENCHMARK")
    parser.add_argument("--data", type=Path, default=Path("data"), metavar="DIR", help="data root (data)")
    parser.add_argument(
        "--out", type=Path, default=DOWNLOADS, metavar="DIR", help="folder that fetch fills (downloads)"
    )


def _add_fetch(parser: Parser) -> None:
    from data_scripts import downloads
    from data_scripts.benchmarks import all_benchmarks

    known = all_benchmarks()
    told = {
        name: known[name].summary if name in known else downloads.BESIDES.get(name, "its files only")
        for name in fetchable()
    }
    for name, one in _named(parser, told):
        one.epilog = _downloads_of(name)
        one.add_argument(
            "--out", type=Path, default=DOWNLOADS, metavar="DIR", help="folder to download to (downloads)"
        )
        one.add_argument("--only", choices=("annotations", "pictures"), help="only files of this kind (both)")
        one.add_argument(
            "--few-shot", action="store_true", help="also the training files that few-shot examples come from"
        )
        one.add_argument("--yes", action="store_true", help="do not ask before downloading")


def _add_prepare(parser: Parser) -> None:
    for name, one in _benchmarks(parser):
        where = "folder with a folder per benchmark (downloads)"
        one.add_argument(
            "--raw",
            type=Path,
            metavar="DIR",
            help=where if name == ALL else f"folder of the official files (downloads/{name})",
        )
        one.add_argument(
            "--out", type=Path, default=Path("data"), metavar="DIR", help="data root to write to (data)"
        )
        one.add_argument(
            "--images",
            action="append",
            default=[],
            metavar="DIR",
            help="folder of the pictures you have; a link to it is put where the rows expect them; "
            "FOLDER=DIR where rows name several folders (repeatable)",
        )
        one.add_argument(
            "--source",
            action="append",
            default=[],
            metavar="SPLIT=FILE",
            help="the file of a split, if it is not found by name; FILE,FILE for questions and annotations "
            "(repeatable)",
        )
        one.add_argument(
            "--allow-partial",
            action="store_true",
            help="prepare what is there, though splits are missing or counts are not the published ones",
        )


def _add_frames(parser: Parser) -> None:
    parser.add_argument("benchmark", choices=("seedbench",), metavar="seedbench")
    parser.add_argument(
        "--clips",
        type=Path,
        action="append",
        required=True,
        metavar="DIR",
        help="folder of the videos you have, in any layout (repeatable)",
    )
    parser.add_argument(
        "--data",
        type=Path,
        default=Path("data"),
        metavar="DIR",
        help="data root with the prepared rows; frames are written there (data)",
    )
    parser.add_argument(
        "--workers", type=int, default=os.cpu_count() or 1, metavar="W", help="processes (one per core)"
    )


def _add_check(parser: Parser) -> None:
    for _, one in _benchmarks(parser):
        one.add_argument(
            "--data", default="data", metavar="DIR", help="data root, or 'demo' for the bundled data (data)"
        )
        one.add_argument(
            "--allow-partial",
            action="store_true",
            help="missing splits and other counts than the published ones are not errors",
        )


def _add_demo(parser: Parser) -> None:
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="data root to write to")
    parser.add_argument(
        "--seed", type=int, default=0, help="0 to 999; the bundled data has 0, the default", metavar="S"
    )


def _add_demo_training(parser: Parser) -> None:
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to write to")
    parser.add_argument("--scenes", type=int, required=True, metavar="N", help="how many pictures")
    parser.add_argument(
        "--seed", type=int, default=0, metavar="S", help="another seed, other scenes; 0 or more (0)"
    )
    parser.add_argument(
        "--max-shapes", type=int, choices=(1, 2, 3), default=3, help="at most so many shapes in a scene (3)"
    )
    parser.add_argument(
        "--kinds",
        metavar="KINDS",
        help="only these kinds of questions, comma-separated (all but options,clip)",
    )
    parser.add_argument(
        "--shows",
        metavar="NAMES",
        help="what pictures show in turn: scene,card,chart,page,book,poster,diagram,clip (60 %% scenes)",
    )
    parser.add_argument(
        "--coarse",
        type=int,
        choices=(10, 50, 100),
        default=10,
        help="round coordinates to so many thousandths; for early lessons 50 or 100 (10)",
    )
    parser.add_argument(
        "--workers", type=int, default=os.cpu_count() or 1, metavar="W", help="processes (one per core)"
    )


def _benchmarks(verb: Parser) -> list[tuple[str, Parser]]:
    """A parser per benchmark below a verb, and one for all."""
    from data_scripts.benchmarks import all_benchmarks

    known = all_benchmarks()
    named = _named(verb, {name: one.summary for name, one in known.items()})
    for name, one in named:
        if name != ALL:
            one.description = known[name].about
    return named


def _named(verb: Parser, summaries: Mapping[str, str]) -> list[tuple[str, Parser]]:
    names = verb.add_subparsers(dest="benchmark", required=True, metavar="BENCHMARK")
    return [
        (name, names.add_parser(name, help=summary, description=summary))
        for name, summary in {**summaries, ALL: "every benchmark, one after the other"}.items()
    ]


def _downloads_of(name: str) -> str:
    """What `fetch` has of a benchmark, for its help page."""
    from data_scripts import downloads

    rows = downloads.files_of(name, train=True)
    pages = {page.url: kind for kind, page in downloads.pages_of(name)}
    lines = [f"  {row.url}{'  (--few-shot)' * row.train}" for row in rows if row.url]
    lines += [f"  by hand, it tells how: {url} ({kind})" for url, kind in pages.items()]
    return "\n".join(["files:", *lines]) if lines else ""


class Verb(NamedTuple):
    """A line of the overview, a help page, and the function that adds the options."""

    summary: str
    description: str
    add_options: Callable[[Parser], None]


VERBS = {
    "list": Verb("what is prepared, what is left to get", help_texts.LIST, _add_list),
    "fetch": Verb("download the official files", help_texts.FETCH, _add_fetch),
    "prepare": Verb("official files -> rows", help_texts.PREPARE, _add_prepare),
    "frames": Verb("clips -> the pictures that questions show", help_texts.FRAMES, _add_frames),
    "check": Verb("are rows and pictures fit for a run?", help_texts.CHECK, _add_check),
    "demo": Verb("draw the bundled demo data", help_texts.DEMO, _add_demo),
    "demo-training": Verb(
        "draw conversations to train a small model on", help_texts.DEMO_TRAINING, _add_demo_training
    ),
}

"""The command line: python -m data_scripts list | fetch | prepare | frames | check | demo | demo-training."""

import argparse
import functools
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from data_scripts import downloads
from data_scripts.benchmark import Benchmark
from data_scripts.benchmarks import all_benchmarks
from data_scripts.check import check
from data_scripts.prepare import Options, prepare
from eval_mm.console import INTERRUPTED, Parser, guarded
from eval_mm.data import find_root
from eval_mm.errors import UserError

ALL = "all"
DOWNLOADS = Path("downloads")
KEPT = "nothing was left half-written; the same command does the rest"

EXAMPLES = """\
examples:
  python -m data_scripts list
  python -m data_scripts fetch textvqa --only annotations
  python -m data_scripts prepare refcoco --raw downloads --out data --images /datasets/coco/train2014
  python -m data_scripts check refcoco --data data
  python -m data_scripts demo --out demo
  python -m data_scripts demo-training --out training --scenes 40000 --seed 1"""

LIST = """\
One row per benchmark: how many of its splits are prepared under the data root, their rows, the pictures
that are there of those they name, how many of its files were fetched, its licence and its page. With a
BENCHMARK one row per split. Nothing is checked or opened: `check` does that.

examples:
  python -m data_scripts list
  python -m data_scripts list vqav2 --data /datasets/eval_mm"""

FETCH = """\
Downloads what a benchmark's authors publish into <out>/<benchmark>, shows what that is and asks first.
A download that was cut, or stopped with Ctrl-C, is gone on with by the same command. Hashes are kept in
SHA256SUMS and compared by the next run; archives are unpacked, and may be deleted then. What needs a login
or a form is explained step by step.

examples:
  python -m data_scripts fetch textvqa                      everything its evaluation needs
  python -m data_scripts fetch vqav2 --only annotations     a few MB instead of 20 GB
  python -m data_scripts fetch coco --only pictures --yes   the pictures that several benchmarks share
  python -m data_scripts fetch docvqa                       how to get what needs a login"""

PREPARE = """\
Reads the files a benchmark's authors publish, checks every row, and writes one JSONL file per split
under the data root. Nothing is written unless everything is right. Each benchmark tells which files
it wants and where they come from:
  python -m data_scripts prepare BENCHMARK --help

examples:
  python -m data_scripts prepare textvqa                    the files are in downloads/textvqa
  python -m data_scripts prepare refcoco --raw ~/REC --images /datasets/coco/train2014
  python -m data_scripts prepare all --allow-partial        every benchmark with a folder in downloads"""

FRAMES = """\
Makes the pictures of questions about clips, 4 frames spread over the part of the clip that is asked about
(PyAV: pip install 'eval-mm[video]'). The rows are prepared before. The videos come from their own pages:
  dimension 10  Something-Something v2, webm files   https://developer.qualcomm.com/software/ai-datasets
  dimension 11  EPIC-KITCHENS-100, 138 videos        https://epic-kitchens.github.io
  dimension 12  Breakfast, BreakfastII_15fps_qvga_sync
                https://serre-lab.clps.brown.edu/resource/breakfast-actions-dataset
Stopped with Ctrl-C, it is gone on with by the same command; what is there is not made again. Exit code 0: all
questions have their frames; 3: some have none, and unreadable_clips.tsv beside the rows says which and why.

example:
  python -m data_scripts frames seedbench --clips ~/ssv2 --clips ~/EPIC-KITCHENS --clips ~/breakfast"""

CHECK = """\
Reads the prepared rows as an evaluation will, then opens every picture, so that what would stop a run
after hours is known in minutes. Exit code 0: all right; 2: rows or files are unusable; 3: pictures are.

examples:
  python -m data_scripts check textvqa
  python -m data_scripts check all --data demo --allow-partial"""

DEMO = """\
Draws the demo data that come with the package: every benchmark in miniature, on scenes of coloured shapes,
bar charts, pages, book covers, posters, diagrams and cards. The same seed gives the same data."""

DEMO_TRAINING = """\
Draws pictures that no evaluation uses, and writes questions with their answers as a conversations.json in
Qwen-VL's fine-tuning form: boxes of expressions, short questions, captions, lettered choices, printed
words and numbers, bars. The same seed gives the same data, whatever the number of workers."""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code; what the user can mend is said in one line."""
    args = _parser().parse_args(argv)
    return guarded(lambda: _run(args), KEPT)


def _run(args: argparse.Namespace) -> int:
    if args.verb == "demo":
        from data_scripts.drawn import demo  # pulls in numpy and Pillow, which --help need not wait for

        demo.write(args.out, args.seed)
        return 0
    if args.verb == "demo-training":
        from data_scripts.drawn import training

        lesson = training.Lesson(args.max_shapes, coarse=args.coarse)
        if args.kinds is not None:
            lesson = lesson._replace(kinds=tuple(args.kinds.split(",")))
        if args.shows is not None:
            lesson = lesson._replace(shows=tuple(args.shows.split(",")))
        training.write(args.out, args.scenes, args.seed, lesson, args.workers)
        return 0
    known = all_benchmarks()
    if args.verb == "list":
        from data_scripts import listing

        named = args.benchmark
        print(listing.splits(known[named], args.data) if named else listing.table(known, args.data, args.out))
        return 0
    if args.verb == "fetch":
        fetch = functools.partial(_fetch, args)
        return _each(_fetchable(), fetch) if args.benchmark == ALL else fetch(args.benchmark)
    if args.verb == "frames":
        from data_scripts import frames
        from data_scripts.benchmarks.seedbench import VIDEO

        return frames.make(args.data / VIDEO.path, args.data, args.clips, args.workers)
    verb = _prepare if args.verb == "prepare" else _check
    if args.benchmark != ALL:
        return verb(known[args.benchmark], args)
    names = [name for name, one in known.items() if _has_input(one, args)]
    if not names:
        where = (args.raw or DOWNLOADS) if args.verb == "prepare" else args.data
        raise UserError(
            f"{where}: nothing to {args.verb} here; python -m data_scripts list shows what there is"
        )
    return _each(names, lambda name: verb(known[name], args))


def _each(names: Sequence[str], verb: Callable[[str], int]) -> int:
    """Does it for each, whatever becomes of the others; returns the worst exit code."""
    codes = []
    for name in names:
        print(f"== {name}", flush=True)
        codes.append(guarded(functools.partial(verb, name), KEPT))
        if codes[-1] == INTERRUPTED:
            break
    return max(codes)


def _has_input(benchmark: Benchmark, args: argparse.Namespace) -> bool:
    """Whether there is anything of a benchmark that `all` could mean."""
    if args.verb == "prepare":
        return _raw(benchmark, args).is_dir()
    root = find_root(args.data).path
    return any((root / split.path).is_file() for split in benchmark.splits)


def _raw(benchmark: Benchmark, args: argparse.Namespace) -> Path:
    """The folder of a benchmark's official files: by default the one `fetch` fills."""
    if args.benchmark == ALL:
        return (args.raw or DOWNLOADS) / benchmark.name
    return args.raw or DOWNLOADS / benchmark.name


def _fetchable() -> list[str]:
    """Every benchmark, and what only the table of downloads has: pictures that several share."""
    return list(dict.fromkeys([*all_benchmarks(), *downloads.names()]))


def _fetch(args: argparse.Namespace, name: str) -> int:
    from data_scripts import fetch

    benchmark = all_benchmarks().get(name)
    wanted = fetch.Wanted(args.out, args.only, args.few_shot, args.yes)
    fetch.fetch(name, wanted, benchmark.pictures if benchmark else None)
    return 0


def _prepare(benchmark: Benchmark, args: argparse.Namespace) -> int:
    options = Options(args.images, args.allow_partial, args.source)
    prepare(benchmark, _raw(benchmark, args), args.out, options)
    return 0


def _check(benchmark: Benchmark, args: argparse.Namespace) -> int:
    checked = check(benchmark, args.data, args.allow_partial)
    print(checked.text())
    return checked.exit_code


def _parser() -> Parser:
    parser = Parser(
        prog="python -m data_scripts",
        description="Fetches benchmarks, turns them into the rows that eval_mm reads, and checks them.",
        epilog=EXAMPLES,
    )
    verbs = parser.add_subparsers(
        dest="verb", required=True, metavar="list | fetch | prepare | frames | check | demo | demo-training"
    )

    listed = _verb(verbs, "list", "what is prepared, what is left to get", LIST)
    listed.add_argument("benchmark", nargs="?", choices=list(all_benchmarks()), metavar="BENCHMARK")
    listed.add_argument("--data", type=Path, default=Path("data"), metavar="DIR", help="data root (data)")
    listed.add_argument(
        "--out", type=Path, default=DOWNLOADS, metavar="DIR", help="folder that fetch fills (downloads)"
    )

    known = all_benchmarks()
    told = {
        name: known[name].summary if name in known else downloads.BESIDES.get(name, "its files only")
        for name in _fetchable()
    }
    for name, one in _named(_verb(verbs, "fetch", "download the official files", FETCH), told):
        one.epilog = _downloads_of(name)
        one.add_argument(
            "--out", type=Path, default=DOWNLOADS, metavar="DIR", help="folder to download to (downloads)"
        )
        one.add_argument("--only", choices=("annotations", "pictures"), help="only files of this kind (both)")
        one.add_argument(
            "--few-shot", action="store_true", help="also the training files that few-shot examples come from"
        )
        one.add_argument("--yes", action="store_true", help="do not ask before downloading")

    for name, one in _benchmarks(_verb(verbs, "prepare", "official files -> rows", PREPARE)):
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

    shown = _verb(verbs, "frames", "clips -> the pictures that questions show", FRAMES)
    shown.add_argument("benchmark", choices=("seedbench",), metavar="seedbench")
    shown.add_argument(
        "--clips",
        type=Path,
        action="append",
        required=True,
        metavar="DIR",
        help="folder of the videos you have, in any layout (repeatable)",
    )
    shown.add_argument(
        "--data",
        type=Path,
        default=Path("data"),
        metavar="DIR",
        help="data root with the prepared rows; frames are written there (data)",
    )
    shown.add_argument(
        "--workers", type=int, default=os.cpu_count() or 1, metavar="W", help="processes (one per core)"
    )

    for _, one in _benchmarks(_verb(verbs, "check", "are rows and pictures fit for a run?", CHECK)):
        one.add_argument(
            "--data", default="data", metavar="DIR", help="data root, or 'demo' for the bundled data (data)"
        )
        one.add_argument(
            "--allow-partial",
            action="store_true",
            help="missing splits and other counts than the published ones are not errors",
        )

    demo = _verb(verbs, "demo", "draw the bundled demo data", DEMO)
    demo.add_argument("--out", type=Path, required=True, metavar="DIR", help="data root to write to")
    demo.add_argument(
        "--seed", type=int, default=0, help="0 to 999; the bundled data has 0, the default", metavar="S"
    )

    training = _verb(verbs, "demo-training", "draw conversations to train a small model on", DEMO_TRAINING)
    training.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to write to")
    training.add_argument("--scenes", type=int, required=True, metavar="N", help="how many pictures")
    training.add_argument(
        "--seed", type=int, default=0, metavar="S", help="another seed, other scenes; 0 or more (0)"
    )
    training.add_argument(
        "--max-shapes", type=int, choices=(1, 2, 3), default=3, help="at most so many shapes in a scene (3)"
    )
    training.add_argument(
        "--kinds",
        metavar="KINDS",
        help="only these kinds of questions, comma-separated (all but options,clip)",
    )
    training.add_argument(
        "--shows",
        metavar="NAMES",
        help="what pictures show in turn: scene,card,chart,page,book,poster,diagram,clip (60 %% scenes)",
    )
    training.add_argument(
        "--coarse",
        type=int,
        choices=(10, 50, 100),
        default=10,
        help="round coordinates to so many thousandths; for early lessons 50 or 100 (10)",
    )
    training.add_argument(
        "--workers", type=int, default=os.cpu_count() or 1, metavar="W", help="processes (one per core)"
    )
    return parser


def _verb(parsers: "argparse._SubParsersAction[Parser]", name: str, summary: str, description: str) -> Parser:
    return parsers.add_parser(name, help=summary, description=description)


def _benchmarks(verb: Parser) -> list[tuple[str, Parser]]:
    """A parser per benchmark below a verb, and one for all."""
    known = all_benchmarks()
    named = _named(verb, {name: one.summary for name, one in known.items()})
    for name, one in named:
        if name != ALL:
            one.description = known[name].about
    return named


def _named(verb: Parser, summaries: Mapping[str, str]) -> list[tuple[str, Parser]]:
    names = verb.add_subparsers(dest="benchmark", required=True, metavar="BENCHMARK")
    return [
        (name, _verb(names, name, summary, summary))
        for name, summary in {**summaries, ALL: "every benchmark, one after the other"}.items()
    ]


def _downloads_of(name: str) -> str:
    """What `fetch` has of a benchmark, for its help page."""
    rows = downloads.files_of(name, train=True)
    pages = {page.url: kind for kind, page in downloads.pages_of(name)}
    lines = [f"  {row.url}{'  (--few-shot)' * row.train}" for row in rows if row.url]
    lines += [f"  by hand, it tells how: {url} ({kind})" for url, kind in pages.items()]
    return "\n".join(["files:", *lines]) if lines else ""


if __name__ == "__main__":
    sys.exit(main())

"""The command line: python -m data_scripts prepare | check | demo | demo-training."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from data_scripts.benchmarks import all_benchmarks
from data_scripts.check import check
from data_scripts.prepare import Options, prepare
from eval_mm.console import Parser, guarded

EXAMPLES = """\
examples:
  python -m data_scripts prepare refcoco --raw downloads --out data --images /datasets/coco/train2014
  python -m data_scripts check refcoco --data data
  python -m data_scripts demo --out demo
  python -m data_scripts demo-training --out training --scenes 40000 --seed 1"""

PREPARE = """\
Reads the files a benchmark's authors publish, checks every row, and writes one JSONL file per split
under the data root. Nothing is written unless everything is right. Each benchmark tells which files
it wants and where they come from:
  python -m data_scripts prepare BENCHMARK --help"""

CHECK = """\
Reads the prepared rows as an evaluation will, then opens every picture, so that what would stop a run
after hours is known in minutes. Exit code 0: all right; 2: rows or files are unusable; 3: pictures are."""

DEMO = """\
Draws the small demo benchmark that comes with the package: coloured shapes, and expressions that refer
to exactly one of them, as eight splits laid out like RefCOCO, RefCOCO+ and RefCOCOg. The same seed gives
the same data."""

DEMO_TRAINING = """\
Draws scenes that no evaluation uses, and writes questions with their answers as a conversations.json in
Qwen-VL's fine-tuning form: boxes of expressions, short questions, captions, lettered choices, printed
numbers and words. The same seed gives the same data, whatever the number of workers."""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code; what the user can mend is said in one line."""
    args = _parser().parse_args(argv)
    return guarded(lambda: _run(args), "nothing was left half-written")


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
    benchmark = all_benchmarks()[args.benchmark]
    if args.verb == "prepare":
        prepare(benchmark, args.raw, args.out, Options(args.images, args.allow_partial, args.source))
        return 0
    checked = check(benchmark, args.data, args.allow_partial)
    print(checked.text())
    return checked.exit_code


def _parser() -> Parser:
    parser = Parser(
        prog="python -m data_scripts",
        description="Turns published annotations into the rows that eval_mm reads, and checks them.",
        epilog=EXAMPLES,
    )
    verbs = parser.add_subparsers(
        dest="verb", required=True, metavar="prepare | check | demo | demo-training"
    )

    for one in _benchmarks(_verb(verbs, "prepare", "official files -> rows", PREPARE)):
        one.add_argument(
            "--raw", type=Path, required=True, metavar="DIR", help="folder of the official files"
        )
        one.add_argument(
            "--out", type=Path, default=Path("data"), metavar="DIR", help="data root to write to (data)"
        )
        one.add_argument(
            "--images",
            action="append",
            default=[],
            metavar="DIR",
            help="folder of the pictures you have; a link to it is put where the rows expect them; FOLDER=DIR "
            "where rows name several folders (repeatable)",
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

    for one in _benchmarks(_verb(verbs, "check", "are rows and pictures fit for a run?", CHECK)):
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
        "--kinds", metavar="KINDS", help="only these kinds of questions, comma-separated (all)"
    )
    training.add_argument(
        "--shows",
        metavar="NAMES",
        help="what pictures show in turn: scene,card,chart,page,book,poster,diagram (60 %% scenes)",
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


def _benchmarks(verb: Parser) -> list[Parser]:
    """A parser per benchmark below a verb."""
    names = verb.add_subparsers(dest="benchmark", required=True, metavar="BENCHMARK")
    return [_verb(names, name, one.summary, one.about) for name, one in all_benchmarks().items()]


if __name__ == "__main__":
    sys.exit(main())

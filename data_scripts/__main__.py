"""The command line: python -m data_scripts prepare | check | demo."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from data_scripts import refcoco
from data_scripts.check import Checked
from data_scripts.prepare import Options
from eval_mm.errors import UserError


class Benchmark(Protocol):
    """What a benchmark's file offers; mypy holds the modules below to it."""

    SUMMARY: str
    """One line for the list of benchmarks."""

    HELP: str
    """Which files are wanted and where they come from."""

    @property
    def prepare(self) -> "PrepareVerb":
        """Writes the canonical rows and prints a table."""

    @property
    def check(self) -> "CheckVerb":
        """Looks at everything that was prepared."""


class PrepareVerb(Protocol):
    """Raises UserError, having written nothing, where an input cannot be used."""

    def __call__(self, raw: Path, out: Path, options: Options) -> None:
        """Reads `raw`, writes under `out`."""


class CheckVerb(Protocol):
    """Finds what is wrong; raises UserError only where there is nothing to look at."""

    def __call__(self, data: str, allow_partial: bool) -> Checked:
        """Looks at what lies under the data root."""
        ...


BENCHMARKS: dict[str, Benchmark] = {"refcoco": refcoco}

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


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code; what the user can mend is said in one line."""
    args = _parser().parse_args(argv)
    try:
        return _run(args)
    except UserError as error:
        return _fail(str(error))
    except OSError as error:  # a full disk, a folder one may not write: theirs to mend as well
        return _fail(f"{error.filename}: {error.strerror}" if error.filename else str(error))
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130


def _run(args: argparse.Namespace) -> int:
    if args.verb == "demo":
        from data_scripts import demo  # pulls in numpy and Pillow, which --help need not wait for

        demo.write(args.out, args.seed)
        return 0
    benchmark = BENCHMARKS[args.benchmark]
    if args.verb == "prepare":
        benchmark.prepare(args.raw, args.out, Options(args.images, args.allow_partial))
        return 0
    checked = benchmark.check(args.data, args.allow_partial)
    print(checked.text())
    return checked.exit_code


def _parser() -> argparse.ArgumentParser:
    raw_text = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        prog="python -m data_scripts",
        formatter_class=raw_text,
        description="Turns published annotations into the rows that eval_mm reads, and checks them.",
        epilog="example:\n  python -m data_scripts prepare refcoco --raw downloads --out data --images "
        "/datasets/coco/train2014\n  python -m data_scripts check refcoco --data data",
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="prepare | check | demo")

    prepare = verbs.add_parser(
        "prepare", help="official files -> rows", description=PREPARE, formatter_class=raw_text
    )
    names = prepare.add_subparsers(dest="benchmark", required=True, metavar="BENCHMARK")
    for name, benchmark in BENCHMARKS.items():
        one = names.add_parser(
            name, help=benchmark.SUMMARY, description=benchmark.HELP, formatter_class=raw_text
        )
        one.add_argument(
            "--raw", type=Path, required=True, metavar="DIR", help="folder of the official files"
        )
        one.add_argument(
            "--out", type=Path, default=Path("data"), metavar="DIR", help="data root to write to (data)"
        )
        one.add_argument(
            "--images",
            type=Path,
            metavar="DIR",
            help="folder of the pictures you have; a link to it is put where the rows expect them",
        )
        one.add_argument(
            "--allow-partial",
            action="store_true",
            help="prepare what is there, though splits are missing or counts are not the published ones",
        )

    check = verbs.add_parser(
        "check", help="are rows and pictures fit for a run?", description=CHECK, formatter_class=raw_text
    )
    names = check.add_subparsers(dest="benchmark", required=True, metavar="BENCHMARK")
    for name, benchmark in BENCHMARKS.items():
        one = names.add_parser(name, help=benchmark.SUMMARY, description=CHECK, formatter_class=raw_text)
        one.add_argument(
            "--data", default="data", metavar="DIR", help="data root, or 'demo' for the bundled data (data)"
        )
        one.add_argument(
            "--allow-partial",
            action="store_true",
            help="missing splits and other counts than the published ones are not errors",
        )

    demo = verbs.add_parser(
        "demo", help="draw the bundled demo data", description=DEMO, formatter_class=raw_text
    )
    demo.add_argument("--out", type=Path, required=True, metavar="DIR", help="data root to write to")
    demo.add_argument(
        "--seed", type=int, default=0, help="0 to 999; the bundled data has 0, the default", metavar="S"
    )
    return parser


def _fail(message: str) -> int:
    print(f"error: {message}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())

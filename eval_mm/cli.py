"""The command line. One verb is one file of commands/.

Exit codes: 0 complete; 2 bad usage or bad input, said in one line; 3 finished with errors in some samples, or
something found by check; 130 interrupted, resumable.
"""

import argparse
import importlib
import os
import sys
from collections.abc import Sequence

from eval_mm.console import Parser, guarded
from eval_mm.interrupts import Ending

VERBS = ("run", "score", "report", "compare", "explain", "check", "list")
"""In the order of --help."""

EXAMPLES = """
examples:
  python -m eval_mm run --task refcoco                  bundled demo model and data: try this first
  python -m eval_mm run --task refcoco --model Qwen/Qwen-VL --data data
  python -m eval_mm score results/runs/demo             score stored answers again, no model needed
  python -m eval_mm report results/runs/demo            tables, a page of every answer, charts
  python -m eval_mm compare results/runs/a results/runs/b   which is better, and whether that can be chance
  python -m eval_mm explain results/runs/demo 17 --task refcoco_val   one answer from prompt to score
  python -m eval_mm check results/runs/demo             whether a run folder is whole and its numbers its own
  python -m eval_mm list                                tasks, families, and what is prepared
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; returns the exit code."""
    given = sys.argv[1:] if argv is None else argv
    arguments = build_parser().parse_args(given, argparse.Namespace(argv=given))
    kept = "all answers so far are kept, the same command goes on"
    done: list[int] = []

    def command() -> int:
        with Ending():
            done.append(arguments.command(arguments))
        return done[0]

    if os.environ.get("WORLD_SIZE", "1") == "1":
        return guarded(command, kept)
    from eval_mm.processes.team import leave, says

    leave(guarded(command, kept, says), to_the_end=bool(done))


def build_parser() -> Parser:
    """The parser of all commands."""
    parser = Parser(
        prog="python -m eval_mm",
        description="Measures vision-language models on the published benchmarks.",
        epilog=EXAMPLES,
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version")
    verbs = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for name in VERBS:
        verb = importlib.import_module(f"eval_mm.commands.{name}")
        purpose: str = verb.PURPOSE
        described = purpose[0].upper() + purpose[1:] + "."
        its_parser = verbs.add_parser(name, help=purpose, description=described, epilog=verb.EXAMPLES)
        its_parser.set_defaults(command=verb.command)
        verb.add_options(its_parser)
    return parser


class _Version(argparse.Action):
    """--version, read from the installed package only when it is asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import version

        print(f"eval-mm {version('eval-mm')}")
        parser.exit()

"""`compare`: two runs, sample by sample."""

import argparse

from eval_mm.commands.arguments import add_data, count, filled, names
from eval_mm.console import BAD_INPUT, Parser, seen_width

PURPOSE = "compare two runs, sample by sample"

EXAMPLES = """
examples:
  python -m eval_mm compare results/runs/one results/runs/two
  python -m eval_mm compare results/runs/one results/runs/two --task grounding --show 5
  python -m eval_mm compare results/runs/one results/runs/two --json comparison.json

First what differs besides the answers: model, prompt, limits, data, versions. Then by task how far apart the
runs are on the samples that both have, whether that can be chance, and what was gained and lost.
"""


def add_options(parser: Parser) -> None:
    """The options of `compare`."""
    add = parser.add_argument
    add("first", metavar="RUN_A", help="a run folder")
    add("second", metavar="RUN_B", help="another; differences are B - A")
    add("--task", metavar="NAMES", help="only these tasks and families (default: all that both have)")
    add_data(parser, "the one of each run")
    add(
        "--protocol",
        metavar="P",
        help="what this scorer made of the answers (score RUN --protocol P), or judge-<hash>",
    )
    add("--show", type=count, default=0, metavar="N", help="show N gained and N lost samples of each task")
    add("--json", type=filled, metavar="FILE", help="write the comparison to a file too")


def command(arguments: argparse.Namespace) -> int:
    """Prints the comparison; returns the exit code."""
    from pathlib import Path

    from eval_mm.compare import compare_runs
    from eval_mm.compare.text import render
    from eval_mm.files import write_json

    found = compare_runs(
        arguments.first,
        arguments.second,
        names(arguments.task),
        arguments.data,
        arguments.protocol,
        arguments.show,
    )
    print(render(found, seen_width()))
    if arguments.json is not None:
        write_json(Path(arguments.json), found.to_json())
    return 0 if any(task.numbers for task in found.tasks) else BAD_INPUT

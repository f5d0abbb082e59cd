"""`explain`: one answer from prompt to score."""

import argparse

from eval_mm.commands.arguments import OF_THE_RUN, add_data
from eval_mm.console import Parser

PURPOSE = "show one answer from prompt to score"

EXAMPLES = """
examples:
  python -m eval_mm explain results/runs/demo 17 --task refcoco_val

Ids are those of scores.jsonl. Shown are the prompt as sent, the picture, the raw answer, the references, and
for every protocol of the task what its scorer makes of the answer, step by step.
"""


def add_options(parser: Parser) -> None:
    """The options of `explain`."""
    add = parser.add_argument
    add("run", metavar="RUN", help="a run folder")
    add("sample", metavar="SAMPLE_ID", help="the id of a sample")
    add("--task", metavar="NAME", help="the task, where several tasks of the run have the id")
    add_data(parser, OF_THE_RUN)


def command(arguments: argparse.Namespace) -> int:
    """Prints the story of one answer."""
    from eval_mm.explain import explain

    print(explain(arguments.run, arguments.sample, arguments.task, arguments.data))
    return 0

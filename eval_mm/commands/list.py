"""`list`: tasks, families and what is prepared."""

import argparse

from eval_mm.commands.arguments import add_data
from eval_mm.console import Parser, align, count

PURPOSE = "show tasks, families and what is prepared"

EXAMPLES = """
examples:
  python -m eval_mm list
  python -m eval_mm list refcoco+
  python -m eval_mm list --names grounding              for loops in a shell
"""


def add_options(parser: Parser) -> None:
    """The options of `list`."""
    parser.add_argument("tasks", nargs="*", metavar="NAME", help="only these tasks or families")
    parser.add_argument("--names", action="store_true", help="only the names of the tasks, one a line")
    add_data(parser)


def command(arguments: argparse.Namespace) -> int:
    """Prints the table, or the names alone."""
    from eval_mm import tasks
    from eval_mm.data import DEMO_ROOT, find_root

    root = find_root(arguments.data)
    chosen = tasks.resolve(arguments.tasks) if arguments.tasks else list(tasks.all_tasks().values())
    if arguments.names:
        print("\n".join(task.name for task in chosen))
        return 0
    rows = [("task", "published n", "protocols", "families", "rows")]
    for task in chosen:
        there = all((root.path / part.path).is_file() for part in task.members or (task,))
        rows.append(
            (
                task.name,
                count(task.num_samples),
                ", ".join(protocol.name for protocol in task.protocols),
                ", ".join(task.families),
                ("demo" if root.demo else "prepared") if there else "-",
            )
        )
    print(align(rows, left={0, 2, 3, 4}))
    print(f"data root: {'the bundled demo data' if root.path == DEMO_ROOT else root.path}")
    return 0

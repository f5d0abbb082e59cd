"""The command line: argparse and printing only; what it does is in run.py and score.py.

Exit codes: 0 complete; 2 bad usage or bad input, said in one line; 3 finished with errors in some samples;
130 interrupted, resumable.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from typing import get_args

from eval_mm import tasks
from eval_mm.console import SAMPLE_ERRORS, Parser, align, count, guarded
from eval_mm.data import Selection, find_root
from eval_mm.errors import UserError
from eval_mm.report.table import results_table
from eval_mm.run import run
from eval_mm.schema import BoxScale, Result
from eval_mm.score import score

EXAMPLES = {
    "": """
examples:
  python -m eval_mm run --task refcoco                  bundled demo model and data: try this first
  python -m eval_mm run --task refcoco --model Qwen/Qwen-VL --data data
  python -m eval_mm score results/runs/demo             score stored answers again, no model needed
  python -m eval_mm list                                tasks, families, and what is prepared
""",
    "run": """
examples:
  python -m eval_mm run --task refcoco
  python -m eval_mm run --task refcoco_val,refcocog --model ./Qwen-VL --data data --dtype bfloat16
  python -m eval_mm run --task grounding --limit 100    the first 100 rows of each split
  python -m eval_mm run --task refcoco_testA --model echo:answers.jsonl --data data

Answers are stored as they finish; the same command goes on where it stopped.
""",
    "score": """
examples:
  python -m eval_mm score results/runs/demo
  python -m eval_mm score results/runs/one results/runs/two
  python -m eval_mm score results/runs/demo --task refcoco_val --protocol instruct
  python -m eval_mm score --task refcoco_val --predictions answers.jsonl --data data
  python -m eval_mm score --task refcoco_val --predictions qwen_vl_output.json --match order --data data

A file of answers is a JSON list, a JSON object id -> text, or JSONL. Its ids are those of samples, or name
pictures; then the answers about a picture stand in the order of the samples about it.
""",
    "list": """
examples:
  python -m eval_mm list
  python -m eval_mm list refcoco+
  python -m eval_mm list --names grounding              for loops in a shell
""",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; returns the exit code."""
    given = sys.argv[1:] if argv is None else argv
    arguments = build_parser().parse_args(given, argparse.Namespace(argv=given))
    return guarded(
        lambda: arguments.command(arguments), "all answers so far are kept, the same command goes on"
    )


def build_parser() -> Parser:
    """The parser of all commands."""
    parser = Parser(
        prog="python -m eval_mm",
        description="Measures vision-language models on the published benchmarks.",
        epilog=EXAMPLES[""],
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add_run(_command(commands, "run", "ask a model and score its answers", _run))
    _add_score(_command(commands, "score", "score stored answers or a file of them; needs no model", _score))
    _add_list(_command(commands, "list", "show tasks, families and what is prepared", _list))
    return parser


def _command(commands: "argparse._SubParsersAction[Parser]", name: str, purpose: str, run: object) -> Parser:
    parser = commands.add_parser(
        name,
        help=purpose,
        description=purpose[0].upper() + purpose[1:] + ".",
        epilog=EXAMPLES[name],
    )
    parser.set_defaults(command=run)
    return parser


def _add_run(parser: Parser) -> None:
    add = parser.add_argument
    add("--task", action="append", required=True, metavar="NAMES", help="tasks and families, comma-separated")
    add(
        "--model",
        default="demo",
        help="a folder or hub id of a Qwen-VL checkpoint, 'demo' (default), 'echo' or 'echo:FILE'",
    )
    _add_data(parser)
    add("--protocol", help="prompt, limits and scorer (default: qwen-vl for Qwen-VL models)")
    rows = parser.add_mutually_exclusive_group()
    rows.add_argument("--limit", type=_positive, metavar="N", help="only the first N rows of each task")
    rows.add_argument("--sample", type=_positive, metavar="N", help="only N random rows of each task")
    add("--seed", type=int, metavar="S", help="of --sample (default 0)")
    add(
        "--out",
        type=_filled,
        metavar="DIR",
        help="run folder (default results/runs/<model>); an existing one is resumed",
    )
    add("--device", default="auto", help="auto (default), cpu, cuda, cuda:1, ...")
    add(
        "--dtype",
        default="auto",
        choices=["auto", "float32", "bfloat16", "float16"],
        help="auto (default): bfloat16 or float16 on a GPU, float32 on a CPU",
    )


def _add_score(parser: Parser) -> None:
    add = parser.add_argument
    add("runs", nargs="*", metavar="RUN", help="run folders")
    add("--task", metavar="NAMES", help="only these tasks; with --predictions the one task of the file")
    add("--protocol", metavar="P", help="whose scorer (default: the run's own; for a file the task's first)")
    _add_data(parser)
    add(
        "--subset",
        action="store_true",
        help="score what is there where answers are missing",
    )
    file = parser.add_argument_group("answers made elsewhere")
    file.add_argument("--predictions", type=_filled, metavar="FILE", help="a file of answers")
    file.add_argument("--match", choices=["id", "order"], help="by id or picture (default id), or by order")
    file.add_argument("--id-key", metavar="KEY", help="the key of the id, where it is an unusual one")
    file.add_argument("--text-key", metavar="KEY", help="the key of the answer, likewise")
    file.add_argument(
        "--box-scale",
        choices=get_args(BoxScale),
        help="the unit of coordinates in the answers (default 999, that of Qwen-VL); boxes in another form "
        "than (x1,y1),(x2,y2) need --protocol instruct",
    )
    file.add_argument(
        "--out", type=_filled, metavar="DIR", help="write <DIR>/<task>/result.json and scores.jsonl"
    )


def _add_list(parser: Parser) -> None:
    parser.add_argument("tasks", nargs="*", metavar="NAME", help="only these tasks or families")
    parser.add_argument("--names", action="store_true", help="only the names of the tasks, one a line")
    _add_data(parser)


def _add_data(parser: Parser) -> None:
    parser.add_argument(
        "--data",
        type=_filled,
        metavar="DIR",
        help="data root (default $EVAL_MM_DATA, then ./data, then the bundled demo data; 'demo' names that)",
    )


def _positive(text: str) -> int:
    number = int(text) if text.isdecimal() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number above 0, got '{text}'")
    return number


def _filled(text: str) -> str:
    if not text:
        raise argparse.ArgumentTypeError("expected a path, got an empty text")
    return text


def _run(arguments: argparse.Namespace) -> int:
    if arguments.seed is not None and arguments.sample is None:
        raise UserError("--seed is for --sample N: without it there is nothing to draw")
    if arguments.model == "demo":  # small matrices gain nothing from threads, and lose all on busy cores
        os.environ.setdefault("OMP_NUM_THREADS", "1")
    report = run(
        arguments.model,
        arguments.task,
        arguments.data,
        protocol=arguments.protocol,
        selection=Selection(arguments.limit, arguments.sample, arguments.seed or 0),
        out=arguments.out,
        device=arguments.device,
        dtype=arguments.dtype,
        progress=True,
        arguments=arguments.argv,
    )
    results = [outcome.result for outcome in report.outcomes]
    _print_banner(report.model.demo, report.root.demo)
    print(results_table(results, [outcome.seconds for outcome in report.outcomes]))
    for outcome in report.outcomes:
        if outcome.num_reused:
            print(f"{outcome.result.task}: {outcome.num_reused:,} stored answers reused")
    for notice in report.notices:
        print(f"note: {notice}", file=sys.stderr)
    for outcome in report.outcomes:
        for error in outcome.first_errors:
            print(f"error in a sample: {outcome.result.task} {error}", file=sys.stderr)
        if outcome.result.num_errors > len(outcome.first_errors):
            more = outcome.result.num_errors - len(outcome.first_errors)
            print(f"error in a sample: {outcome.result.task} and {more:,} more", file=sys.stderr)
    print(f"answers, scores and results: {report.folder}")
    return _finish(results)


def _score(arguments: argparse.Namespace) -> int:
    options = dict(
        task=arguments.task,
        predictions=arguments.predictions,
        protocol=arguments.protocol,
        data=arguments.data,
        subset=arguments.subset,
        match=arguments.match,
        id_key=arguments.id_key,
        text_key=arguments.text_key,
        box_scale=arguments.box_scale,
        out=arguments.out,
    )
    results = [result for folder in arguments.runs or [None] for result in score(folder, **options)]
    print(results_table(results, [None] * len(results)))
    for folder in arguments.runs or ([arguments.out] if arguments.out else []):
        print(f"scores and results: {folder}")
    return _finish(results)


def _finish(results: Sequence[Result]) -> int:
    num_errors = sum(result.num_errors for result in results)
    if num_errors:
        print(
            f"failed samples: {num_errors:,}; they count as wrong, predictions.rank0.jsonl says why, and the "
            f"same run command asks only those again",
            file=sys.stderr,
        )
    for result in results:
        if result.num_unparsed == result.num_samples and not result.demo:
            print(
                f"note: protocol {result.score_protocol} could read no answer to {result.task}; for boxes in "
                f"another form try --protocol instruct",
                file=sys.stderr,
            )
    return SAMPLE_ERRORS if num_errors else 0


def _list(arguments: argparse.Namespace) -> int:
    root = find_root(arguments.data)
    chosen = tasks.resolve(arguments.tasks) if arguments.tasks else list(tasks.all_tasks().values())
    if arguments.names:
        print("\n".join(task.name for task in chosen))
        return 0
    rows = [("task", "published n", "protocols", "families", "rows")]
    for task in chosen:
        prepared = "demo" if root.demo else "prepared"
        rows.append(
            (
                task.name,
                count(task.num_samples),
                ", ".join(protocol.name for protocol in task.protocols),
                ", ".join(task.families),
                prepared if (root.path / task.path).is_file() else "-",
            )
        )
    print(align(rows, left={0, 2, 3, 4}))
    print(f"data root: {'the bundled demo data' if root.demo else root.path}")
    return 0


def _print_banner(demo_model: bool, demo_data: bool) -> None:
    """Says in a line nobody overlooks that the numbers below are no measurement."""
    parts = [("DEMO MODEL", "--model CHECKPOINT", demo_model), ("DEMO DATA", "--data FOLDER", demo_data)]
    what = " and ".join(name for name, _, used in parts if used)
    choose = " and ".join(option for _, option, used in parts if used)
    if what:
        print(
            f"*** {what}: the numbers below try out the program and measure nothing. "
            f"Choose with {choose}. ***",
            file=sys.stderr,
        )


class _Version(argparse.Action):
    """--version, read from the installed package only when it is asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import version

        print(f"eval-mm {version('eval-mm')}")
        parser.exit()

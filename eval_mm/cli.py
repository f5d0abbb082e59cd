"""The command line: printing only; options are in options.py, what is done in run.py, rescore.py, explain.py.

Exit codes: 0 complete; 2 bad usage or bad input, said in one line; 3 finished with errors in some samples;
130 interrupted, resumable.
"""

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from eval_mm import options as command_line
from eval_mm.console import SAMPLE_ERRORS, Parser, align, count, guarded
from eval_mm.errors import UserError
from eval_mm.schema import Result

# The rest of the package is imported by the command that needs it: --help answers without.

JUDGING = "touchstone.after_run"
"""What scores open questions after a run."""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; returns the exit code."""
    given = sys.argv[1:] if argv is None else argv
    arguments = build_parser().parse_args(given, argparse.Namespace(argv=given))
    return guarded(
        lambda: arguments.command(arguments), "all answers so far are kept, the same command goes on"
    )


def build_parser() -> Parser:
    """The parser of all commands."""
    return command_line.build_parser({"run": _run, "score": _score, "explain": _explain, "list": _list})


def _run(arguments: argparse.Namespace) -> int:
    from eval_mm.data import Selection
    from eval_mm.few_shot import FewShot
    from eval_mm.report.table import breakdown_table, results_table
    from eval_mm.run import run

    if arguments.seed is not None and arguments.sample is None and arguments.few_shot is None:
        raise UserError("--seed is for --sample N and --few-shot K: without them there is nothing to draw")
    seed = arguments.seed or 0
    if arguments.model == "demo":  # small matrices gain nothing from threads, and lose all on busy cores
        os.environ.setdefault("OMP_NUM_THREADS", "1")
    judging, judge = _judging(arguments)
    report = run(
        arguments.model,
        arguments.task,
        arguments.data,
        protocol=arguments.protocol,
        selection=Selection(arguments.limit, arguments.sample, seed),
        few_shot=FewShot(arguments.few_shot, seed) if arguments.few_shot else None,
        on_request=_names(arguments.metrics),
        metric=arguments.metric,
        references=arguments.references,
        out=arguments.out,
        device=arguments.device,
        dtype=arguments.dtype,
        progress=True,
        arguments=arguments.argv,
    )
    results = [outcome.result for outcome in report.outcomes]
    code = 0
    if judging is not None:
        names = [result.task for result in results]
        done = judging.after(report.folder, judge, arguments.data, names, arguments.yes)
        results, code = [done.results.get(result.task, result) for result in results], done.code
    _print_banner(report.model.demo, report.root.demo)
    print(results_table(results, [outcome.seconds for outcome in report.outcomes]))
    if arguments.breakdowns:
        print(breakdown_table(results))
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
    _print_submissions(results, report.folder)
    print(f"answers, scores and results: {report.folder}")
    return max(code, _finish(results))


def _judging(arguments: argparse.Namespace) -> tuple[Any, Any]:
    """What judges open questions, loaded by name since nothing here may import it, and how it is to judge."""
    if arguments.judge is None:
        unused = {"--base-url": arguments.base_url, "--judge-prompt": arguments.judge_prompt}
        if given := [option for option, value in unused.items() if value is not None]:
            raise UserError(f"{given[0]} is for --judge MODEL")
        return None, None
    judging: Any = importlib.import_module(JUDGING)
    options = (arguments.judge, arguments.base_url, arguments.judge_prompt)
    judge = judging.options(*options, arguments.task, arguments.metric, arguments.references)
    if arguments.judge != "stub" and not arguments.yes and not sys.stdin.isatty():
        raise UserError(
            f"--judge {arguments.judge}: nobody is there to be asked before money is spent; add --yes, or "
            f"judge the finished run with python -m touchstone judge, which tells the cost first (--dry-run)"
        )
    return judging, judge


def _score(arguments: argparse.Namespace) -> int:
    from eval_mm.report.table import breakdown_table, results_table
    from eval_mm.rescore import score

    options = dict(
        task=arguments.task,
        predictions=arguments.predictions,
        protocol=arguments.protocol,
        data=arguments.data,
        subset=arguments.subset,
        metrics=_names(arguments.metrics),
        metric=arguments.metric,
        references=arguments.references,
        match=arguments.match,
        id_key=arguments.id_key,
        text_key=arguments.text_key,
        box_scale=arguments.box_scale,
        out=arguments.out,
    )
    by_folder = {folder: score(folder, **options) for folder in arguments.runs or [None]}
    results = [result for found in by_folder.values() for result in found]
    runs = [str(folder) for folder, found in by_folder.items() for _ in found]
    print(results_table(results, [None] * len(results), runs if len(by_folder) > 1 else None))
    if arguments.breakdowns:
        print(breakdown_table(results))
    for folder, found in by_folder.items():
        if place := folder or arguments.out:
            _print_submissions(found, place)
            print(f"scores and results: {place}")
    return _finish(results)


def _explain(arguments: argparse.Namespace) -> int:
    from eval_mm.explain import explain

    print(explain(arguments.run, arguments.sample, arguments.task, arguments.data))
    return 0


def _names(listed: str | None) -> list[str]:
    return [name.strip() for name in listed.split(",") if name.strip()] if listed else []


def _finish(results: Sequence[Result]) -> int:
    num_errors = sum(result.num_errors for result in results)
    if num_errors:
        print(
            f"failed samples: {num_errors:,}; they count as wrong, predictions.rank0.jsonl says why, and the "
            f"same run command asks only those again",
            file=sys.stderr,
        )
    for result in results:
        if unused := result.config.get("num_unused"):
            print(
                f"note: {unused:,} answers of the file belong to no sample of {result.task}", file=sys.stderr
            )
        if 10 * result.num_unparsed > result.num_samples and not result.demo:
            print(
                f"note: protocol {result.score_protocol} could not read {result.num_unparsed:,} answers to "
                f"{result.task}{_other_reader(result)}",
                file=sys.stderr,
            )
    return SAMPLE_ERRORS if num_errors else 0


def _other_reader(result: Result) -> str:
    """What reads answers that are not in the published form."""
    if result.score_protocol == "instruct":
        return ""
    if "accuracy@0.5" in result.metrics:
        return "; for boxes in another form try --protocol instruct"
    return "; letters in free text are read by --protocol instruct"


def _print_submissions(results: Sequence[Result], folder: str | os.PathLike[str]) -> None:
    """Where the files for evaluation servers are, and which of them are not whole."""
    from eval_mm import tasks

    for result in results:
        task = tasks.all_tasks().get(result.task)
        if task is not None and task.submission is not None and not result.metrics:
            whole = result.complete or result.num_samples == result.num_published
            part = "" if whole else f" (not the whole split: {result.num_samples:,} answers)"
            served = task.unscored == "not public"
            what = f"for the server of {task.name}" if served else f"{task.name}, {task.unscored} yet"
            for name in task.submission.files:
                print(f"{what}: {Path(folder, task.name, name)}{part}")


def _list(arguments: argparse.Namespace) -> int:
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

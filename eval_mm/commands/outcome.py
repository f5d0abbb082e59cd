"""What the verbs that make results print: the table of a run, and what to know of it."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from eval_mm.console import SAMPLE_ERRORS, seen_width
from eval_mm.schema import Result

if TYPE_CHECKING:
    from eval_mm.outcomes import Report


def show_results(reports: Sequence["Report"], results: Sequence[Result], breakdowns: bool) -> int:
    """One table of all that was measured, and what to know of it; returns the exit code."""
    from eval_mm.report.table import breakdown_table, results_table

    outcomes = [(report, outcome) for report in reports for outcome in report.outcomes]
    several = [str(report.folder) for report, _ in outcomes] if len(reports) > 1 else None
    print_banner(all(report.model.demo for report in reports), all(report.root.demo for report in reports))
    print(results_table(results, [outcome.seconds for _, outcome in outcomes], several, seen_width()))
    if breakdowns:
        print(breakdown_table(results))
    for report in reports:
        print_reused(report, f"{report.folder}: " if several else "")
    for notice in dict.fromkeys(notice for report in reports for notice in report.notices):
        print(f"note: {notice}", file=sys.stderr)
    for report, outcome in outcomes:
        place = f"error in a sample: {f'{report.folder}: ' if several else ''}{outcome.result.task}"
        for error in outcome.first_errors:
            print(f"{place} {error}", file=sys.stderr)
        if (more := outcome.result.num_errors - len(outcome.first_errors)) > 0:
            print(f"{place} and {more:,} more", file=sys.stderr)
    rest = list(results)
    for report in reports:
        own, rest = rest[: len(report.outcomes)], rest[len(report.outcomes) :]
        print_submissions(own, report.folder)
    print(f"answers, scores and results: {', '.join(str(report.folder) for report in reports)}")
    return finish(results)


def print_reused(report: "Report", where: str) -> None:
    """How many answers of earlier runs were taken; those of parts are not counted again in their whole."""
    from eval_mm.tasks import all_tasks

    known = all_tasks()
    parts = [
        one for one in report.outcomes if not (one.result.task in known and known[one.result.task].members)
    ]
    reused = [one.num_reused for one in parts if one.num_reused]
    if reused:
        tasks = f" in {len(reused)} tasks" if len(reused) > 1 else ""
        print(f"{where}{sum(reused):,} stored answer{'s' * (sum(reused) > 1)} reused{tasks}")


def exit_code(results: Sequence[Result]) -> int:
    """Whether samples failed."""
    return SAMPLE_ERRORS if any(result.num_errors for result in results) else 0


def finish(results: Sequence[Result]) -> int:
    """Says what failed or could not be read; returns the exit code."""
    num_errors = sum(result.num_errors for result in results)
    if num_errors:
        print(
            f"failed samples: {num_errors:,}; they count as wrong, predictions.rank*.jsonl say why, and the "
            f"same run command asks only those again",
            file=sys.stderr,
        )
    for result in results:
        if unused := result.config.get("num_unused"):
            print(
                f"note: {unused:,} answers of the file belong to no sample of {result.task}", file=sys.stderr
            )
        refused = result.config.get("num_refused", 0)
        if refused:
            print(
                f"note: the model refused to answer {refused:,} of {result.task}; they count as wrong",
                file=sys.stderr,
            )
        unread = result.num_unparsed - refused
        if 10 * unread > result.num_samples and not result.demo:
            print(
                f"note: protocol {result.score_protocol} could not read {unread:,} answers to "
                f"{result.task}{_other_reader(result)}",
                file=sys.stderr,
            )
    return exit_code(results)


def print_submissions(results: Sequence[Result], folder: str | os.PathLike[str]) -> None:
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


def print_banner(demo_model: bool, demo_data: bool) -> None:
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


def _other_reader(result: Result) -> str:
    """What reads answers that are not in the published form."""
    if result.score_protocol == "instruct":
        return ""
    if "accuracy@0.5" in result.metrics:
        return "; for boxes in another form try --protocol instruct"
    return "; letters in free text are read by --protocol instruct"

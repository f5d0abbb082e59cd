"""`run`: ask a model and score its answers."""

import argparse
import importlib
import os
import sys
from typing import Any

from eval_mm.commands.arguments import (
    add_data,
    add_own,
    add_settings,
    chosen_settings,
    filled,
    names,
    positive,
)
from eval_mm.commands.outcome import finish, print_banner, print_submissions
from eval_mm.console import Parser
from eval_mm.errors import UserError

PURPOSE = "ask a model and score its answers"

EXAMPLES = """
examples:
  python -m eval_mm run --task refcoco
  python -m eval_mm run --task refcoco_val,refcocog --model ./Qwen-VL --data data --dtype bfloat16
  python -m eval_mm run --task grounding --limit 100    the first 100 rows of each split
  python -m eval_mm run --task okvqa_val --few-shot 4 --model Qwen/Qwen-VL --data data
  python -m eval_mm run --task nocaps_val --metrics bleu,rouge_l,meteor --data data
  python -m eval_mm run --task file:my.jsonl --metric anls
  python -m eval_mm run --task refcoco_testA --model echo:answers.jsonl --data data
  python -m eval_mm run --task touchstone_en --model Qwen/Qwen-VL-Chat --judge gpt-4o --data data

Answers are stored as they finish; the same command goes on where it stopped.
"""

JUDGING = "touchstone.after_run"
"""What scores open questions after a run."""


def add_options(parser: Parser) -> None:
    """The options of `run`."""
    add = parser.add_argument
    add("--task", action="append", required=True, metavar="NAMES", help="tasks and families, comma-separated")
    add(
        "--model",
        default="demo",
        help="a folder or hub id of a Qwen-VL checkpoint, 'demo' (default), hf:FOLDER_OR_ID of any model of "
        "transformers, 'echo' or 'echo:FILE'",
    )
    add_data(parser)
    add("--protocol", help="prompt, limits and scorer (default: qwen-vl for Qwen-VL models)")
    rows = parser.add_mutually_exclusive_group()
    rows.add_argument("--limit", type=positive, metavar="N", help="only the first N rows of each task")
    rows.add_argument("--sample", type=positive, metavar="N", help="only N random rows of each task")
    add(
        "--few-shot",
        type=positive,
        metavar="K",
        help="K examples of the benchmark's training rows before every question",
    )
    add("--seed", type=int, metavar="S", help="of --sample and --few-shot (default 0)")
    add_own(parser)
    add(
        "--out",
        type=filled,
        metavar="DIR",
        help="run folder (default results/runs/<model>); an existing one is resumed",
    )
    add_settings(parser)
    judge = parser.add_argument_group("open questions (touchstone_en, touchstone_zh)")
    judge.add_argument("--judge", metavar="MODEL", help="who scores the answers: a model, or 'stub'")
    judge.add_argument("--judge-base-url", metavar="URL", help="the judge's server (default: OpenAI's)")
    judge.add_argument("--judge-prompt", metavar="FILE", help="what it is told: JSON with system, template")
    judge.add_argument("--yes", action="store_true", help="do not ask before spending")


def command(arguments: argparse.Namespace) -> int:
    """Asks, scores, prints; returns the exit code."""
    from eval_mm.data import Selection
    from eval_mm.few_shot import FewShot
    from eval_mm.models import Settings
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
        on_request=names(arguments.metrics),
        metric=arguments.metric,
        references=arguments.references,
        out=arguments.out,
        settings=Settings(**chosen_settings(arguments)),
        progress=True,
        arguments=arguments.argv,
    )
    results = [outcome.result for outcome in report.outcomes]
    code = 0
    if judging is not None:
        asked = [result.task for result in results]
        done = judging.after(report.folder, judge, arguments.data, asked, arguments.yes)
        results, code = [done.results.get(result.task, result) for result in results], done.code
    print_banner(report.model.demo, report.root.demo)
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
    print_submissions(results, report.folder)
    print(f"answers, scores and results: {report.folder}")
    return max(code, finish(results))


def _judging(arguments: argparse.Namespace) -> tuple[Any, Any]:
    """What judges open questions, loaded by name since nothing here may import it, and how it is to judge."""
    if arguments.judge is None:
        unused = {"--judge-base-url": arguments.judge_base_url, "--judge-prompt": arguments.judge_prompt}
        if given := [option for option, value in unused.items() if value is not None]:
            raise UserError(f"{given[0]} is for --judge MODEL")
        return None, None
    judging: Any = importlib.import_module(JUDGING)
    options = (arguments.judge, arguments.judge_base_url, arguments.judge_prompt)
    judge = judging.options(*options, arguments.task, arguments.metric, arguments.references)
    if arguments.judge != "stub" and not arguments.yes and not sys.stdin.isatty():
        raise UserError(
            f"--judge {arguments.judge}: nobody is there to be asked before money is spent; add --yes, or "
            f"judge the finished run with python -m touchstone judge, which tells the cost first (--dry-run)"
        )
    return judging, judge

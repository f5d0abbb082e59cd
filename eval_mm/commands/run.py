"""`run`: ask a model and score its answers."""

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eval_mm.commands.arguments import (
    add_data,
    add_own,
    add_settings,
    chosen_settings,
    count,
    filled,
    names,
    positive,
)
from eval_mm.commands.outcome import exit_code, show_results
from eval_mm.console import BAD_INPUT, Parser, printable
from eval_mm.errors import UserError

if TYPE_CHECKING:
    from eval_mm.jobs import Job

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
  python -m eval_mm run --task textvqa_val --model openai:gpt-4o --data data
  python -m eval_mm run --task vqa --model openai:mine --base-url http://localhost:8000/v1 --data data
  python -m eval_mm run --task vqav2_val --model py:my_model:MyModel --data data
  python -m eval_mm run --task touchstone_en --model Qwen/Qwen-VL-Chat --judge gpt-4o --data data

  python -m eval_mm run --task vqa --model Qwen/Qwen-VL --data data --dry-run
  python -m eval_mm run --config sweep.toml --limit 20 --dry-run

Answers are stored as they finish; the same command goes on where it stopped.

A sweep is a TOML file. Tasks, models and protocols stand in it; options beside it take the place of the rest.
Every model is loaded once, each model and protocol has a run folder of its own.

  tasks = ["refcoco", "textvqa_val"]
  protocols = ["qwen-vl", "instruct"]      # default: the one of each model
  data = "data"                            # likewise out, limit, sample, seed, few_shot, metrics
  [[models]]
  model = "Qwen/Qwen-VL"
  dtype = "bfloat16"                       # and every other option of how a model runs
  [[models]]
  model = "checkpoints/mine"
  name = "mine-step-2000"                  # of its run folders
"""

JUDGING = "touchstone.after_run"
"""What scores open questions after a run."""


def add_options(parser: Parser) -> None:
    """The options of `run`."""
    add = parser.add_argument
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--task", action="append", metavar="NAMES", help="tasks and families, comma-separated")
    what.add_argument("--config", type=filled, metavar="FILE", help="a sweep: models x tasks x protocols")
    add("--dry-run", action="store_true", help="show what would be asked; load, ask and write nothing")
    add(
        "--model",
        help="a folder or hub id of a Qwen-VL checkpoint, 'demo' (default), openai:NAME behind a server, "
        "hf:FOLDER_OR_ID of any model of transformers, py:module:Class of your own, 'echo' or 'echo:FILE'",
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
    add("--seed", type=count, metavar="S", help="of --sample and --few-shot (default 0)")
    add_own(parser)
    add(
        "--out",
        type=filled,
        metavar="DIR",
        help="run folder (default results/runs/<model>); an existing one is resumed; of a sweep the folder "
        "that holds its run folders",
    )
    add(
        "--fresh", action="store_true", help="start over; what the run folder holds is kept as DIR.1, .2, ..."
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
    from eval_mm.jobs import plan_run
    from eval_mm.models import Settings
    from eval_mm.processes.team import join
    from eval_mm.run import carry_out

    leads = join().leads  # under torchrun every process runs this command, and process 0 speaks
    if arguments.config is not None:
        return _sweep(arguments)
    if arguments.seed is not None and arguments.sample is None and arguments.few_shot is None:
        raise UserError("--seed is for --sample N and --few-shot K: without them there is nothing to draw")
    seed = arguments.seed or 0
    model = "demo" if arguments.model is None else arguments.model
    if model == "demo":  # small matrices gain nothing from threads, and lose all on busy cores
        os.environ.setdefault("OMP_NUM_THREADS", "1")
    judging, judge = (None, None) if arguments.dry_run else _judging(arguments)
    job = plan_run(
        model,
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
        fetch=not arguments.dry_run,
        fresh=arguments.fresh,
    )
    if arguments.dry_run:
        return _show_plan([job]) if leads else 0
    report = carry_out(job, progress=True, arguments=arguments.argv)
    results = [outcome.result for outcome in report.outcomes]
    if not leads:
        return exit_code(results)
    code = 0
    if judging is not None:
        asked = [result.task for result in results]
        done = judging.after(report.folder, judge, arguments.data, asked, arguments.yes)
        results, code = [done.results.get(result.task, result) for result in results], done.code
    return max(code, show_results([report], results, arguments.breakdowns))


def _sweep(arguments: argparse.Namespace) -> int:
    """All models of a file in all its protocols; one that fails leaves the others alone."""
    from eval_mm import models, preflight
    from eval_mm.processes.team import join
    from eval_mm.run import look_ahead
    from eval_mm.sweep import Failure, run_sweep, sweep_jobs
    from eval_mm.sweep_file import read_sweep

    for option, value in {"--model": arguments.model, "--protocol": arguments.protocol}.items():
        if value is not None:
            raise UserError(
                f"{option} is not for --config {arguments.config}: models and protocols stand in it"
            )
    for option in ("judge", "judge_base_url", "judge_prompt"):
        if getattr(arguments, option) is not None:
            raise UserError(
                f"--{option.replace('_', '-')} is not for --config; judge the finished runs with "
                f"python -m touchstone judge"
            )
    given = {key: getattr(arguments, key) for key in ("data", "out", "limit", "sample", "seed", "few_shot")}
    given |= {"metrics": names(arguments.metrics) or None}
    given |= {"metric": arguments.metric, "references": arguments.references}
    instead = {key: value for key, value in given.items() if value is not None}
    sweep = read_sweep(Path(arguments.config), instead, chosen_settings(arguments))
    if all(table.model == "demo" or not models.scheme_of(table.model).sees for table in sweep.models):
        os.environ.setdefault("OMP_NUM_THREADS", "1")
    planned, problems, notes = sweep_jobs(sweep, fetch=not arguments.dry_run)
    jobs = [replace(job, fresh=arguments.fresh) for job in planned]
    leads = join().leads
    if arguments.dry_run:
        return _show_plan(jobs, problems, notes) if leads else 0
    preflight.refuse(problems)
    for note in (*notes, *look_ahead(jobs)):
        if leads:
            print(f"note: {note}", file=sys.stderr)
    done = list(run_sweep(jobs, progress=True, arguments=arguments.argv))
    reports = [one for one in done if not isinstance(one, Failure)]
    failures = [one for one in done if isinstance(one, Failure)]
    results = [outcome.result for report in reports for outcome in report.outcomes]
    if not leads:
        return min((one.code for one in failures), default=exit_code(results))
    code = show_results(reports, results, arguments.breakdowns) if reports else 0
    for failure in failures:
        print(f"error: {failure.job.out}: {printable(failure.reason)}", file=sys.stderr)
    return min((one.code for one in failures), default=code)  # bad input before what may be tried again


def _show_plan(jobs: Sequence["Job"], problems: Sequence[str] = (), notes: Sequence[str] = ()) -> int:
    """The table of what would be asked, what should be known, and what is wrong."""
    from eval_mm import preflight
    from eval_mm.dry_run import show

    if jobs:
        print(show(jobs))
    found = preflight.look(jobs)
    notices = [
        notice
        for job in jobs
        for notice in (*job.wanted.notices, *preflight.replaced(job), *job.planned.notices)
    ]
    for note in dict.fromkeys((*notes, *notices, *found.notes)):
        print(f"note: {printable(note)}", file=sys.stderr)
    wrong = [*problems, *found.problems]
    for problem in wrong:
        print(f"error: {printable(problem)}", file=sys.stderr)
    print("a dry run: nothing was loaded, asked or written")
    return BAD_INPUT if wrong else 0


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

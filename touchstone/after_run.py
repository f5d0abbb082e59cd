"""`eval_mm run --judge MODEL`: the judging that follows a run. It is loaded by name."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from eval_mm import tasks
from eval_mm.errors import UserError
from eval_mm.schema import Result
from touchstone import cli
from touchstone.answered import judged_tasks
from touchstone.judging import judge
from touchstone.options import Options, checked


class Done(NamedTuple):
    """The judged results by task, and the exit code that they ask for."""

    results: Mapping[str, Result]
    code: int


def options(
    model: str,
    base_url: str | None,
    judge_prompt: str | None,
    names: Sequence[str],
    metric: str | None = None,
    references: str | None = None,
) -> Options:
    """How to judge; raises UserError before a model is asked for what would fail afterwards."""
    if not {task.name for task in tasks.resolve(names, metric, references)} & {*judged_tasks()}:
        raise UserError(f"--judge is for {' and '.join(judged_tasks())}; none of them is in --task")
    chosen = Options(model, base_url=base_url, judge_prompt=judge_prompt)
    chosen.settings()
    checked(chosen)
    return chosen


def after(
    folder: Path, chosen: Options, data: str | os.PathLike[str] | None, names: Sequence[str], yes: bool
) -> Done:
    """Judges the tasks of `names` that have open questions."""
    agree = cli.tell if yes else cli.asking(chosen.judge)
    verdicts = [
        verdict
        for name in names
        if name in judged_tasks()
        for verdict in judge(folder, chosen, task=name, data=data, agree=agree, progress=True)
    ]
    return Done({verdict.result.task: verdict.result for verdict in verdicts}, cli.told(verdicts))

"""Runs on the demo data whose answers are known: right, wrong, unreadable, failed."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from eval_mm.data import DEMO_ROOT
from eval_mm.report.page.html import MAX_BYTES, MAX_SAMPLES, write_html
from eval_mm.report.runs import load_runs
from eval_mm.run import run
from eval_mm.schema import ModelInfo
from eval_mm.tasks import get
from tests.eval_mm.support import ScriptedModel

Answer = Callable[[int, Mapping[str, Any]], str]
"""From the place of a row and the row to what a model says; a ValueError is a sample that fails."""

UNPARSED, FAILED = 4, 5
"""Places of rows that every model answers without a box, and that fail."""


def demo_rows(task: str) -> list[dict[str, Any]]:
    """The rows of a task of the demo data."""
    lines = (DEMO_ROOT / get(task).path).read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def right(task: str, row: Mapping[str, Any]) -> str:
    """What a model must say to be right."""
    if not task.startswith("ref"):
        return str(row["answers"][0]) if "answers" in row else "?"
    sides = [row["width"], row["height"]] * 2
    left, top, to_right, bottom = (
        round(999 * edge / side) for edge, side in zip(row["box"], sides, strict=True)
    )
    return f"({left},{top}),({to_right},{bottom})"


def wrong_at(task: str, every: int) -> Answer:
    """Right answers but for each `every`-th, one that cannot be read, and one that fails."""

    def answer(place: int, row: Mapping[str, Any]) -> str:
        if place == FAILED:
            raise ValueError("the server fell over <b>hard</b>")
        if place == UNPARSED:
            return "no idea"
        if place % every == 0:
            return "(1,1),(40,40)" if task.startswith("ref") else "wrong answer"
        return right(task, row)

    return answer


def ask(out: Path, name: str, answers: Mapping[str, Answer], data: str = "demo") -> Path:
    """A run folder of a model that answers so."""
    for task, answer in answers.items():
        rows = demo_rows(task) if data == "demo" else _rows(Path(data), task)
        places = {row["id"]: place for place, row in enumerate(rows)}
        model = ScriptedModel(lambda request, a=answer, p=places, r=rows: a(p[request.id], r[p[request.id]]))  # type: ignore[misc]
        model.info = ModelInfo(name, f"of {name}", protocol="qwen-vl")
        run(model, [task], data, out=out)
    return out


def demo_run(out: Path, name: str, every: int, *tasks: str) -> Path:
    """A run folder of a model that is wrong on each `every`-th question of the demo data."""
    return ask(out, name, {task: wrong_at(task, every) for task in tasks})


def page(
    path: Path,
    *folders: Path,
    data: Path | None = None,
    published: bool = True,
    max_samples: int = MAX_SAMPLES,
    max_bytes: int = MAX_BYTES,
) -> Path:
    """The page of run folders."""
    write_html(
        load_runs(folders),
        path,
        data=data,
        published=published,
        max_samples=max_samples,
        max_bytes=max_bytes,
    )
    return path


def _rows(data: Path, task: str) -> list[dict[str, Any]]:
    lines = (data / get(task).path).read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]

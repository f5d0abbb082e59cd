"""Results and run folders made by hand, for the tests of reports."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from eval_mm import tasks
from eval_mm.report.cells import Cell, Row, Table
from eval_mm.schema import Metric, Result

NASTY = "a|b <i>&_%$#{}~^\\\"`' *x* [y](z) \n\t\x1b[31m ünï 漢字"
"""A model name that means something to every format."""


def result(
    task: str = "refcoco_val",
    value: float = 77.2137,
    *,
    metric: str = "accuracy@0.5",
    metrics: Mapping[str, Metric] | None = None,
    model: str = "m",
    prompt: str = "qwen-vl",
    scorer: str = "qwen-vl",
    num_samples: int | None = None,
    unparsed: int = 3,
    errors: int = 0,
    complete: bool = True,
    demo: bool = False,
    version: int | None = None,
    **config: Any,
) -> Result:
    """A whole, zero-shot result of the published split unless told otherwise."""
    known = tasks.all_tasks().get(task)
    published = known.num_samples if known else None
    interval = (round(value - 1.0137, 4), round(value + 0.9863, 4))
    return Result(
        task=task,
        version=(known.version if known else 1) if version is None else version,
        model=model,
        prompt_protocol=prompt,
        score_protocol=scorer,
        metrics=dict(metrics) if metrics is not None else {metric: Metric(value, 0.5123, interval)},
        num_samples=num_samples or published or 100,
        num_published=published,
        num_unparsed=unparsed,
        num_errors=errors,
        complete=complete,
        demo=demo,
        config={"selection": {}, "few_shot": None, "data_sha256": "d", "model_fingerprint": "f", **config},
    )


def write(folder: Path, *results: Result, scorer: str = "") -> Path:
    """A folder as `score --out` leaves it, with these results; `scorer` writes them beside the first ones.

    Of the scores there are as many lines as samples, with nothing in them.
    """
    for one in results:
        path = folder / one.task / (f"result.{scorer}.json" if scorer else "result.json")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(one.to_json()), encoding="utf-8")
        scores = path.with_name(path.name.replace("result", "scores") + "l")
        scores.write_bytes(b"\n" * one.num_samples)
    return folder


def write_manifest(folder: Path, *names: str, finished: bool = True, **entry: Any) -> Path:
    """The manifest of a run that asked these tasks; `entry` changes what is told of each."""
    told = {
        "data": "data",
        "data_sha256": "d",
        "selection": {"limit": None, "sample": None, "seed": 0},
        "protocol": "qwen-vl",
        "version": 1,
        "model": {"name": "m", "fingerprint": "f"},
        **entry,
    }
    record = {"model": "m", "started": "2026-01-01T00:00:00Z"} | ({"finished": "-"} if finished else {})
    manifest = {"tasks": dict.fromkeys(names, told), "runs": [record]}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    return folder


def titled(tables: list[Table], title: str) -> Table:
    """The table of that title."""
    (found,) = [table for table in tables if table.title == title]
    return found


def named(table: Table, name: str, group: str | None = None) -> Row:
    """The row of that name."""
    (found,) = [row for row in table.rows if row.name == name and group in (None, row.group)]
    return found


def cell(table: Table, name: str, task: str, metric: str | None = None) -> Cell:
    """The cell of a row for a task, of its first metric unless told otherwise."""
    places = [
        place
        for place, column in enumerate(table.columns)
        if any(one.task == task and metric in (None, one.metric) for one in column.places)
    ]
    found = named(table, name).cells[places[0]]
    assert found is not None, f"{name} has no number for {task}"
    return found

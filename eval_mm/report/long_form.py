"""A report as CSV: one line per run, task and metric with all that was recorded, for other programs.

Numbers are exact: `value` is what result.json has, the score of a published figure what its table prints.
The counts are those of a whole task and empty for its parts.
A text that a spreadsheet would compute (it begins with = + - @) has an apostrophe before it.
"""

import csv
import io
from collections.abc import Iterator, Sequence
from typing import Any

from eval_mm.console import printable
from eval_mm.report.leaderboards import RUNS, entrants_of
from eval_mm.report.notes import judge_of, marks, shots_of
from eval_mm.report.published import Figure, figures
from eval_mm.report.runs import Run
from eval_mm.schema import Metric, Result

COLUMNS = (
    "run",
    "group",
    "model",
    "task",
    "metric",
    "value",
    "stderr",
    "ci95_low",
    "ci95_high",
    "num_samples",
    "num_published",
    "num_unparsed",
    "num_errors",
    "complete",
    "demo",
    "shots",
    "prompt_protocol",
    "score_protocol",
    "judge",
    "task_version",
    "section",
    "source",
    "note",
)
COUNTS = ("num_samples", "num_published", "num_unparsed", "num_errors")
FORMULA_SIGNS = ("=", "+", "-", "@")


def render(runs: Sequence[Run], published: bool) -> str:
    """The report as CSV: every metric and breakdown of the runs, then the published figures as they stand."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n", restval="")
    writer.writeheader()
    for row in _own(runs):
        writer.writerow({name: _field(value) for name, value in row.items()})
    for figure in figures() if published else ():
        fields = {name: _field(value) for name, value in _published(figure).items()}
        writer.writerow(fields | {"value": figure.score})
    return text.getvalue().rstrip("\n")


def _own(runs: Sequence[Run]) -> Iterator[dict[str, Any]]:
    for entrant in entrants_of(runs):
        for result in entrant.results.values():
            for name, metric in result.metrics.items() or [("", None)]:
                own = {**_of_result(result), **_of_metric(name, metric)}
                if "/" in name:  # a result counts the samples of the whole alone
                    own |= dict.fromkeys(COUNTS)
                yield {"run": entrant.name, "group": RUNS, **own}


def _of_metric(name: str, metric: Metric | None) -> dict[str, Any]:
    if metric is None:
        return {"metric": name}
    low, high = metric.ci95 or (None, None)
    return {
        "metric": name,
        "value": metric.value,
        "stderr": metric.stderr,
        "ci95_low": low,
        "ci95_high": high,
    }


def _of_result(result: Result) -> dict[str, Any]:
    return {
        "model": result.model,
        "task": result.task,
        "num_samples": result.num_samples,
        "num_published": result.num_published,
        "num_unparsed": result.num_unparsed,
        "num_errors": result.num_errors,
        "complete": result.complete,
        "demo": result.demo,
        "shots": shots_of(result),
        "prompt_protocol": result.prompt_protocol,
        "score_protocol": result.score_protocol,
        "judge": judge_of(result),
        "task_version": result.version,
        "note": ", ".join(mark.text for mark in marks(result)),
    }


def _published(figure: Figure) -> dict[str, Any]:
    return {
        "group": figure.group,
        "model": figure.model,
        "task": figure.task,
        "metric": figure.metric,
        "section": figure.section,
        "source": figure.source,
        "note": figure.note,
    }


def _field(value: Any) -> str:
    """A field as it is written."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(value)
    text = printable(value)
    return f"'{text}" if text.lstrip().startswith(FORMULA_SIGNS) else text

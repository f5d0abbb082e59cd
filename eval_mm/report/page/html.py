"""One HTML file with everything: leaderboards, charts, and every answer to look at.

It opens from disk without a network and can load nothing (eval_mm/report/one_file.py). All texts of models
and of data are escaped: by the template here, and by `textContent` in its script, which never writes markup.
"""

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from markupsafe import Markup

from eval_mm.errors import UserError
from eval_mm.files import write_text
from eval_mm.report.boards import Column
from eval_mm.report.cells import Row, Table
from eval_mm.report.leaderboards import RUNS, by_scorer, leaderboards
from eval_mm.report.one_file import embedded_json, policy, templates
from eval_mm.report.page import charts, views
from eval_mm.report.page.comparison import comparison_of
from eval_mm.report.page.samples import Block, sample_blocks
from eval_mm.report.page.texts import num_bytes
from eval_mm.report.ranking import LOWER_IS_BETTER, contest_of
from eval_mm.report.runs import Run

ASSETS = Path(__file__).parent / "assets"
SCRIPTS = ("page.js", "leaderboard.js", "sample.js", "browser.js")

MAX_SAMPLES, MAX_BYTES = 500, 25_000_000

OUTCOME_BYTES = 2500
"""What the distribution of one run's scores takes in the page."""


def write_html(
    runs: Sequence[Run],
    path: Path,
    *,
    data: Path | None,
    published: bool,
    max_samples: int = MAX_SAMPLES,
    max_bytes: int = MAX_BYTES,
) -> None:
    """Writes the report of runs, the whole file or nothing; the same folders make the same bytes.

    Args:
        runs: the runs, a column of bars each.
        path: the file.
        data: the data root with rows and pictures; None means the one each run was made with.
        published: show the papers' figures too.
        max_samples: of how many samples of a task each run has pictures, worst first.
        max_bytes: how long the file may be; samples that do not fit are left out, and the page says so.

    Raises:
        UserError: tables and charts alone are longer than that.
    """
    write_text(path, html(runs, data, published, max_samples, max_bytes))


def html(runs: Sequence[Run], data: Path | None, published: bool, max_samples: int, max_bytes: int) -> str:
    """The page as text."""
    scored = by_scorer(runs)
    facts = _facts(runs, scored, data, published, max_samples, max_bytes)
    frame = num_bytes(_render(facts, {})) + OUTCOME_BYTES * sum(len(one.results) for one in scored)
    if frame > max_bytes:
        raise UserError(
            f"max_bytes: tables and charts alone take {frame:,} bytes, "
            f"more than the {max_bytes:,} allowed (--max-mb)"
        )
    return _render(facts, sample_blocks(scored, data, max_samples, max_bytes - frame))


def _facts(
    runs: Sequence[Run],
    scored: Sequence[Run],
    data: Path | None,
    published: bool,
    max_samples: int,
    max_bytes: int,
) -> dict[str, Any]:
    """What the template shows besides samples; `scored` are the runs by scorer."""
    tables = leaderboards(runs, published=published)
    own = [table for table in tables if any(map(_is_run, table.rows))]
    tasks = views.task_views(runs, scored, published)
    results = [result for run in runs for result in run.results.values()]
    config = {
        "runs": [{"name": one.name, "folder": str(one.folder)} for one in scored],
        "tasks": [{"name": task.name, "title": task.title} for task in tasks],
        "maxSamples": max_samples,
    }
    return {
        "runs": views.run_views(runs),
        "comparison": comparison_of(runs, data),
        "tables": own if runs else tables,
        "other_tables": [table for table in tables if table not in own] if runs else [],
        "radar": charts.radar(tables, runs),
        "charts": charts.overview(tables, runs, published),
        "tasks": tasks,
        "families": {
            task.family: [other for other in tasks if other.family == task.family] for task in tasks
        },
        "published": published,
        "all_demo": bool(results) and all(result.demo for result in results),
        "max_samples": max_samples,
        "max_bytes": max_bytes,
        "config": Markup(embedded_json(config)),
    }


def _render(facts: Mapping[str, Any], blocks: Mapping[str, Block]) -> str:
    style = (ASSETS / "report.css").read_text(encoding="utf-8")
    script = "".join((ASSETS / name).read_text(encoding="utf-8") for name in SCRIPTS)
    environment = templates(ASSETS)
    environment.globals |= {"contest_of": contest_of, "heads": _heads, "is_run": _is_run, "low": _low}
    return environment.get_template("report.html.j2").render(
        **facts,
        policy=policy(style, script),
        style=Markup(style),
        script=Markup(script),
        blocks={name: Markup(block.json) for name, block in blocks.items()},
        outcomes=views.outcome_views({name: block.outcomes for name, block in blocks.items()}),
    )


class Head(NamedTuple):
    """The name of a benchmark above the columns of its splits."""

    name: str
    width: int


def _heads(table: Table) -> list[Head]:
    """The upper line of a table's heading: neighbours of one benchmark share it."""
    groups = itertools.groupby(column.benchmark for column in table.columns)
    return [Head(name, len(list(found))) for name, found in groups]


def _is_run(row: Row) -> bool:
    return row.group == RUNS


def _low(column: Column) -> bool:
    """Whether less is better."""
    return any(place.metric in LOWER_IS_BETTER for place in column.places)

"""What the page's template shows besides charts, made ready: runs, and a section for every task."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from markupsafe import Markup

from eval_mm.report.boards import BOARDS
from eval_mm.report.cells import error_of, number
from eval_mm.report.leaderboards import entrants_of
from eval_mm.report.notes import Mark, marks
from eval_mm.report.page import charts, svg
from eval_mm.report.runs import Run
from eval_mm.report.scores_file import Outcomes
from eval_mm.schema import Result
from eval_mm.tasks import all_tasks

FAMILIES = {
    "captioning": "Captioning",
    "vqa": "General VQA",
    "text_vqa": "Text-oriented VQA",
    "grounding": "Grounding",
    "choice": "Multiple choice",
    "yes_no": "Yes or no",
    "dialogue": "Open questions",
}
OTHERS = "Own data"

OUTCOMES = {
    "right": "right",
    "partly_4": "partly right, 0.75 to 1",
    "partly_3": "partly right, 0.5 to 0.75",
    "partly_2": "partly right, 0.25 to 0.5",
    "partly_1": "partly right, 0 to 0.25",
    "wrong": "wrong",
    "unparsed": "unparsed",
    "errors": "failed",
    "unscored": "without a score",
}


class RunView(NamedTuple):
    """A run in the list of runs."""

    name: str
    sign: Markup
    folder: str
    model: str
    tasks: int
    samples: int
    problems: Sequence[str]


class ResultView(NamedTuple):
    """A run's result of a task, or another scorer's, by its place among the runs by scorer.

    `metrics` are name, value, standard error and 95 % interval of each.
    """

    place: int
    name: str
    sign: Markup
    metrics: Sequence[tuple[str, str, str, str]]
    counts: str
    marks: Sequence[Mark]
    unscored: str


class TaskView(NamedTuple):
    """The section of a task."""

    name: str
    title: str
    family: str
    members: Sequence[str]
    results: Sequence[ResultView]
    charts: Sequence[charts.Chart]


class OutcomeView(NamedTuple):
    """How the scores of one run's samples are distributed."""

    bar: Markup
    parts: Sequence[svg.Part]


def run_views(runs: Sequence[Run]) -> list[RunView]:
    """The runs with where they lie and what is wrong with them."""
    return [
        RunView(
            run.name,
            svg.swatch(place),
            str(run.folder),
            ", ".join(dict.fromkeys(result.model for result in run.results.values())),
            len(run.results),
            sum(result.num_samples for name, result in run.results.items() if not members_of(name)),
            run.problems,
        )
        for place, run in enumerate(runs)
    ]


def members_of(task: str) -> list[str]:
    """The tasks that a composite task is made of."""
    known = all_tasks().get(task)
    return [member.name for member in known.members] if known else []


def task_views(runs: Sequence[Run], scored: Sequence[Run], published: bool) -> list[TaskView]:
    """A section for every task that any run has a result of, by family; `scored` are the runs by scorer."""
    known = list(all_tasks())
    families = [*FAMILIES.values(), OTHERS]
    looks = {run.name: place for place, run in enumerate(runs)}
    places = {one.name: place for place, one in enumerate(scored)}
    names = sorted(
        dict.fromkeys(task for one in scored for task in one.results),
        key=lambda name: (
            families.index(_family(name)),
            known.index(name) if name in known else len(known),
        ),
    )
    return [
        TaskView(
            name,
            _title(name),
            _family(name),
            members_of(name),
            [
                _result(
                    places[entrant.name],
                    entrant.name,
                    svg.swatch(looks[entrant.run]),
                    entrant.results[name],
                )
                for entrant in entrants_of(runs)
                if name in entrant.results
            ],
            charts.breakdowns(name, runs, published),
        )
        for name in names
    ]


def outcome_views(found: Mapping[str, Mapping[int, Outcomes]]) -> dict[str, dict[int, OutcomeView]]:
    """By task and place of a run the distribution; nothing for tasks that are made of others."""
    shown: defaultdict[str, dict[int, OutcomeView]] = defaultdict(dict)
    for task, by_run in found.items():
        for place, counts in by_run.items():
            parts = [svg.Part(kind, size, OUTCOMES[kind]) for kind, size in counts._asdict().items()]
            shown[task][place] = OutcomeView(svg.stack(parts), parts)
    return shown


def _title(task: str) -> str:
    """The benchmark and its split, as tables call them."""
    for board in BOARDS:
        found = [
            column
            for column in board.columns
            for place in column.places
            if place.task == task and "/" not in place.metric
        ]
        if found:
            return found[0].benchmark if len(found) > 1 else f"{found[0].benchmark} {found[0].split}"
    return task


def _family(task: str) -> str:
    known = all_tasks().get(task)
    return next((FAMILIES[name] for name in known.families if name in FAMILIES), OTHERS) if known else OTHERS


def _result(place: int, name: str, sign: Markup, result: Result) -> ResultView:
    known = all_tasks().get(result.task)
    of = f" of {result.num_published:,}" if result.num_published else ""
    return ResultView(
        place,
        name,
        sign,
        [
            (told, number(metric.value), error_of(metric).stderr, charts.interval(metric))
            for told, metric in result.metrics.items()
            if "/" not in told
        ],
        f"{result.num_samples:,}{of} samples, {result.num_unparsed:,} unparsed, {result.num_errors:,} errors",
        marks(result),
        "" if result.metrics else known.unscored if known else "not scored",
    )

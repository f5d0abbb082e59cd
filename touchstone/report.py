"""What was judged, to look at: a table for the terminal, and one HTML file that needs nothing else.

The file opens without a network and can load nothing: its Content-Security-Policy allows its own style and
script, by their hashes, and pictures inside it. All texts of models, judges and data are escaped.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from eval_mm.console import align
from eval_mm.report.one_file import policy, templates, thumbnail
from eval_mm.schema import Metric, Result
from eval_mm.tasks.touchstone import DIMENSIONS, dimensions_of, parts_of
from touchstone import published, replies
from touchstone.answered import Answered
from touchstone.journal import ORDERS, Judgement
from touchstone.prompts import poses
from touchstone.scores import HEADLINE, OTHER, Judged

SIDE = 200
"""The longer side of a thumbnail in pixels."""

ASSETS = Path(__file__).parent / "assets"

STUB_WARNING = "The judge is the stub: word overlap, no judgement of quality."

TITLES = {
    "lower": "lower bound, missing ones as 1",
    "upper": "upper bound, missing ones as 10",
    "reference": "the reference answers' own score",
    "same_winner": "both orders prefer the same answer, %",
    "order_gap": "distance of an answer's two scores, points",
    "position_bias": "answer shown first less second, points",
}
"""What the figures beside the score are."""


class Line(NamedTuple):
    """A figure of the table."""

    title: str
    value: str
    stderr: str
    group: str


class View(NamedTuple):
    """One judgement as it is shown."""

    order: str
    answer: str
    reference: str
    reason: str


class Row(NamedTuple):
    """One question as it is shown."""

    id: str
    pictures: list[str]
    question: str
    annotation: str
    reference: str
    answer: str | None
    score: float | None
    reference_score: float | None
    views: list[View]
    dimensions: tuple[str, ...]
    parts: tuple[str, ...]
    poses: bool


def lines(metrics: Mapping[str, Metric]) -> list[Line]:
    """The figures, each with what it is: of the whole, of dimensions, of sub-tasks."""
    found = []
    for name, metric in metrics.items():
        part = name.removeprefix(HEADLINE).removeprefix("/")
        kind, equals, label = part.partition("=")
        title = (label if equals else TITLES.get(part, part)) or "TouchStone score"
        group = {"dimension": "dimension", "task": "sub-task"}.get(kind, "") if equals else ""
        digits = 1 if abs(metric.value) >= 10 else 2
        stderr = "" if metric.stderr is None else f"{metric.stderr:.{digits}f}"
        found.append(Line(title, f"{metric.value:.{digits}f}", stderr, group))
    return sorted(found, key=lambda line: ("", "dimension", "sub-task").index(line.group))


def bounds(result: Result) -> str:
    """How many judgements are missing and what the score could be with them; empty where it is the score."""
    metrics, judge = result.metrics, result.config["judge"]
    low, high = (metrics.get(f"{HEADLINE}/{name}") for name in ("lower", "upper"))
    if low is None or high is None or low.value == high.value:
        return ""
    missing = judge["unreadable"] + judge["not_asked"] + len(ORDERS) * result.num_errors
    return f"{missing:,} judgements missing, bounds {low.value:.1f}-{high.value:.1f}"


def table(result: Result) -> str:
    """The figures of a result, and the published ones of its task, for the terminal."""
    judge = result.config["judge"]
    rows = [("figure", "value", "± stderr")]
    for line in lines(result.metrics):
        rows.append((f"{line.group} {line.title}".strip(), line.value, line.stderr))
    if len(rows) == 1:
        rows.append(("nothing was judged", "-", ""))
    told = [
        f"{result.model} on {result.task}, judged by {judge['model']} with prompt {judge['prompt']} "
        f"{judge['prompt_sha256'][:12]} (judge {judge['hash']})",
        align(rows),
        f"answers {result.num_samples:,}, judgements {judge['judgements']:,}, unreadable "
        f"{judge['unreadable']:,}, not asked {judge['not_asked']:,}, failed answers {result.num_errors:,}, "
        f"answers posing as part of a prompt {judge['posing_answers']:,}",
    ]
    if found := bounds(result):
        told.append(found)
    figures = published.figures(result.task)
    if figures:
        told.append(f"\npublished, {published.JUDGED_BY}: not to be compared with another judge")
        shown = [(figure.model, figure.score) for figure in figures]
        told.append(align([("model", "score"), *shown]))
    return "\n".join(told)


def html(answered: Answered, result: Result, judged: Sequence[Judged]) -> str:
    """The report as one HTML text."""
    style, script = ((ASSETS / name).read_text(encoding="utf-8") for name in ("report.css", "report.js"))
    root = answered.stored.dataset.root.path
    pictures = {
        image.path: thumbnail(root / image.path, SIDE) for one in judged for image in one.sample.images
    }
    rows = [_row(one, pictures) for one in judged]
    return (
        templates(ASSETS)
        .get_template("report.html.j2")
        .render(
            style=style,
            script=script,
            policy=policy(style, script),
            result=result,
            judge=result.config["judge"],
            warning=STUB_WARNING if result.config["judge"]["model"] == "stub" else "",
            bounds=bounds(result),
            lines=lines(result.metrics),
            figures=published.figures(result.task),
            judged_by=published.JUDGED_BY,
            rows=rows,
            dimensions=_present((one.dimensions for one in rows), [d.name for d in DIMENSIONS]),
            parts=_present((one.parts for one in rows), [part[0] for d in DIMENSIONS for part in d.parts]),
        )
    )


def _row(one: Judged, pictures: Mapping[str, str]) -> Row:
    facts: Mapping[str, Any] = one.sample.metadata
    return Row(
        id=one.sample.id,
        pictures=[pictures[image.path] for image in one.sample.images],
        question=one.sample.question,
        annotation=facts["human_annotation"],
        reference=facts["reference_answer"],
        answer=one.answer,
        score=one.mean,
        reference_score=one.reference_mean,
        views=[_view(order, said) for order, said in zip(ORDERS, one.judgements, strict=True)],
        dimensions=dimensions_of(one.sample) or (OTHER,),
        parts=parts_of(one.sample),
        poses=one.answer is not None and poses(one.answer),
    )


def _view(order: int, said: Judgement | None) -> View:
    shown = "reference answer shown first" if order == ORDERS[0] else "model's answer shown first"
    if said is None:
        return View(shown, "-", "-", "not judged")
    found = replies.read(said.reply)
    if said.answer is None or said.reference is None or found is None:
        return View(shown, "-", "-", f"the reply could not be read: {said.reply}")
    return View(shown, f"{said.answer:g}", f"{said.reference:g}", found.reason)


def _present(labels: Iterable[Iterable[str]], known: Sequence[str]) -> list[str]:
    """The labels that rows have, in the table's order, others after them."""
    found = {label for row in labels for label in row}
    return [label for label in known if label in found] + sorted(found - set(known))

"""A comparison for the terminal: what differs, two tables, what that means in words, samples that changed."""

import json
import textwrap
from collections.abc import Iterator, Sequence

from eval_mm.compare.runs import Comparison
from eval_mm.compare.task import Changed, TaskComparison
from eval_mm.console import align, count, printable, seen_length
from eval_mm.paired import POWER, SIGNIFICANT, Paired
from eval_mm.report.plain import fitted
from eval_mm.schema import Score
from eval_mm.tasks import all_tasks

WIDTH = 100
SIDES = "AB"


def render(found: Comparison, terminal: int | None = None) -> str:
    """The whole comparison as text; tables wider than the terminal stand in parts."""
    width = min(WIDTH, terminal or WIDTH)
    parts = [_runs(found), _differences(found, width, terminal)]
    compared = [task for task in found.tasks if task.numbers]
    if compared:
        parts += [_numbers(compared, terminal), _evidence(compared, width, terminal)]
    parts += [_lines(left_out(found), width), _lines(words(found), width)]
    parts += [_samples(task, width) for task in found.tasks if task.changed and not _is_shown(task, found)]
    return "\n\n".join(part for part in parts if part)


def _runs(found: Comparison) -> str:
    return "\n".join(
        f"{side}  {printable(str(run.folder))}"
        for side, run in zip(SIDES, (found.first, found.second), strict=True)
    )


def _differences(found: Comparison, width: int, terminal: int | None) -> str:
    names = [task.task for task in found.tasks]
    if not found.differences:
        same = "The same model, prompts, scorers, data and programs, as far as the runs tell."
        return textwrap.fill(same, width)
    rows = [("what differs", *SIDES, "tasks")]
    for one in found.differences:
        where = "all" if len(one.tasks) == len(names) else ", ".join(one.tasks)
        rows.append((one.what, one.first, one.second, where))
    used = sum(max(seen_length(row[column]) for row in rows) + 2 for column in range(3))
    rows = [(*row[:3], _cut(row[3], max(20, width - used))) for row in rows]
    return fitted(rows, {0, 1, 2, 3}, terminal)


def _numbers(tasks: Sequence[TaskComparison], terminal: int | None) -> str:
    rows = [("task", "metric", "n", *SIDES, "B - A", "± stderr", "95 % interval", "p")]
    for task, name, metric, one in _listed(tasks):
        interval = "-" if one.ci95 is None else f"{one.ci95[0]:+.2f} to {one.ci95[1]:+.2f}"
        stderr = "-" if one.stderr is None else f"{one.stderr:.2f}"
        values = (f"{one.first:.2f}", f"{one.second:.2f}", f"{one.difference:+.2f}", stderr)
        rows.append((name, metric, f"{task.num_samples:,}", *values, interval, p_text(one.p_holm)))
    return fitted(rows, {0, 1}, terminal, labels=2)


def _evidence(tasks: Sequence[TaskComparison], width: int, terminal: int | None) -> str:
    rows = [("task", "p alone", "detectable", "gained", "lost", "note")]
    last = ""
    for task, name, metric, one in _listed(tasks):
        detectable = "-" if one.detectable is None else f"{one.detectable:.2f}"
        first = task.task != last
        counts = (count(len(task.gained)), count(len(task.lost))) if first else ("", "")
        rows.append((name or metric, p_text(one.p), detectable, *counts, note(task) if first else ""))
        last = task.task
    compared = sum(len(task.numbers) for task in tasks)
    meaning = (
        f"p: how often chance alone would make as great a difference, corrected for the number of "
        f"comparisons ({compared}, Holm); below {SIGNIFICANT} one is shown. detectable: the smallest "
        f"difference that such data would show alone, in {POWER:.0%} of all tries. gained, lost: samples on "
        f"which B has the higher, the lower score."
    )
    table = align(rows, {0, 5})
    if terminal is not None and max(map(seen_length, table.splitlines())) > terminal:
        notes = [f"{row[0]}: {row[5]}" for row in rows[1:] if row[5]]
        table = "\n".join(
            [fitted([row[:5] for row in rows], {0}, terminal), _lines(iter(notes), width)]
        ).strip()
    return table + "\n" + textwrap.fill(meaning, width)


def _listed(tasks: Sequence[TaskComparison]) -> Iterator[tuple[TaskComparison, str, str, Paired]]:
    for task in tasks:
        for turn, (metric, one) in enumerate(task.numbers.items()):
            yield task, "" if turn else task.task, metric, one


def p_text(p: float | None) -> str:
    """A p-value as it is shown; nobody needs more digits."""
    if p is None:
        return "-"
    return "<0.0001" if p < 0.0001 else f"{p:.4f}"


def note(task: TaskComparison) -> str:
    """What to know of the numbers of both runs, and of each alone."""
    one, other = task.marks
    notes = [mark for mark in one if mark in other]
    for side, mine, theirs in (("A", one, other), ("B", other, one)):
        notes += [f"{side} {mark}" for mark in mine if mark not in theirs]
    if task.clusters == "samples":
        notes.append("unclustered: which samples share a picture is not known")
    return ", ".join(notes)


def left_out(found: Comparison) -> Iterator[str]:
    """What was not compared, tasks for the same reason together."""
    refused: dict[str, list[str]] = {}
    for task in found.tasks:
        if task.refused:
            refused.setdefault(task.refused, []).append(task.task)
    yield from (f"not compared: {', '.join(names)}: {why}" for why, names in refused.items())
    for place, side in enumerate(SIDES):
        counts = [
            _samples_of(task, task.num_left_out[place]) for task in found.tasks if task.num_left_out[place]
        ]
        if counts:
            yield f"left out, scored in {side} only or of another row: {', '.join(counts)}"
    torn = [_samples_of(task, task.num_torn) for task in found.tasks if task.num_torn]
    if torn:
        yield f"left out, since they count together with such samples: {', '.join(torn)}"
    for side, names in zip(SIDES, found.only, strict=True):
        if names:
            yield f"only {side} has {', '.join(names)}"
    if found.without:
        yield f"no scores by this scorer: {', '.join(found.without)}; score RUN --protocol P makes them"
    for side, run in zip(SIDES, (found.first, found.second), strict=True):
        yield from (f"{side}: {problem}" for problem in run.problems)


def _samples_of(task: TaskComparison, number: int) -> str:
    return f"{number:,} {'sample' if number == 1 else 'samples'} of {task.task}"


def words(found: Comparison) -> Iterator[str]:
    """Which run is better on which tasks."""
    groups: dict[int, list[str]] = {1: [], -1: [], 0: []}
    same, nothing = [], []
    for task in found.tasks:
        for metric, one in task.numbers.items():
            name = task.task if len(task.numbers) == 1 else f"{task.task} ({metric})"
            if one.p is None:
                nothing.append(name)
            elif not task.gained and not task.lost:
                same.append(name)
            elif one.better:
                groups[one.better].append(f"{name} (by {abs(one.difference):.2f})")
            else:
                groups[0].append(f"{name} (B - A {one.difference:+.2f}, p {p_text(one.p_holm)})")
    for side, better in (("B", 1), ("A", -1)):
        if groups[better]:
            yield f"{side} is better on {', '.join(groups[better])}."
    unlike = [task.task for task in found.tasks if _scored_otherwise(task, found)]
    if unlike:
        yield (
            f"A and B have different scorers on {', '.join(unlike)}, which may be the reason: compare "
            f"--protocol P takes one for both."
        )
    if groups[0]:
        yield f"No difference can be shown on {', '.join(groups[0])}."
    if same:
        yield f"The same scores, sample by sample, on {', '.join(same)}."
    if nothing:
        yield f"Too few pictures to say anything on {', '.join(nothing)}."


def _scored_otherwise(task: TaskComparison, found: Comparison) -> bool:
    """Whether a difference that is shown may be that of two scorers."""
    one, other = (run.results[task.task].score_protocol for run in (found.first, found.second))
    return one != other and any(number.better for number in task.numbers.values())


def _lines(lines: Iterator[str], width: int) -> str:
    return "\n".join(textwrap.fill(printable(line), width, subsequent_indent="  ") for line in lines)


def _is_shown(task: TaskComparison, found: Comparison) -> bool:
    """Whether the samples are those of other tasks of the comparison, which show them."""
    known = all_tasks().get(task.task)
    names = {one.task for one in found.tasks}
    return known is not None and bool(known.members) and all(part.name in names for part in known.members)


def _samples(task: TaskComparison, width: int) -> str:
    """The samples that changed, with both answers."""
    gained = set(task.gained)
    lines = []
    for title, ids, wanted in (("gained", task.gained, True), ("lost", task.lost, False)):
        shown = [one for one in task.changed if (one.id in gained) == wanted]
        if shown:
            lines.append(f"{task.task}, {title}: {len(shown):,} of {len(ids):,}")
            lines += [line for one in shown for line in _sample(one, width)]
    return "\n".join(lines)


def _sample(one: Changed, width: int) -> Iterator[str]:
    yield _cut(f"  {printable(one.id)}", width)
    sides = zip(SIDES, (one.first, one.second), one.errors, one.texts, strict=True)
    for side, score, error, text in sides:
        yield _cut(f"    {side}  {printable(_told(score, error, text))}", width)


def _told(score: Score, error: str | None, text: str | None) -> str:
    if error is not None:
        return f"failed: {error}"
    value = "unread" if score.value is None else f"{score.value:.4g}"
    return f"{value}  {json.dumps(text or score.answer, ensure_ascii=False)}  {score.explanation}"


def _cut(line: str, width: int) -> str:
    return line if len(line) <= width else line[: width - 1] + "…"

"""Which numbers a page draws: a radar over benchmarks, the headline numbers as bars, the parts of a task."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from markupsafe import Markup

from eval_mm.report.boards import BOARDS, Column, Place
from eval_mm.report.cells import Cell, Row, Table, error_of, number
from eval_mm.report.leaderboards import RUNS, entrants_of
from eval_mm.report.page import svg
from eval_mm.report.plot_series import end_of, label_of, top_of
from eval_mm.report.published import REFERENCE_MODEL, REFERENCE_NAMES, reference_figures
from eval_mm.report.ranking import alike
from eval_mm.report.runs import Run
from eval_mm.schema import Metric, Result

LEAST_AXES = 3


class Radar(NamedTuple):
    """The radar and who is on it: sign, name, and the place that shows and hides them."""

    chart: Markup
    legend: Sequence[tuple[Markup, str, int]]


class Line(NamedTuple):
    """One bar with what stands beside it; `scorer` is the name of its row where another scorer made it."""

    scorer: str
    sign: Markup
    bar: Markup
    value: str
    stderr: str


class BarRow(NamedTuple):
    """One label with a bar for every run; `task` is what it links to."""

    label: str
    detail: str
    lines: Sequence[Line]
    task: str


class Chart(NamedTuple):
    """Rows of bars on one axis."""

    title: str
    rows: Sequence[BarRow]
    scale: Markup


class _Entry(NamedTuple):
    """A number that becomes a bar: whose it is, and where it stands."""

    look: int
    run: str
    name: str
    metric: Metric
    result: Result
    place: Place


class _Label(NamedTuple):
    text: str
    detail: str = ""
    task: str = ""


def radar(tables: Sequence[Table], runs: Sequence[Run]) -> Radar | None:
    """The split of every benchmark that most runs have; None where there are too few benchmarks.

    A run stands there with its own numbers, and with a judge's where its own scorer makes none.
    """
    names = {place: run.name for place, run in enumerate(runs)}
    looks = {name: place for place, name in names.items()}
    own = {run.name: run.results for run in runs}
    cells: dict[Column, dict[int, Cell]] = {}
    for table in tables:
        for row in table.rows:
            look = looks.get(row.run) if row.group == RUNS else _reference_look(row)
            for column, cell in zip(table.columns, row.cells, strict=True):
                if look is None or cell is None:
                    continue
                if row.group != RUNS or row.name == row.run or _is_judged(cell, own[row.run]):
                    cells.setdefault(column, {}).setdefault(look, cell)
    chosen = _spokes(cells)
    if len(chosen) < LEAST_AXES:
        return None
    axes = [svg.Axis(one.benchmark, one.split, _end(one.places[0], cells[one].values())) for one in chosen]
    names = {
        look: label_of(Row(name, RUNS, tuple(cells[column].get(look) for column in chosen)), len(name))
        for look, name in names.items()
    }
    names[svg.REFERENCE] = f"{REFERENCE_MODEL}, published"
    there = {look for column in chosen for look in cells[column]}
    series = [
        svg.Series(
            look, name, [cells[column][look].value if look in cells[column] else None for column in chosen]
        )
        for look, name in names.items()
        if look in there
    ]
    return Radar(svg.radar(axes, series), [(svg.swatch(one.look), one.name, one.look) for one in series])


def overview(tables: Sequence[Table], runs: Sequence[Run], published: bool) -> list[Chart]:
    """The headline numbers of every table as bars, a chart for every scale.

    A run has one bar for each, by its own scorer; where that made no number, by another one, which is named.
    """
    looks = {run.name: place for place, run in enumerate(runs)}
    found = []
    for table in tables:
        by_top: dict[float, dict[_Label, list[_Entry]]] = {}
        for place, column in enumerate(table.columns):
            at = column.places[0]
            for row in table.rows:
                cell = row.cells[place]
                if row.group != RUNS or cell is None or cell.metric is None or "/" in at.metric:
                    continue
                assert isinstance(cell.origin, Result), f"{row.name} is no run"
                label = _Label(f"{column.benchmark} {column.split}".strip(), column.metric, cell.origin.task)
                entries = by_top.setdefault(top_of(at), {}).setdefault(label, [])
                if looks[row.run] not in {entry.look for entry in entries}:
                    entries.append(_Entry(looks[row.run], row.run, row.name, cell.metric, cell.origin, at))
        for rows in by_top.values():
            metrics = ", ".join(dict.fromkeys(label.detail for label in rows))
            title = table.title if len(by_top) == 1 else f"{table.title}: {metrics}"
            found.append(_chart(title, rows, published))
    return found


def breakdowns(task: str, runs: Sequence[Run], published: bool) -> list[Chart]:
    """The parts of a task's metrics, those of one kind in one chart.

    Parts are called `metric/part`, `metric/kind=part`, and what is said of a part `metric/part/figure`.
    """
    kinds: dict[str, dict[_Label, list[_Entry]]] = {}
    looks = {run.name: place for place, run in enumerate(runs)}
    drawn: set[str] = set()
    for entrant in entrants_of(runs):
        result = entrant.results.get(task)
        if result is None or not result.metrics or entrant.run in drawn:
            continue
        drawn.add(entrant.run)
        metrics = result.metrics
        for name, metric in metrics.items():
            whole, _, part = name.partition("/")
            if not part:
                continue
            above, _, figure = name.rpartition("/")
            if above in metrics and "/" in above:
                part = above.partition("/")[2]
            else:
                figure = ""
            kind, _, label = part.partition("=") if "=" in part else ("", "", part)
            title = " ".join(filter(None, (whole, figure, kind and f"by {kind.replace('_', ' ')}")))
            place = Place(task, name)
            entry = _Entry(looks[entrant.run], entrant.run, entrant.name, metric, result, place)
            kinds.setdefault(title, {}).setdefault(_Label(label), []).append(entry)
    return [_chart(title, rows, published) for title, rows in kinds.items()]


def _spokes(cells: Mapping[Column, Mapping[int, Cell]]) -> list[Column]:
    """For every benchmark the column that most runs have, in the order of the tables."""
    chosen: dict[tuple[str, str], Column] = {}
    for board in BOARDS:
        for column in board.columns:
            key = (column.benchmark, column.metric)
            if "/" not in column.places[0].metric and _num_runs(cells, column) > _num_runs(
                cells, chosen.get(key)
            ):
                chosen[key] = column
    return list(chosen.values())


def _num_runs(cells: Mapping[Column, Mapping[int, Cell]], column: Column | None) -> int:
    return 0 if column is None else sum(look != svg.REFERENCE for look in cells.get(column, {}))


def _is_judged(cell: Cell, own: Mapping[str, Result]) -> bool:
    """Whether another scorer's number is of a task that the run's own scorer has no number for."""
    assert isinstance(cell.origin, Result), f"{cell.text} is of no run"
    return cell.origin.task in own and not own[cell.origin.task].metrics


def _reference_look(row: Row) -> int | None:
    return svg.REFERENCE if row.name in REFERENCE_NAMES else None


def _end(place: Place, cells: Iterable[Cell]) -> float:
    return end_of((cell.value for cell in cells), top_of(place))


def _chart(title: str, rows: Mapping[_Label, Sequence[_Entry]], published: bool) -> Chart:
    entries = [entry for row in rows.values() for entry in row]
    known = reference_figures() if published else {}
    marked = [known[entry.place] for entry in entries if entry.place in known]
    values = [entry.metric.value for entry in entries]
    end = end_of([*values, *marked], top_of(entries[0].place))
    return Chart(
        title,
        [
            BarRow(label.text, label.detail, [_line(entry, end, published) for entry in row], label.task)
            for label, row in rows.items()
        ],
        svg.scale(end),
    )


def _line(entry: _Entry, end: float, published: bool) -> Line:
    metric = entry.metric
    comparable = alike(entry.result) is not None
    reference = reference_figures().get(entry.place) if published else None
    told = f"{entry.name}: {number(metric.value)}"
    told += f", 95 % interval {interval(metric)}" if metric.ci95 else ""
    told += "" if comparable else ", not to be compared"
    told += f", published {REFERENCE_MODEL}: {number(reference)}" if reference is not None else ""
    drawn = svg.bar(svg.Bar(entry.look, metric.value, metric.ci95, told, not comparable, reference), end)
    scorer = entry.name if entry.name != entry.run else ""
    return Line(scorer, svg.swatch(entry.look), drawn, number(metric.value), error_of(metric).stderr)


def interval(metric: Metric) -> str:
    """The 95 % interval as it is shown."""
    return "" if metric.ci95 is None else f"{number(metric.ci95[0])} to {number(metric.ci95[1])}"

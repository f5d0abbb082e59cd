"""The papers' figures are those that were handed down, and every table is made of them, row for row."""

import csv
import io
from pathlib import Path

import pytest

from eval_mm import tasks
from eval_mm.report import long_form
from eval_mm.report.boards import BOARDS
from eval_mm.report.leaderboards import leaderboards
from eval_mm.report.published import Figure, figures, published_folder
from tests.conftest import SHARED

FIGURES, OF_SPEED = "leaderboard.csv", "efficiency.csv"


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def handed_down() -> Path:
    """The folder of the figures as they were copied from the papers."""
    folder = SHARED / "published"
    if not folder.is_dir():
        pytest.skip(f"needs the first copy of the figures in {folder}, to compare with")
    return folder


@pytest.mark.parametrize("name", [FIGURES, OF_SPEED])
def test_our_figures_are_those_handed_down(name: str, handed_down: Path) -> None:
    """A digit that was lost, or a row, would be taken for the paper's."""
    assert rows(published_folder() / name) == rows(handed_down / name)


def test_the_tables_are_made_of_every_figure_once(handed_down: Path) -> None:
    """Every figure stands in one cell with its digits: in its model's row, below its split."""
    shown = []
    for table in leaderboards([], published=True):
        for row in table.rows:
            for column, cell in zip(table.columns, row.cells, strict=True):
                if cell is not None:
                    figure = cell.origin
                    assert isinstance(figure, Figure)
                    assert figure.place in column.places
                    assert (row.name, cell.text, cell.value) == (
                        figure.model,
                        figure.score,
                        float(figure.score),
                    )
                    shown.append(figure._asdict())
    key = [*rows(handed_down / FIGURES)[0]]
    ordered = sorted(shown, key=lambda row: [row[name] for name in key])
    assert ordered == sorted(rows(handed_down / FIGURES), key=lambda row: [row[name] for name in key])


def test_the_csv_holds_every_figure_as_it_stands(handed_down: Path) -> None:
    """What another program reads is the figure with its split, metric, group, source and note."""
    written = list(csv.DictReader(io.StringIO(long_form.render([], published=True))))
    told = [{**row, "score": row["value"]} for row in written]
    wanted = rows(handed_down / FIGURES)
    assert [{name: row[name] for name in wanted[0]} for row in told] == wanted


def test_a_figure_of_another_kind_has_a_group_of_its_own() -> None:
    """4-shot and superseded figures must not stand among the zero-shot ones of the current report."""
    for figure in figures():
        if "4-shot" in figure.note or figure.section == "superseded":
            assert figure.shown_group in ("few-shot", "superseded")
            assert not figure.zero_shot
        else:
            assert figure.shown_group == figure.group


def test_every_column_is_a_number_that_tasks_make() -> None:
    """A task that was renamed would leave an empty column, and its numbers in a table of their own."""
    for board in BOARDS:
        places = [place for column in board.columns for place in column.places]
        assert len(places) == len(set(places)), board.title
        assert {place.task for place in places} <= tasks.all_tasks().keys()
    report = set(tasks.families()["qwen-vl-report"])
    assert report <= {
        place.task for board in BOARDS[:3] for column in board.columns for place in column.places
    }


def test_every_figure_is_of_a_task_we_have() -> None:
    """A figure of a task that nobody can run would have nothing beside it."""
    assert {figure.place[0] for figure in figures()} <= tasks.all_tasks().keys()

"""The charts of the page: bars, errors, the radar, and the signs of runs."""

import re
from pathlib import Path

import pytest

from eval_mm.report.leaderboards import leaderboards
from eval_mm.report.page import charts, svg
from eval_mm.report.plot_series import end_of
from eval_mm.report.runs import load_runs
from eval_mm.schema import Metric
from tests.eval_mm.report_support import result, write


def test_bars_are_as_long_as_their_numbers() -> None:
    """A bar, its interval and the published mark stand where their numbers are."""
    drawn = svg.bar(svg.Bar(0, 150.0, (100.0, 200.0), "m: 150", reference=50.0), 200.0)
    assert 'class="fill" width="75.000%"' in drawn
    assert 'class="whisker" x1="50.000%" x2="100.000%"' in drawn
    assert '<svg x="25.000%" overflow="visible"><path class="published"' in drawn
    assert "&lt;b&gt;" in svg.bar(svg.Bar(0, 1.0, None, "<b>"), 2.0)
    assert "aside" in svg.bar(svg.Bar(0, 1.0, None, "m", aside=True), 2.0)
    assert [end_of(values, 100) for values in ([99.0], [732.0], [1001.0], [])] == [100, 800, 2000, 100]


def test_an_error_of_nothing_is_not_told_beside_a_bar(tmp_path: Path) -> None:
    """All pictures alike have a standard error of 0, and "± 0.00" stood beside an interval of 34 points."""
    sure = {"accuracy@0.5": Metric(100.0, 0.0, (66.0, 100.0))}
    runs = load_runs([write(tmp_path / "run", result(metrics=sure), result("refcoco_testA"))])
    (chart,) = charts.overview(leaderboards(runs), runs, False)
    assert [line.stderr for row in chart.rows for line in row.lines] == ["", "0.51"]


@pytest.mark.parametrize(
    ("interval", "caps", "arrows"), [((90, 100), 2, 0), ((90, 103), 1, 1), ((-2, 103), 0, 2)]
)
def test_an_interval_beyond_the_axis_has_no_end_there(
    interval: tuple[float, float], caps: int, arrows: int
) -> None:
    """A cap at the edge said that the interval ends at 100."""
    drawn = svg.bar(svg.Bar(0, 97.0, interval, "m"), 100.0)
    assert drawn.count(f'y1="5" y2="{svg.BAR_HEIGHT - 5}"') == caps
    assert drawn.count('class="whisker beyond"') == arrows


def test_a_radar_has_gaps_where_numbers_are_missing() -> None:
    """A missing number drawn as 0 would be the worst of all results."""
    axes = [svg.Axis("<i>", str(place), 100) for place in range(4)]
    whole, part = svg.Series(0, "whole", [50.0] * 4), svg.Series(1, "part", [50.0, None, 50.0, 50.0])
    drawn = svg.radar(axes, [whole, part])
    assert "<i>" not in drawn
    areas, edges = (
        re.findall(r'class="area"[^>]* d="([^"]*)"', drawn),
        re.findall(r'class="edge"[^>]* d="([^"]*)"', drawn),
    )
    assert (len(areas), len(edges)) == (1, 1)
    assert areas[0].count("L") == 3
    assert areas[0].endswith("Z")
    assert (edges[0].count("M"), edges[0].count("L")) == (2, 2)
    assert f"M{svg.CENTRE_X}.0 {svg.CENTRE_Y - svg.RADIUS / 2:.1f}" in areas[0]


def test_runs_have_signs_of_their_own(tmp_path: Path) -> None:
    """The ninth run had the colour and the marker of the first; long names were cut to the same beginning."""
    assert len({svg.swatch(place) for place in range(-1, 20)}) == 21
    kinds = {"refcoco_val": "accuracy@0.5", "textvqa_val": "vqa_accuracy", "docvqa_val": "anls"}
    names = [f"{'organisation/a-long-name-' * 3}{end}" for end in "ab"]
    runs = load_runs(
        [
            write(
                tmp_path / name[-1], *(result(task, metric=kind, model=name) for task, kind in kinds.items())
            )
            for name in names
        ]
    )
    drawn = charts.radar(leaderboards(runs), runs)
    assert drawn is not None
    assert [name for _, name, _ in drawn.legend] == names


def test_parts_of_a_whole_fill_it() -> None:
    """The distribution of scores adds up."""
    drawn = svg.stack(
        [
            svg.Part("right", 3, "right"),
            svg.Part("wrong", 1, "wrong"),
            svg.Part("errors", 0, "failed"),
        ]
    )
    assert re.findall(r'x="([\d.]+)%" width="([\d.]+)%"', drawn) == [
        ("0.000", "75.000"),
        ("75.000", "25.000"),
    ]
    assert 'aria-label="3 right, 1 wrong"' in drawn

"""Charts: what is drawn is what the tables say, the same bytes for the same results."""

import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from eval_mm import extras
from eval_mm.cli import main
from eval_mm.errors import UserError
from eval_mm.report import plots
from eval_mm.report.leaderboards import leaderboards
from eval_mm.report.plot_bars import bars
from eval_mm.report.plot_radar import radar
from eval_mm.report.plot_series import COLOURS, looks_of
from eval_mm.report.plots import write_plots
from eval_mm.report.runs import load_runs
from eval_mm.schema import Metric, Result
from tests.eval_mm.report_support import NASTY, result, write

pytest.importorskip("matplotlib", reason="needs the extra 'plots': pip install -e '.[plots]'")

SPLITS = ("refcoco_val", "refcoco_testA", "refcoco_testB")


def tables(tmp_path: Path, *runs: list[Result], published: bool = True) -> Any:
    folders = [write(tmp_path / str(number), *one) for number, one in enumerate(runs)]
    return leaderboards(load_runs(folders), published=published)


def boxes(model: str = "m", **changes: Any) -> list[Result]:
    return [result(task, 70.0 + place, model=model, **changes) for place, task in enumerate(SPLITS)]


def test_files_are_pictures(tmp_path: Path) -> None:
    """A radar and a chart a table with runs, each as PNG and SVG that programs can open."""
    drawn = write_plots(tables(tmp_path, boxes()), tmp_path / "charts")
    names = ("radar", "bars_referring_expression_comprehension")
    assert [path.name for path in drawn.files] == [
        f"{name}.{kind}" for name in names for kind in ("png", "svg")
    ]
    assert drawn.remarks == ()
    for path in drawn.files:
        if path.suffix == ".png":
            with Image.open(path) as picture:
                assert min(picture.size) > 400
        else:
            assert ET.parse(path).getroot().tag.endswith("svg")


def test_the_same_results_give_the_same_bytes(tmp_path: Path) -> None:
    """A date or a random id would change a paper's figures in every commit."""
    made = tables(tmp_path, boxes(), boxes("n", demo=True))
    first, second = (write_plots(made, tmp_path / name).files for name in ("a", "b"))
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
    for path in first:
        assert not re.search(rb"<dc:date>|Software|20\d\d-\d\d-\d\dT", path.read_bytes())


def test_bars_have_the_heights_of_the_results(tmp_path: Path) -> None:
    """A bar of another height would be a wrong number that nobody reads."""
    (table,) = tables(tmp_path, boxes(), boxes("n"), published=False)
    figure = bars(table, [])
    (axis,) = figure.axes
    assert [patch.get_height() for patch in axis.patches] == [70.0, 70.0, 71.0, 71.0, 72.0, 72.0]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["m", "n"]


def test_intervals_are_drawn(tmp_path: Path) -> None:
    """From the low to the high end of ci95, which need not lie even about the value."""
    metric = {"accuracy@0.5": Metric(98.0, 1.0, (95.5, 100.0))}
    (table,) = tables(tmp_path, [result(metrics=metric)], published=False)
    (axis,) = bars(table, []).axes
    (segment,) = [one for lines in axis.collections for one in lines.get_segments()]
    assert [float(y) for _, y in segment] == pytest.approx([95.5, 100.0])


def test_what_is_not_comparable_looks_so(tmp_path: Path) -> None:
    """Demo and partial runs are pale with a dashed edge, and the legend says why: not by colour alone."""
    (table,) = tables(
        tmp_path,
        [result(model="whole")],
        [result(model="try", demo=True)],
        [result(model="part", complete=False, num_samples=9)],
        published=False,
    )
    figure = bars(table, [])
    looks = [(patch.get_alpha(), patch.get_linestyle()) for patch in figure.axes[0].patches]
    assert looks == [(1.0, "-"), (0.45, "--"), (0.45, "--")]
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == ["whole", "try (DEMO)", "part (partial)"]


def test_scales_are_not_mixed(tmp_path: Path) -> None:
    """MME's sums of 2,000 would flatten its sub-tasks of 200 to nothing."""
    sums = {
        "mme_perception": Metric(1400.0),
        "mme_cognition": Metric(300.0),
        "mme_perception/OCR": Metric(140.0),
    }
    (table,) = tables(tmp_path, [result("mme", metrics=sums)], published=False)
    figure = bars(table, [])
    assert [round(axis.get_ylim()[1]) for axis in figure.axes] == [2040, 816, 204]


def test_published_figures_stand_beside_the_bars(tmp_path: Path) -> None:
    """Qwen-VL's own figure is told from the others."""
    table = next(table for table in tables(tmp_path, boxes()) if "Referring" in table.title)
    figure = bars(table, [])
    (axis,) = figure.axes
    diamonds = [float(line.get_ydata()[0]) for line in axis.lines if line.get_marker() == "D"]
    assert diamonds == [89.36, 92.26, 85.34]
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == ["m", "Qwen-VL, published", "other published figures"]


def test_the_radar_shows_percents_of_each_axis(tmp_path: Path) -> None:
    """CIDEr of 75 is half of its axis of 150; a benchmark that a run lacks is a gap, not a 0."""
    run = [*boxes(), result("nocaps_val", 75.0, metric="cider")]
    figure = radar(tables(tmp_path, run, boxes("n")), [])
    (axis,) = figure.axes
    lines = {line.get_label(): [float(y) for y in line.get_ydata()] for line in axis.lines}
    assert lines["m"] == [50.0, 70.0, 71.0, 72.0, 50.0]
    assert lines["n"][1:4] == [70.0, 71.0, 72.0]
    assert lines["n"][0] != lines["n"][0]
    assert lines["Qwen-VL, published"][1] == 89.36


def test_no_point_lies_beyond_the_radar(tmp_path: Path) -> None:
    """A CIDEr of 732, as of the demo, was cut off at 150; the axis ends where all can be seen."""
    figure = radar(tables(tmp_path, [*boxes(), result("nocaps_val", 732.0, metric="cider")]), [])
    (axis,) = figure.axes
    (line,) = [line for line in axis.lines if line.get_label() == "m"]
    assert max(float(y) for y in line.get_ydata()) == pytest.approx(73.2 / 0.8)
    assert not line.get_clip_on()
    assert any("(of 800)" in text.get_text() for text in axis.texts)


def test_bars_show_every_interval_and_every_run(tmp_path: Path) -> None:
    """An interval beyond the axis ended without a cap, and bars of height 0 could not be told apart."""
    wide = {"cider": Metric(140.0, 9.0, (120.0, 170.0))}
    none = {"cider": Metric(0.0, None, None)}
    (table,) = tables(
        tmp_path, [result("nocaps_val", metrics=wide)], [result("nocaps_val", metrics=none)], published=False
    )
    (axis,) = bars(table, []).axes
    assert axis.get_ylim()[1] > 170
    low = [line for line in axis.lines if line.get_linewidth() == 3]
    assert [line.get_color() for line in low] == ["#E69F00"]
    middle = sum(patch.get_x() + patch.get_width() / 2 for patch in axis.patches) / 2
    assert axis.get_xticks()[0] == pytest.approx(middle)


def test_a_judged_run_is_one_line(tmp_path: Path) -> None:
    """What a judge scored belongs to the run whose answers it read."""
    folder = write(tmp_path / "run", *boxes(), result("touchstone_en", metrics={}))
    write(
        folder,
        result("touchstone_en", 500.0, metric="touchstone_score", judge={"model": "j"}),
        scorer="judge-1",
    )
    figure = radar(leaderboards(load_runs([folder])), [])
    (line,) = figure.axes[0].lines
    assert [float(y) for y in line.get_ydata()][:4] == [70.0, 71.0, 72.0, 50.0]


def test_too_few_benchmarks_and_too_many_runs_are_said(tmp_path: Path) -> None:
    """Two axes are a line; more runs than colours cannot be told apart."""
    said: list[str] = []
    assert radar(tables(tmp_path / "a", [result()]), said) is None
    assert said == ["charts: no radar, it takes 3 benchmarks or more"]
    (table,) = tables(tmp_path / "b", *([result(model=f"m{n}")] for n in range(10)), published=False)
    said.clear()
    assert len(bars(table, said).axes[0].patches) == 8
    assert said == ["charts: of 10 runs the first 8 are drawn"]


def test_the_published_figures_alone(tmp_path: Path) -> None:
    """`report --published --plots DIR` draws what there is."""
    drawn = write_plots(tables(tmp_path), tmp_path / "charts")
    assert len(drawn.files) == 12
    assert drawn.remarks == ()


def test_a_run_has_one_colour_in_all_charts(tmp_path: Path) -> None:
    """The colours of each chart began anew with its first run: a run was blue here and orange there."""
    from matplotlib.colors import to_hex

    sums = result("mme", 900.0, metric="mme_perception", model="n")
    both = tables(tmp_path, boxes("m"), [*boxes("n"), sums], published=False)
    looks = looks_of(both)
    drawn = [bars(table, [], looks).axes[0].patches for table in both]
    found = [{to_hex(patch.get_facecolor()).upper() for patch in patches} for patches in drawn]
    assert found == [{COLOURS[0], COLOURS[1]}, {COLOURS[1]}]
    assert [line.get_color() for line in radar(both, []).axes[0].lines] == [COLOURS[0], COLOURS[1]]
    assert looks_of(tables(tmp_path / "many", *(boxes(f"m{n}") for n in range(9)))) == []


def test_any_name_can_be_drawn(tmp_path: Path) -> None:
    """Dollar signs are no mathematics, letters that the font lacks are said; titles never share a file."""
    runs = [[result("file-a b", model=NASTY, metric="anls"), result("file-a_b", model=NASTY, metric="anls")]]
    drawn = write_plots(tables(tmp_path, *runs), tmp_path / "charts")
    assert len(set(drawn.files)) == len(drawn.files) == 4
    assert any("DejaVu" in line for line in drawn.remarks)


def test_no_results_no_charts(tmp_path: Path) -> None:
    """Broken runs alone leave nothing to draw, and no empty file."""
    assert write_plots([], tmp_path / "charts").files == ()


def test_a_missing_extra_is_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Who lacks matplotlib is told how to get it before anything is made."""
    monkeypatch.setattr(extras, "find_spec", lambda name: None)
    with pytest.raises(UserError, match="eval-mm\\[plots\\]"):
        write_plots([], tmp_path)
    assert main(["report", "--published", "--plots", str(tmp_path / "charts")]) == 2
    said = capsys.readouterr()
    assert (said.out, said.err.count("\n")) == ("", 1)
    assert plots.FORMATS.keys() == {"png", "svg"}

"""`python -m eval_mm report` as a user types it: formats, files, options that do not fit, broken folders."""

import csv
import io
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from eval_mm.cli import main
from eval_mm.commands import report
from eval_mm.report.page import html
from tests.eval_mm.report_support import result, write, write_manifest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run with one whole task."""
    return write(write_manifest(tmp_path / "run", "refcoco_val"), result(value=77.2137))


def test_tables_beside_the_published_figures(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The default: a table on the screen, nothing written."""
    before = sorted(run.rglob("*"))
    assert main(["report", str(run), "--published"]) == 0
    said = capsys.readouterr()
    assert re.search(r"^m +77\.21 +±0\.51", said.out, re.MULTILINE)
    assert re.search(r"^Qwen-VL-7B +89\.36\*", said.out, re.MULTILINE)
    assert said.err == ""
    assert sorted(run.rglob("*")) == before


def test_the_published_tables_alone(capsys: pytest.CaptureFixture[str]) -> None:
    """No run is needed to read what the papers state."""
    assert main(["report", "--published"]) == 0
    titles = [block.split("\n")[0] for block in capsys.readouterr().out.split("\n\n") if "\n" not in block]
    assert titles[:5] == [
        "Captioning and general VQA",
        "Text-oriented VQA",
        "Referring expression comprehension (accuracy@0.5)",
        "TouchStone (touchstone_score)",
        "MME",
    ]


@pytest.mark.parametrize(
    ("form", "begins"),
    [("table", "Referring"), ("md", "### Referring"), ("csv", "run,group,model"), ("latex", "% needs")],
)
def test_every_format_on_the_screen_and_in_a_file(
    form: str, begins: str, run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The file holds what the screen shows, and its path is said."""
    command = ["report", str(run), "--format", form]
    assert main(command) == 0
    shown = capsys.readouterr().out
    assert shown.startswith(begins)
    assert main([*command, "--out", str(tmp_path / "report.txt")]) == 0
    assert capsys.readouterr().out == f"report: {tmp_path / 'report.txt'}\n"
    assert (tmp_path / "report.txt").read_text(encoding="utf-8") == shown


def test_the_page_is_in_the_first_run_folder(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`report.html` lies beside the answers it shows; another report of the same folder is not its input."""
    other = write(tmp_path / "other", result(model="other"))
    for _ in range(2):
        assert main(["report", str(run), str(other), "--format", "html"]) == 0
        assert capsys.readouterr().out == f"report: {run / 'report.html'}\n"
    assert "77.21" in (run / "report.html").read_text(encoding="utf-8")
    assert not (other / "report.html").exists()


def test_problems_are_said_beside_every_format(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A broken folder among others is listed as such and ends nothing; a CSV on the screen stays a CSV."""
    whole = write(tmp_path / "whole", result())
    broken = write_manifest(tmp_path / "broken", "refcoco_val", finished=False)
    (broken / "refcoco_val").mkdir()
    (broken / "refcoco_val/result.json").write_text('{"task": "refc', encoding="utf-8")
    told = "m (broken): refcoco_val/result.json: not valid JSON"
    for form in ("table", "md", "latex"):
        assert main(["report", str(broken), str(whole), "--format", form]) == 0
        out = capsys.readouterr().out
        assert "not valid JSON" in out
        assert "77.21" in out
    assert main(["report", str(broken), str(whole), "--format", "csv"]) == 0
    said = capsys.readouterr()
    assert f"note: {told}" in said.err
    assert [row["value"] for row in csv.DictReader(io.StringIO(said.out))] == ["77.2137"]
    assert main(["report", str(broken), str(whole), "--format", "html"]) == 0
    assert f"note: {told}" in capsys.readouterr().err


def test_nothing_but_broken_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A report without a single number says why in every format, and never crashes."""
    (tmp_path / "run/refcoco_val").mkdir(parents=True)
    (tmp_path / "run/refcoco_val/result.json").touch()
    for form in report.FORMATS:
        assert main(["report", str(tmp_path / "run"), "--format", form]) == 0
        said = capsys.readouterr()
        assert "not valid JSON" in said.out + said.err
    assert main(["report", str(tmp_path / "run"), "--plots", str(tmp_path / "charts")]) == 0


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ([], "report takes run folders, such as results/runs/demo, or --published"),
        (["nowhere"], "nowhere: no such folder"),
        (["--published", "--data", "data"], "--data is for --format html"),
        (["--published", "--max-samples", "5"], "--max-samples is for --format html"),
        (["--published", "--max-mb", "5", "--format", "md"], "--max-mb is for --format html"),
        (["--published", "--format", "html"], "--format html without a run needs --out FILE"),
        (
            ["--published", "--format", "html", "--out", "x.html", "--breakdowns"],
            "--breakdowns is for the other",
        ),
    ],
)
def test_options_that_do_not_fit(
    options: list[str],
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """An option without an effect is said, in one line, and nothing is written."""
    monkeypatch.chdir(tmp_path)
    assert main(["report", *options]) == 2
    said = capsys.readouterr()
    assert said.err.startswith(f"error: {told}")
    assert said.err.count("\n") == 1
    assert said.out == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "options", [["--format", "pdf"], ["--out", ""], ["--max-samples", "0"], ["--max-mb", "x"]]
)
def test_values_that_are_none(options: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """A format or number that does not exist is refused with what is allowed."""
    with pytest.raises(SystemExit, match="2"):
        main(["report", "--published", *options])
    assert capsys.readouterr().err.count("\n") == 1


def test_a_place_that_cannot_be_written(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--out` on a folder is one line, and the folder stays."""
    (tmp_path / "there").mkdir()
    assert main(["report", str(run), "--out", str(tmp_path / "there")]) == 2
    assert str(tmp_path / "there") in capsys.readouterr().err
    assert list((tmp_path / "there").iterdir()) == []


def test_a_folder_that_is_not_there(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A slip in the folder of `--out`, or a file for `--plots`, is said before anything is read or drawn."""
    pytest.importorskip("matplotlib", reason="needs the extra 'plots': pip install -e '.[plots]'")
    assert main(["report", str(run), "--out", str(tmp_path / "slip/x.csv")]) == 2
    assert f"there is no folder {tmp_path / 'slip'}; " in capsys.readouterr().err
    (tmp_path / "radar.png").touch()
    for place in ("radar.png", "radar.png/charts"):
        assert main(["report", str(run), "--plots", str(tmp_path / place)]) == 2
        said = capsys.readouterr().err
        assert said == f"error: --plots {tmp_path / place}: {tmp_path / 'radar.png'} is not a folder\n"


def test_other_folders_end_no_report(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One empty folder below results/runs/* took the tables of all the others."""
    (tmp_path / "empty").mkdir()
    assert main(["report", str(tmp_path / "empty"), str(run)]) == 0
    out = capsys.readouterr().out
    assert "77.21" in out
    assert f"{tmp_path / 'empty'}: no run folder" in out
    assert main(["report", str(tmp_path / "empty")]) == 2


def test_breakdowns_are_on_request(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Parts of a number are tables of their own, shown when asked for."""
    from eval_mm.schema import Metric

    parts = {"vqa_accuracy": Metric(50.0), "vqa_accuracy/answer_type=number": Metric(12.5)}
    folder = write(tmp_path / "run", result("vizwiz_val", metrics=parts))
    assert main(["report", str(folder)]) == 0
    assert "12.50" not in capsys.readouterr().out
    assert main(["report", str(folder), "--breakdowns"]) == 0
    assert re.search(r"answer_type=number.*^m +12\.50", capsys.readouterr().out, re.MULTILINE | re.DOTALL)


def test_charts_beside_a_table_do_not_mix_with_it(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is piped into a file is the table alone."""
    pytest.importorskip("matplotlib", reason="needs the extra 'plots': pip install -e '.[plots]'")
    assert main(["report", str(run), "--format", "csv", "--plots", str(tmp_path / "charts")]) == 0
    said = capsys.readouterr()
    assert len(list(csv.DictReader(io.StringIO(said.out)))) == 1
    assert said.err.startswith(f"charts: 2 files in {tmp_path / 'charts'}\n")
    assert sorted(path.suffix for path in (tmp_path / "charts").iterdir()) == [".png", ".svg"]


def test_a_finished_run_reports_its_own_numbers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """From the run to the CSV no digit changes, and the demo is marked wherever its number is shown."""
    folder = tmp_path / "run"
    assert (
        main(
            [
                "run",
                "--task",
                "refcoco_val,textvqa_val",
                "--model",
                "echo",
                "--data",
                "demo",
                "--out",
                str(folder),
            ]
        )
        == 0
    )
    capsys.readouterr()
    assert main(["report", str(folder), "--format", "csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert {row["task"] for row in rows} == {"refcoco_val", "textvqa_val"}
    for row in rows:
        written = json.loads((folder / row["task"] / "result.json").read_text(encoding="utf-8"))
        assert row["value"] == repr(written["metrics"][row["metric"]]["value"])
        assert (row["demo"], row["complete"]) == ("true", "false")
        assert row["note"].startswith("DEMO, partial: ")


def test_make_demo_ends_with_a_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The commands of `make demo` as they stand: the last line names a page that is there."""
    recipe = re.search(
        r"^demo:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert recipe is not None
    monkeypatch.chdir(tmp_path)
    for line in recipe[1].splitlines():
        _, _, call = line.partition("$(BIN)/python -m eval_mm ")
        assert main(shlex.split(call)) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    page = Path(last.removeprefix("report: "))
    assert "<!doctype html>" in page.read_text(encoding="utf-8")[:200].lower()


def test_the_limits_that_help_states() -> None:
    """A page with other limits than --help says would leave samples out unexpectedly."""
    ended = subprocess.run(
        [sys.executable, "-m", "eval_mm", "report", "--help"],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"COLUMNS": "200"},
    )
    assert f"--max-samples N  default {html.MAX_SAMPLES}\n" in re.sub(r"  +", "  ", ended.stdout)
    assert f"default {html.MAX_BYTES // report.MB}\n" in ended.stdout


def test_tables_load_nothing_heavy(run: Path) -> None:
    """A table of numbers takes milliseconds, not the seconds of torch or of a drawing library."""
    code = (
        f"import sys; from eval_mm.cli import main; main(['report', {str(run)!r}, '--published']); "
        f"print(sorted({{'torch', 'numpy', 'PIL', 'matplotlib', 'jinja2'}} & set(sys.modules)))"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.splitlines()[-1] == "[]"

"""Every format is read back with a parser of its own: the numbers are result.json's, names are only names."""

import csv
import html
import io
import json
import re
from pathlib import Path

import pytest

from eval_mm.report import latex, long_form, markdown, plain
from eval_mm.report.cells import Table, error_of
from eval_mm.report.leaderboards import leaderboards, remarks
from eval_mm.report.published import figures
from eval_mm.report.runs import Run, load_runs
from eval_mm.report.table import results_table
from eval_mm.schema import Metric
from tests.eval_mm.report_support import NASTY, result, write

NAMES = (
    NASTY,
    "[b]",
    "*star",
    "a---b",
    "=1+1",
    "%comment",
    "\\input{x}",
    "$x^2$",
    "`code`",
    "<script>alert(1)</script>",
    "_under_ a_b",
    "- item",
    "@user",
)


@pytest.fixture
def runs(tmp_path: Path) -> list[Run]:
    """Runs with names that mean something somewhere, with whole, partial and broken tasks."""
    folders = []
    for number, name in enumerate(NAMES):
        boxes = result(value=60 + number + 1 / 3, model=name)
        part = result("refcoco_testA", 61.005, model=name, complete=False, num_samples=100)
        sums = {"mme_perception": Metric(1234.5678, 12.3456), "mme_perception/OCR": Metric(140.0 + number)}
        mme = result("mme", metrics=sums, model=name)
        folders.append(write(tmp_path / f"run{number}", boxes, part, mme))
    (tmp_path / "run0/vqav2_val").mkdir()
    (tmp_path / "run0/vqav2_val/result.json").write_text("{", encoding="utf-8")
    return load_runs(folders)


def shown(tables: list[Table]) -> list[tuple[str, str]]:
    """What every format must show: value and error of every cell, as two decimals or as published."""
    return sorted(
        (cell.text, cell.error.stderr) for table in tables for row in table.rows for cell in row.cells if cell
    )


def test_two_decimals_of_the_very_number(runs: list[Run]) -> None:
    """What is shown is result.json's value, rounded once."""
    for run in runs:
        for task, one in run.results.items():
            written = json.loads((run.folder / task / "result.json").read_text(encoding="utf-8"))
            for name, metric in one.metrics.items():
                assert metric.value == written["metrics"][name]["value"]
    for table in leaderboards(runs):
        for row in table.rows:
            for cell in row.cells:
                if cell is not None and cell.metric is not None:
                    assert cell.text == f"{cell.metric.value:.2f}"
                    assert cell.error == error_of(cell.metric)


def test_huge_numbers_stay_readable(tmp_path: Path) -> None:
    """A value of 300 digits, of a broken metric, must not make a line of 300 digits."""
    runs = load_runs([write(tmp_path / "run", result(metric="own", value=1e308))])
    assert "1e+308" in plain.render(leaderboards(runs), [])


@pytest.mark.parametrize("published", [True, False])
def test_the_terminal_table(published: bool, runs: list[Run]) -> None:
    """Every number stands in the text, in columns of one width, and nothing steers the terminal."""
    tables = leaderboards(runs, published=published)
    text = plain.render(tables, remarks(runs))
    assert all(line.isprintable() for line in text.split("\n"))
    numbers = re.findall(r"(?<![\w.(-])(\d+\.\d+)\*?(?: +±(\d+\.\d\d))?(?=[\s\[*]|$)", text.split("\n\n*")[0])
    counted = shown(tables)
    for found in set(counted):
        assert sum(number == found for number in numbers) >= counted.count(found), found
    assert "vqav2_val/result.json: not valid JSON" in text
    for table in text.split("\n\n"):
        lines = table.split("\n")
        rules = [line for line in lines if line and set(line) == {"-"}]
        assert all(len(line) <= len(rules[0]) for line in lines[: lines.index(rules[0])]) if rules else True


@pytest.mark.parametrize("width", [80, 100, 120])
def test_a_narrow_terminal_breaks_no_line_of_a_table(width: int, tmp_path: Path) -> None:
    """Tables of 215 characters were folded by the terminal, every row into three lines below no heading."""
    splits = ("val", "testA", "testB")
    boxes = [result(f"refcoco{plus}_{split}", 77.2137) for plus in ("", "+") for split in splits]
    part = result("refcocog_val", complete=False, num_samples=9, unparsed=0)
    tables = leaderboards(load_runs([write(tmp_path / "run", *boxes, part)]), published=True)
    for table in tables:
        text = plain.render([table], [], width)
        lines = text.split("\n")
        assert all(len(line) <= width for line in lines if set(line) == {"-"})
        for row in () if table.turned else table.rows:
            told = [line for line in lines if line.startswith((f"{row.name}  ", f"{row.name}: "))]
            for cell in filter(None, row.cells):
                assert any(re.search(rf"  {re.escape(cell.text)}(?!\w)", line) for line in told), (row, cell)
            assert row.note in text
        assert all(note in text for note in table.footnotes)
    text = plain.render(tables, [], width)
    assert text.count("refcocog") == plain.render(tables, []).count("refcocog")
    assert plain.render(tables, [], 1_000) == plain.render(tables, [])


def test_the_best_and_the_notes_in_the_terminal(tmp_path: Path) -> None:
    """A star at the best, its meaning said once; what a footnote's number means stands below its table."""
    one = result(value=91.0)
    part = result("refcoco_testA", complete=False, num_samples=9, unparsed=0)
    tables = leaderboards(load_runs([write(tmp_path / "run", one, part)]), published=True)
    text = plain.render(tables, [])
    assert "91.00* ±0.51" in text
    assert "77.21  ±0.51 [1]" in text
    assert "\n[1] partial: 9 of 5,657\n" in text
    assert text.count("* best of at least two") == 1


def test_an_error_of_0_is_shown_as_an_interval(tmp_path: Path) -> None:
    """A value of 100.00 ±0.00 on three samples says that all is certain."""
    few = result(metrics={"accuracy@0.5": Metric(100.0, 0.0, (43.85, 100.0))})
    point = result("refcoco_testA", metrics={"accuracy@0.5": Metric(50.0, 0.0, (50.0, 50.0))})
    runs = load_runs([write(tmp_path / "run", few, point)])
    tables = leaderboards(runs)
    for text in (plain.render(tables, []), results_table([few, point], [None, None])):
        assert re.search(r"100\.00 +\[43\.85, 100\.00\]", text)
        assert re.search(r"50\.00 +±?0\.00", text)
    assert "100.00 \\[43.85, 100.00\\] |" in markdown.render(tables, [])
    assert r"100.00 {\scriptsize {}[43.85, 100.00]} &" in latex.render(tables, [])
    assert ",100.0,0.0,43.85,100.0," in long_form.render(runs, published=False)


def test_a_part_has_no_counts_of_the_whole(tmp_path: Path) -> None:
    """The 4,500 captions of a split stood beside the number of its 200 in one domain."""
    metrics = {"cider": Metric(80.0), "cider/in-domain": Metric(90.0)}
    runs = load_runs([write(tmp_path / "run", result("nocaps_val", metrics=metrics))])
    rows = csv.DictReader(io.StringIO(long_form.render(runs, published=False)))
    assert [(row["metric"], row["num_samples"], row["num_unparsed"]) for row in rows] == [
        ("cider", "4500", "3"),
        ("cider/in-domain", "", ""),
    ]


def cells_of_markdown(line: str) -> list[str]:
    """The cells of a line, as GitHub cuts them: at every bar without a backslash."""
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def text_of_markdown(cell: str) -> str:
    """What a reader sees of an escaped text."""
    return html.unescape(re.sub(r"\\([!-/:-@[-`{-~])", r"\1", cell))


def test_markdown(runs: list[Run]) -> None:
    """Cells stay cells, names are shown letter by letter, and the numbers are there."""
    tables = leaderboards(runs, published=True)
    text = markdown.render(tables, remarks(runs))
    found = []
    for block in (block for block in text.split("\n\n") if block.startswith("| ")):
        lines = [cells_of_markdown(line) for line in block.split("\n")]
        assert len({len(line) for line in lines}) == 1, block
        assert all(re.fullmatch(r":?-+:?", cell) for cell in lines[1])
        for line in lines[2:]:
            for cell in line[1:]:
                number = re.fullmatch(
                    r"\*{0,2}(\d+\.\d+)\*{0,2}(?: ± (\d+\.\d+))?(?:<sup>[\d ]+</sup>)?", cell
                )
                if number is not None:
                    found.append((number[1], number[2] or ""))
    assert sorted(found) == shown(tables)
    labels = {
        text_of_markdown(cells_of_markdown(line)[0]) for line in text.split("\n") if line.startswith("| ")
    }
    assert {run.name for run in runs} <= labels
    assert set(re.findall(r"<[^>]*>", text)) <= {"<sup>", "</sup>"}


@pytest.mark.parametrize("name", NAMES)
def test_nothing_in_a_name_is_markdown(name: str) -> None:
    """Every character that begins a span, a link, HTML, mathematics or a list is escaped."""
    escaped = markdown.escape(name)
    assert (
        text_of_markdown(escaped) == " ".join(name.split(" ")).translate({9: " ", 10: " ", 27: " "}).strip()
    )
    bare = re.sub(r"\\[!-/:-@[-`{-~]|&\w+;", "", escaped)
    assert not re.search(r"[`*\[\]|<>~#$]|(?<!\w)_|_(?!\w)|^[-+]", bare)


MACROS = {
    "textbackslash": "\\",
    "textasciitilde": "~",
    "textasciicircum": "^",
    "textless": "<",
    "textgreater": ">",
    "textbar": "|",
    "char34": '"',
    "ldots": "…",
}


def text_of_latex(cell: str) -> str:
    """What LaTeX prints for an escaped text; anything that is no text fails."""
    plain_text, place = "", 0
    while place < len(cell):
        char = cell[place]
        if char == "\\":
            word = re.match(r"\\([A-Za-z]+\d*)(?:\{\})?|\\([&%$#_{}])", cell[place:])
            assert word is not None, cell[place:]
            plain_text += word[2] or MACROS[word[1]]
            place += word.end()
        else:
            assert char not in "&%$#_~^", f"{char} means something in {cell}"
            plain_text += "" if char in "{}" else char
            place += 1
    return plain_text


@pytest.mark.parametrize("name", NAMES)
def test_nothing_in_a_name_is_latex(name: str) -> None:
    """A name is printed letter by letter: no command, comment, ligature, or option of the line before."""
    escaped = latex.escape(name)
    assert text_of_latex(escaped) == name.translate({9: " ", 10: " ", 27: " "})
    assert not escaped.startswith(("[", "*"))
    assert not re.search(r"--|``|''", escaped)
    depth = 0
    for brace in re.findall(r"(?<!\\)[{}]", re.sub(r"\\\\", "", escaped)):
        depth += 1 if brace == "{" else -1
        assert depth >= 0
    assert depth == 0


def test_latex(runs: list[Run]) -> None:
    """Environments are closed, every line has as many cells as its table has columns, no number lacks."""
    tables = leaderboards(runs, published=True)
    text = latex.render(tables, remarks(runs))
    open_ones: list[str] = []
    found, width = [], 0
    for line in text.split("\n"):
        if line.startswith("%"):
            continue
        for kind, name in re.findall(r"(?<!\\)\\(begin|end)\{(\w+)\}", line):
            if kind == "begin":
                open_ones.append(name)
            else:
                assert open_ones.pop() == name
        if line.startswith(r"\begin{tabular}"):
            width = len(re.sub(r".*\{(\w+)\}$", r"\1", line))
        elif line.endswith(r" \\") and not line.startswith(r"\multicolumn"):
            cells = re.split(r"(?<!\\)&", line[:-3])
            assert len(cells) == width, line
            for cell in cells[1:]:
                number = re.fullmatch(
                    r"(?:\\textbf\{)?(\d+\.\d+)\}?(?: \{\\scriptsize\$\\pm\$(\d+\.\d+)\})?"
                    r"(?:\\textsuperscript\{[\d,]+\})?",
                    cell.strip(),
                )
                if number is not None:
                    found.append((number[1], number[2] or ""))
    assert open_ones == []
    assert sorted(found) == shown(tables)
    assert "% needs \\usepackage{booktabs}" in text


def test_csv(runs: list[Run]) -> None:
    """One line per run, task and metric, whose numbers are exactly those of result.json."""
    rows = list(csv.DictReader(io.StringIO(long_form.render(runs, published=False))))
    assert len(rows) == sum(len(one.metrics) for run in runs for one in run.results.values())
    names = {run.name: run for run in runs} | {f"'{run.name}": run for run in runs}
    for row in rows:
        run = names[row["run"]]
        written = json.loads((run.folder / row["task"] / "result.json").read_text(encoding="utf-8"))
        metric = written["metrics"][row["metric"]]
        low, high = metric["ci95"] or (None, None)
        told = {"value": metric["value"], "stderr": metric["stderr"], "ci95_low": low, "ci95_high": high}
        assert {name: row[name] for name in told} == {
            name: "" if value is None else repr(value) for name, value in told.items()
        }
        for name in ("num_samples", "num_published", "num_unparsed", "num_errors"):
            assert row[name] == ("" if "/" in row["metric"] else str(written[name]))
        assert (row["complete"], row["demo"]) == (str(written["complete"]).lower(), "false")
        assert (row["prompt_protocol"], row["score_protocol"], row["shots"]) == ("qwen-vl", "qwen-vl", "0")


def test_csv_of_what_has_no_number_and_of_other_scorers(tmp_path: Path) -> None:
    """A task without public answers has its line; a judge has its name, a published figure its source."""
    run = write(tmp_path / "run", result("touchstone_en", metrics={}, few_shot={"shots": 4}))
    judged = result("touchstone_en", 512.25, metric="touchstone_score", judge={"model": "gpt-4o"})
    runs = load_runs([write(run, judged, scorer="judge-1")])
    rows = list(csv.DictReader(io.StringIO(long_form.render(runs, published=True))))
    assert [(row["run"], row["metric"], row["value"], row["judge"], row["shots"]) for row in rows[:2]] == [
        ("m", "", "", "", "4"),
        ("m [judge gpt-4o]", "touchstone_score", "512.25", "gpt-4o", "0"),
    ]
    assert rows[2]["source"] == "Qwen-VL README (2023-11)"
    assert len(rows) == 2 + len(figures())


def test_a_spreadsheet_computes_nothing(runs: list[Run]) -> None:
    """A model called =HYPERLINK(...) must not be a formula where the file is opened; numbers stay numbers."""
    for row in csv.DictReader(io.StringIO(long_form.render(runs, published=False))):
        for name, field in row.items():
            if name not in ("value", "stderr", "ci95_low", "ci95_high"):
                assert not field.lstrip().startswith(("=", "+", "-", "@")), field


def test_a_negative_number_is_no_formula(tmp_path: Path) -> None:
    """The bias of a judge is below 0; an apostrophe would make a text of it."""
    name = "touchstone_score/position_bias"
    runs = load_runs([write(tmp_path / "run", result("touchstone_en", metrics={name: Metric(-0.5, 0.25)}))])
    (row,) = csv.DictReader(io.StringIO(long_form.render(runs, published=False)))
    assert (row["value"], row["stderr"]) == ("-0.5", "0.25")


def test_tables_of_parts_are_turned(runs: list[Run]) -> None:
    """MME's 16 columns of one run are 16 lines; of more runs than columns they are columns again."""
    one = plain.render(leaderboards(runs[:1]), [])
    assert re.search(r"^OCR +140\.00", one, re.MULTILINE)
    many = plain.render(leaderboards(runs), [])
    assert re.search(r"^ +MME +perception", many, re.MULTILINE)

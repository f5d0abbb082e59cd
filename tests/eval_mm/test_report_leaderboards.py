"""What stands in the tables, what is marked, and what may be the best."""

from pathlib import Path

import pytest

from eval_mm.report.cells import Table
from eval_mm.report.leaderboards import leaderboards, remarks
from eval_mm.report.runs import Run, load_runs
from eval_mm.schema import Metric, Result
from tests.eval_mm.report_support import cell, named, result, titled, write

BOXES = "Referring expression comprehension"
VQA = "Captioning and general VQA"


def read(tmp_path: Path, *runs: Result | list[Result]) -> list[Run]:
    """One run for each result, or list of results."""
    folders = [
        write(tmp_path / str(number), *(one if isinstance(one, list) else [one]))
        for number, one in enumerate(runs)
    ]
    return load_runs(folders)


def boxes(tmp_path: Path, *runs: Result | list[Result], published: bool = True) -> Table:
    return titled(leaderboards(read(tmp_path, *runs), published=published), BOXES)


def best(table: Table, task: str = "refcoco_val") -> set[str]:
    """The rows whose number of that task is marked."""
    return {
        row.name
        for row in table.rows
        for column, one in zip(table.columns, row.cells, strict=True)
        if one is not None and one.best and column.places[0].task == task
    }


def test_a_run_stands_beside_the_published_rows(tmp_path: Path) -> None:
    """The same column, the run first, with its error."""
    table = boxes(tmp_path, result(value=77.2137))
    assert [*table.groups] == ["runs", "generalist", "specialist"]
    assert table.rows[0].name == "m"
    ours = cell(table, "m", "refcoco_val")
    assert (ours.text, ours.error.stderr, ours.value) == ("77.21", "0.51", 77.2137)
    assert cell(table, "Qwen-VL-7B", "refcoco_val").text == "89.36"


def test_the_best_is_among_what_may_be_compared(tmp_path: Path) -> None:
    """Generalists and whole zero-shot runs of their protocol; not the higher specialists."""
    assert best(boxes(tmp_path / "a", result(value=88.0))) == {"Qwen-VL-7B"}
    assert best(boxes(tmp_path / "b", result(value=91.0))) == {"m"}


def test_equal_as_printed_is_equally_good(tmp_path: Path) -> None:
    """89.3649 prints as 89.36: a reader would not see why only one of them is marked."""
    assert best(boxes(tmp_path, result(value=89.3649))) == {"m", "Qwen-VL-7B"}


@pytest.mark.parametrize(
    ("other", "note"),
    [
        (result(value=99.0, demo=True), "DEMO"),
        (result(value=99.0, complete=False, num_samples=100), "partial: 100 of 10,834"),
        (result(value=99.0, complete=False, errors=2), "with errors"),
        (result(value=99.0, few_shot={"shots": 4}), "4-shot"),
        (result(value=99.0, version=99), "task version 99, now"),
        (result(value=99.0, scorer="instruct"), "prompt qwen-vl, scorer instruct"),
        (result(value=99.0, prompt="instruct", scorer="instruct"), "instruct"),
        (result(value=99.0, prompt="unknown"), "prompt unknown, scorer qwen-vl"),
        (result(value=99.0, settings={"temperature": 0.7}), "temperature 0.7"),
        (result(value=99.0, prompt="qwen-vl+cot-3fa21b"), "prompt qwen-vl+cot-3fa21b, scorer qwen-vl"),
    ],
)
def test_what_was_measured_otherwise_is_marked_and_never_ranked(
    other: Result, note: str, tmp_path: Path
) -> None:
    """A demo, a part, few-shot, an old version, another protocol: shown with a note only."""
    table = boxes(tmp_path, other)
    assert best(table) == {"Qwen-VL-7B"}
    assert note in named(table, "m").note


def test_what_a_server_was_set_to_is_noted(tmp_path: Path) -> None:
    """Answers drawn at random are not the greedy ones of all other models; where the server is is its own."""
    drawn = result(settings={"server": "http://x/v1", "temperature": 0.7, "seed": 1})
    greedy = result(model="greedy", settings={"server": "http://x/v1", "temperature": 0})
    table = boxes(tmp_path, drawn, greedy, published=False)
    assert [row.note for row in table.rows] == ["temperature 0.7, seed 1, qwen-vl", "qwen-vl"]


def test_those_measured_alike_in_another_way_rank_among_themselves(tmp_path: Path) -> None:
    """Two runs under `instruct` can be compared with each other, not with the papers."""
    runs = [result(value=v, model=f"m{v}", prompt="instruct", scorer="instruct") for v in (70.0, 99.0)]
    assert best(boxes(tmp_path, *runs)) == {"m99.0", "Qwen-VL-7B"}


def test_few_shot_and_partial_runs_have_no_best(tmp_path: Path) -> None:
    """Two parts of a split are of different questions."""
    parts = [result(value=v, model=f"m{v}", complete=False, num_samples=9) for v in (70.0, 99.0)]
    shots = [result(value=v, model=f"s{v}", few_shot={"shots": 4}) for v in (70.0, 99.0)]
    assert best(boxes(tmp_path, *parts, *shots, published=False)) == set()


def test_one_number_alone_is_not_the_best(tmp_path: Path) -> None:
    """There is nothing it is better than."""
    assert not boxes(tmp_path, result(), published=False).has_best


def test_another_judge_ranks_with_no_published_figure(tmp_path: Path) -> None:
    """The papers' judge was the GPT-4 of 2023; two runs of one judge and prompt can be compared."""

    def judged(value: float, model: str, prompt: str = "p") -> Result:
        judge = {"model": "gpt-4o", "prompt_sha256": prompt}
        return result(
            "touchstone_en", value, metric="touchstone_score", model=model, scorer="judge-1", judge=judge
        )

    runs = read(tmp_path, judged(900, "a"), judged(800, "b"), judged(990, "c", "other prompt"))
    table = titled(leaderboards(runs, published=True), "TouchStone")
    assert best(table, "touchstone_en") == {"a", "Qwen-VL-Chat-1.1"}
    assert named(table, "a").note == "prompt qwen-vl, judge gpt-4o"


def test_own_files_rank_only_where_they_are_the_same_file(tmp_path: Path) -> None:
    """Two files called my.jsonl are two benchmarks."""
    rows = [("a", 1.0, "x"), ("b", 2.0, "x"), ("c", 3.0, "y")]
    runs = [result("file-my", value, metric="anls", model=name, data_sha256=sha) for name, value, sha in rows]
    table = titled(leaderboards(read(tmp_path, *runs)), "Other: file-my")
    assert best(table, "file-my") == {"b"}


def test_whole_results_of_different_files_are_marked(tmp_path: Path) -> None:
    """Two conversions of one benchmark have one name and one count: nothing told that their rows differ."""
    files = ("aaaaaaaaaaaa", "aaaaaaaaaaaa", "bbbbbbbbbbbb")
    runs = [
        write(tmp_path / f"m{place}", result(data_sha256=file), result("refcoco_testA"))
        for place, file in enumerate(files)
    ]
    demo = result(data_sha256="cccccccccccc", demo=True, complete=False, model="d")
    board = titled(leaderboards(load_runs([*runs, write(tmp_path / "demo", demo)])), BOXES)
    told = [board.footnotes[number - 1] for number in cell(board, "m (m2)", "refcoco_val").footnotes]
    assert told == ["of the file of rows bbbbbbbb"]
    assert not cell(board, "m (m2)", "refcoco_testA").footnotes
    assert not any("cccc" in note for note in (*board.footnotes, named(board, "d").note))
    same = titled(leaderboards(load_runs([*runs[:2], tmp_path / "demo"])), BOXES)
    assert not same.footnotes


def test_a_figure_where_less_is_better(tmp_path: Path) -> None:
    """The distance of two orders is better small; bounds and biases are neither good nor bad."""
    names = ("touchstone_score/order_gap", "touchstone_score/position_bias")
    runs = [
        result("touchstone_en", model=name, metrics={one: Metric(value) for one in names})
        for name, value in (("a", 1.0), ("b", 2.0))
    ]
    table = titled(
        leaderboards(read(tmp_path, *runs), breakdowns=True), "touchstone_en: parts of touchstone_score"
    )
    assert cell(table, "a", "touchstone_en", names[0]).best
    assert not cell(table, "b", "touchstone_en", names[0]).best
    assert not any(cell(table, name, "touchstone_en", names[1]).best for name in "ab")


def test_splits_have_columns_of_their_own(tmp_path: Path) -> None:
    """A number of VQAv2's validation split must not stand below its test-dev figures."""
    run = [result(f"vqav2_{split}", value, metric="vqa_accuracy") for split, value in (("val", 99.0),)]
    table = titled(leaderboards(read(tmp_path, run), published=True), VQA)
    headings = [(column.benchmark, column.split) for column in table.columns if column.benchmark == "VQAv2"]
    assert headings == [("VQAv2", "test-dev"), ("VQAv2", "val")]
    assert best(table, "vqav2_testdev") == {"Qwen-VL (Qwen-7B)"}
    assert best(table, "vqav2_val") == set()


def test_what_holds_for_some_cells_stands_below_the_table(tmp_path: Path) -> None:
    """A row with whole and partial splits: the note must not call the whole ones partial."""
    run = [result("refcoco_val"), result("refcoco_testA", complete=False, num_samples=9, unparsed=0)]
    table = boxes(tmp_path, run, published=False)
    assert named(table, "m").note == "qwen-vl"
    assert cell(table, "m", "refcoco_val").footnotes == ()
    assert cell(table, "m", "refcoco_testA").footnotes == (1,)
    assert table.footnotes == ("partial: 9 of 5,657",)


def test_parts_of_many_splits_are_one_note(tmp_path: Path) -> None:
    """A run with --limit has another fraction of every split: the span is said, not twenty footnotes."""
    tasks = ("refcoco_val", "refcoco_testA", "refcoco_testB")
    run = [result(task, complete=False, num_samples=100, unparsed=n * 10) for n, task in enumerate(tasks)]
    table = boxes(tmp_path, run, published=False)
    assert named(table, "m").note == "partial: 0.92 to 2 % of the rows, qwen-vl"
    assert table.footnotes == ("unparsed: 20 of 100",)


def test_answers_under_another_scorer_are_a_row_of_their_own(tmp_path: Path) -> None:
    """Two scorers of the same answers are two numbers; they never rank together."""
    run = write(tmp_path / "run", result("textvqa_val", 60.0, metric="vqa_accuracy"))
    write(run, result("textvqa_val", 62.0, metric="vqa_accuracy", scorer="official"), scorer="official")
    table = titled(leaderboards(load_runs([run])), "Text-oriented VQA")
    assert [row.name for row in table.rows] == ["m", "m [scorer official]"]
    assert not table.has_best


def test_two_judges_have_two_rows(tmp_path: Path) -> None:
    """Rows are called by the judge, and by its hash where one judge had two prompts."""
    run = write(tmp_path / "run", result("touchstone_en", metrics={}))
    for scorer, judge in (("judge-1", "gpt-4o"), ("judge-2", "gpt-4o"), ("judge-3", "qwen3")):
        one = result("touchstone_en", metric="touchstone_score", judge={"model": judge})
        write(run, one, scorer=scorer)
    table = titled(leaderboards(load_runs([run])), "TouchStone")
    wanted = ["m [scorer judge-1]", "m [scorer judge-2]", "m [judge qwen3]"]
    assert [row.name for row in table.rows] == wanted


def test_no_number_is_dropped(tmp_path: Path) -> None:
    """Unknown tasks, files of one's own, metrics on request, parts: every number stands in one table."""
    run = [
        result(
            "nocaps_val", metrics={name: Metric(v) for v, name in enumerate(("cider", "bleu_1", "cider/in"))}
        ),
        result("file-my", metric="anls"),
        result("caption", metric="cider"),
        result("a_task_of_tomorrow", metrics={"score": Metric(7.5), "score/easy": Metric(8.5)}),
        result("mmbench_dev", metrics={n: Metric(1.5) for n in ("circular_accuracy", "vanilla_accuracy")}),
    ]
    runs = read(tmp_path, run)
    tables = leaderboards(runs, breakdowns=True)
    shown = [
        (one.origin.task, column.places[0].metric, one.value)
        for table in tables
        for row in table.rows
        for column, one in zip(table.columns, row.cells, strict=True)
        if one is not None and isinstance(one.origin, Result)
    ]
    there = [(one.task, name, metric.value) for one in run for name, metric in one.metrics.items()]
    assert sorted(shown) == sorted(there)
    tomorrow = titled(tables, "Other: a_task_of_tomorrow")
    assert "a task that this version does not know" in named(tomorrow, "m").note
    assert not {table.title for table in leaderboards(runs)} & {"nocaps_val: parts of cider"}


def test_a_whole_made_of_parts_shows_its_parts_once(tmp_path: Path) -> None:
    """SEED-Bench's dimensions are in the whole and in its members; a file may have only the whole."""

    def dimension(task: str, value: float) -> Result:
        return result(
            task, metrics={"accuracy": Metric(50.0), "accuracy/01 Scene Understanding": Metric(value)}
        )

    runs = read(
        tmp_path,
        [dimension("seedbench", 1.0), dimension("seedbench_image", 2.0)],
        dimension("seedbench", 3.0),
    )
    table = titled(leaderboards(runs, breakdowns=True), "SEED-Bench")
    values = [one.value for row in table.rows if (one := row.cells[-1]) is not None]
    assert values == [2.0, 3.0]


def test_tables_and_columns_without_numbers_are_left_out(tmp_path: Path) -> None:
    """A run of RefCOCO val alone is a table of one column."""
    (table,) = leaderboards(read(tmp_path, result()))
    assert (table.title, len(table.columns), len(table.rows)) == (BOXES, 1, 1)
    assert leaderboards([]) == []


def test_what_has_no_number_is_said(tmp_path: Path) -> None:
    """A task whose answers are not public must not vanish; one that was judged afterwards has a number."""
    run = write(tmp_path / "run", result("docvqa_test", metrics={}), result("touchstone_en", metrics={}))
    write(run, result("touchstone_en", metric="touchstone_score", judge={"model": "j"}), scorer="judge-1")
    broken = write(tmp_path / "broken", result("vqav2_testdev", metrics={}, model="b"))
    (broken / "refcoco_val").mkdir()
    (broken / "refcoco_val/result.json").touch()
    said = remarks(load_runs([run, broken]))
    assert said[0].startswith("b: refcoco_val/result.json: not valid JSON")
    assert said[1:] == [
        "m: no number for docvqa_test: the answers are not public",
        "b: no number for vqav2_testdev: the answers are not public",
    ]


def test_hundreds_of_runs(tmp_path: Path) -> None:
    """Every one has its row, and what they have in common is said once."""
    folders = [
        write(
            tmp_path / str(n),
            result(value=n / 10, model=f"m{n}"),
            result("docvqa_test", metrics={}, model=f"m{n}"),
        )
        for n in range(300)
    ]
    runs = load_runs(folders)
    table = titled(leaderboards(runs, published=True), BOXES)
    assert len(table.groups["runs"]) == 300
    (said,) = remarks(runs)
    assert said.startswith("m0, m1, m2, m3, m4 and 295 more: no number for docvqa_test")

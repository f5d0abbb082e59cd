"""The one-file page without a browser: its numbers, its limits, what it says where something is missing."""

import argparse
import html
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from eval_mm.commands.arguments import megabytes
from eval_mm.data import Selection, find_root, load
from eval_mm.errors import UserError
from eval_mm.explain import explain
from eval_mm.few_shot import FewShot
from eval_mm.report.leaderboards import leaderboards
from eval_mm.report.page import charts
from eval_mm.report.page.asked import Questions, breakdowns
from eval_mm.report.page.html import write_html
from eval_mm.report.page.pictures import MISSING, UNREADABLE
from eval_mm.report.runs import load_runs
from eval_mm.report.scores_file import ABSENT, ERROR, Outcomes, distribution, read_scores, worst_first
from eval_mm.rescore import score
from eval_mm.run import run
from eval_mm.schema import Metric, Score
from eval_mm.tasks import all_tasks
from tests.browser.runs import FAILED, UNPARSED, ask, demo_rows, demo_run, page
from tests.eval_mm.report_support import result, write
from tests.eval_mm.support import ScriptedModel, write_data

TASKS = ("refcoco_val", "vqav2_val", "vizwiz_test")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on the demo data, wrong on each third question."""
    return demo_run(tmp_path_factory.mktemp("runs") / "a", "alpha", 3, *TASKS)


@pytest.fixture(scope="module")
def second(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on the demo data, wrong on each fourth question."""
    return demo_run(tmp_path_factory.mktemp("runs") / "b", "beta", 4, *TASKS)


def blocks(path: Path) -> dict[str, Any]:
    """The data of a page by task."""
    found = re.findall(
        r'<script type="application/json" data-task="(.*?)">(.*?)</script>', path.read_text(encoding="utf-8")
    )
    return {html.unescape(task): json.loads(text) for task, text in found}


def group(path: Path, task: str) -> dict[str, Any]:
    """The data of a task that all runs of a page were asked alike."""
    (found,) = blocks(path)[task]["groups"]
    return dict(found)


def test_every_number_of_the_results_is_in_the_page(folder: Path, second: Path, tmp_path: Path) -> None:
    """A number that is not that of result.json is a number nobody measured."""
    text = page(tmp_path / "page.html", folder, second).read_text(encoding="utf-8")
    for task in ("refcoco_val", "vqav2_val"):
        section = text.partition(f'class="view task" data-view="{task}"')[2].partition(
            "</section>\n<section class"
        )[0]
        plain = re.sub(r"<[^>]*>", " ", section)
        for run_folder in (folder, second):
            stored = json.loads((run_folder / task / "result.json").read_text())
            assert stored["metrics"]
            for name, metric in stored["metrics"].items():
                assert re.search(rf"\b{metric['value']:.2f}\b", plain), (task, name)
                if metric["stderr"] is not None:
                    assert f"{metric['stderr']:.2f}" in plain
                if "/" not in name:
                    assert "{:.2f} to {:.2f}".format(*metric["ci95"]) in plain
                    assert f'data-value="{metric["value"]}"' in text


def test_every_sample_has_its_score(folder: Path, second: Path, tmp_path: Path) -> None:
    """The browser's columns are those of scores.jsonl, errors and unread answers told apart."""
    found = group(page(tmp_path / "page.html", folder, second), "refcoco_val")
    for turn, run_folder in enumerate((folder, second)):
        lines = (run_folder / "refcoco_val" / "scores.jsonl").read_text().splitlines()
        rows = [json.loads(line) for line in lines]
        assert found["listing"]["ids"] == [row["id"] for row in rows]
        values = [ERROR if row["error"] else row["value"] for row in rows]
        assert found["listing"]["values"][turn] == values
        assert (values[UNPARSED], values[FAILED]) == (None, ERROR)


def test_breakdowns_of_samples_are_those_of_the_results(folder: Path, tmp_path: Path) -> None:
    """A sample listed below a category counts in the number of that category, and no other does."""
    found = group(page(tmp_path / "page.html", folder), "vqav2_val")["listing"]
    stored = json.loads((folder / "vqav2_val" / "result.json").read_text())["metrics"]
    for number, label in enumerate(found["labels"]):
        values = [
            value or 0 for value, of in zip(found["values"][0], found["of"], strict=True) if number in of
        ]
        mean = sum(max(0, value) for value in values) / len(values)
        assert 100 * mean == pytest.approx(stored[f"vqa_accuracy/{label}"]["value"], abs=0.01)
    assert {f"vqa_accuracy/{label}" for label in found["labels"]} == stored.keys() - {"vqa_accuracy"}


@pytest.mark.parametrize("name", [task.name for task in all_tasks().values() if not task.members])
def test_breakdowns_depend_on_the_facts_of_a_sample_alone(name: str) -> None:
    """They are remembered by the facts: a breakdown by anything else would be that of another sample."""
    task = all_tasks()[name]
    samples = load(task, find_root("demo")).samples
    found = breakdowns(Questions(task, {sample.id: sample for sample in samples}), [s.id for s in samples])
    alone = [breakdowns(Questions(task, {sample.id: sample}), [sample.id])[0] for sample in samples]
    assert found == alone
    scores = [Score(1.0, "A", "")] * len(samples)
    made = task.metrics(samples, scores) if samples[0].target is not None else {}
    parts = {part.partition("/")[2] for part in made if "/" in part}
    assert {label for labels in found for label in labels} <= parts
    assert bool(parts) == any(found)


def test_what_is_shown_of_an_answer_is_what_explain_shows(folder: Path, tmp_path: Path) -> None:
    """Two ways of telling how an answer was judged would sooner or later tell different things."""
    found = group(page(tmp_path / "page.html", folder), "vqav2_val")
    sample, answer = found["samples"]["1"], found["answers"][0]["1"]
    told = explain(folder, found["listing"]["ids"][1], "vqav2_val")
    prompt = [f"'{part}'" if isinstance(part, str) else "<picture>" for part in sample["p"]["qwen-vl"]]
    assert "prompt as sent\n  " + " ".join(prompt) in told
    assert f"answer, raw\n  {answer['t']!r}\n" in told
    assert f"asked with\n  {answer['l']}\n" in told
    for text, times, _ in sample["r"]:
        assert f"  {text!r}" + (f" x {times}" if times > 1 else "") in told
    assert answer["e"] in told


def test_boxes_are_in_pixels_of_the_picture(folder: Path, tmp_path: Path) -> None:
    """The model writes thousandths, the page draws pixels."""
    found = group(page(tmp_path / "page.html", folder), "refcoco_val")
    row = demo_rows("refcoco_val")[1]
    assert found["samples"]["1"]["b"] == row["box"]
    assert found["samples"]["1"]["s"] == [row["width"], row["height"]]
    assert found["answers"][0]["1"]["b"] == pytest.approx(row["box"], abs=0.3)
    assert "b" not in found["answers"][0][str(UNPARSED)]


def test_the_same_folders_make_the_same_bytes(folder: Path, second: Path, tmp_path: Path) -> None:
    """A report that changes without its results cannot be kept beside them."""
    one, other = (page(tmp_path / name, folder, second).read_bytes() for name in ("1.html", "2.html"))
    assert one == other


def test_the_worst_come_first_where_room_is_short(folder: Path, second: Path, tmp_path: Path) -> None:
    """A page with pictures of right answers only would be of no use, and the limits hold and are told."""
    few = group(page(tmp_path / "few.html", folder, second, max_samples=5), "refcoco_val")
    worst = {"3", "6"} | {"8", "12"} | {str(FAILED), str(UNPARSED), "0"}  # of each run and of both
    assert set(few["shows"]) == worst
    assert (few["counts"]["pictures"], few["counts"]["text"]) == (7, few["counts"]["scored"])
    assert (few["counts"]["better"], few["counts"]["full"]) == (True, False)
    whole = (tmp_path / "few.html").stat().st_size
    for limit in (whole - 8_000, whole - 20_000):
        path = page(tmp_path / "small.html", folder, second, max_samples=5, max_bytes=limit)
        assert path.stat().st_size <= limit
    cut = group(path, "refcoco_val")
    assert cut["counts"]["text"] < cut["counts"]["scored"]
    assert str(FAILED) in cut["samples"]
    limit = page(tmp_path / "whole.html", folder, second).stat().st_size - 40_000
    path = page(tmp_path / "small.html", folder, second, max_bytes=limit)
    assert path.stat().st_size <= limit
    cut = group(path, "refcoco_val")
    assert 0 < cut["counts"]["pictures"] < cut["counts"]["pictured"]
    assert (cut["counts"]["better"], cut["counts"]["full"]) == (False, True)
    assert str(FAILED) in cut["shows"]


def test_every_task_has_its_part_of_the_room(tmp_path: Path) -> None:
    """The first task's pictures must not leave the others without a word."""
    rows = [
        {"id": str(n), "image": f"pictures/{n % 4}.png", "question": "Who? " * 50, "answers": ["a"]}
        for n in range(60)
    ]
    answers = {task: lambda place, row: "b" * 100 for task in ("vqav2_val", "okvqa_val", "gqa_testdev")}
    for task in answers:
        data = write_data(tmp_path / "data", rows, task)
    folder = ask(tmp_path / "run", "m", answers, str(data))
    whole = page(tmp_path / "page.html", folder, published=False).stat().st_size
    cut = blocks(page(tmp_path / "page.html", folder, published=False, max_bytes=whole - 60_000))
    texts = [cut[task]["groups"][0]["counts"]["text"] for task in answers]
    assert min(texts) > 5
    assert max(texts) - min(texts) < 30
    assert min(cut[task]["groups"][0]["counts"]["pictures"] for task in answers) > 0


def test_one_sample_of_many_long_texts_breaks_no_limit(tmp_path: Path) -> None:
    """The limit is kept by what a sample takes, not by what samples usually take."""
    rows = [
        {
            "id": str(n),
            "image": "pictures/0.png",
            "question": "?",
            "answers": [f"{n} {m} {'x' * 3000}" for m in range(20)],
        }
        for n in range(9)
    ]
    data = write_data(tmp_path / "data", rows, "vqav2_val")
    folder = ask(tmp_path / "run", "m", {"vqav2_val": lambda place, row: "a"}, str(data))
    for limit in (150_000, 200_000, 300_000):
        path = page(tmp_path / "page.html", folder, published=False, max_bytes=limit)
        assert path.stat().st_size <= limit
        assert group(path, "vqav2_val")["counts"]["text"] < 9


def test_a_limit_below_the_tables_is_refused(folder: Path, tmp_path: Path) -> None:
    """A file longer than allowed, or one without its tables, would both break the promise."""
    path = tmp_path / "page.html"
    path.write_text("what was there")
    with pytest.raises(UserError, match=r"max_bytes: tables and charts alone take [\d,]+ bytes"):
        page(path, folder, max_bytes=10_000)
    assert path.read_text() == "what was there"


def test_a_limit_may_be_part_of_a_megabyte() -> None:
    """A page for a mail of 0.1 MB could not be made."""
    assert megabytes("0.1") == 0.1
    for text in ("0", "-1", "nan", "inf", "x"):
        with pytest.raises(argparse.ArgumentTypeError, match="expected a number above 0"):
            megabytes(text)


def test_a_long_list_is_cut_to_the_worst(tmp_path: Path) -> None:
    """The file stays below its budget even where ids and scores alone would not fit."""
    rows = [
        {"id": f"{n:040}", "image": "pictures/0.png", "question": "?", "answers": ["fish"] * 10}
        for n in range(3000)
    ]
    data = write_data(tmp_path / "data", rows, "vqav2_val")
    folder = ask(
        tmp_path / "run",
        "m",
        {"vqav2_val": lambda place, row: "fish" if place % 10 != 7 else "fowl"},
        str(data),
    )
    path = page(tmp_path / "page.html", folder, published=False, max_bytes=160_000)
    assert path.stat().st_size <= 160_000
    found = group(path, "vqav2_val")
    assert 300 < found["counts"]["listed"] < found["counts"]["scored"] == 3000
    assert found["listing"]["values"][0].count(0) == 300


def test_runs_that_were_asked_other_rows_are_kept_apart(tmp_path: Path) -> None:
    """Sample 1 of one file is not sample 1 of another."""
    folders = []
    for name in ("one", "two"):
        rows = [{"id": "1", "image": "pictures/0.png", "question": f"Of {name}?", "answers": [name]}]
        data = write_data(tmp_path / name, rows, "vqav2_val")
        folders.append(
            ask(tmp_path / f"run {name}", name, {"vqav2_val": lambda place, row: "one"}, str(data))
        )
    found = blocks(page(tmp_path / "page.html", *folders))["vqav2_val"]["groups"]
    assert [one["samples"]["0"]["q"] for one in found] == ["Of one?", "Of two?"]
    assert [[run["run"] for run in one["runs"]] for one in found] == [[0], [1]]


def test_runs_on_parts_of_the_rows_share_a_list(tmp_path: Path) -> None:
    """A partial run beside a whole one: what it was not asked is neither right nor wrong."""
    rows = [
        {"id": str(n), "image": "pictures/0.png", "question": "?", "answers": ["fish"] * 10} for n in range(4)
    ]
    data = write_data(tmp_path / "data", rows, "vqav2_val")
    whole = ask(tmp_path / "whole", "whole", {"vqav2_val": lambda place, row: "fish"}, str(data))
    model = ScriptedModel(lambda request: "fish")
    run(model, ["vqav2_val"], data, selection=Selection(limit=2), out=tmp_path / "part")
    found = group(page(tmp_path / "page.html", tmp_path / "part", whole), "vqav2_val")
    assert found["listing"]["ids"] == ["0", "1", "2", "3"]
    assert found["listing"]["values"] == [[1, 1, ABSENT, ABSENT], [1, 1, 1, 1]]
    assert "3" not in found["answers"][0]
    assert found["samples"]["3"]["q"] == "?"


def test_prompts_are_those_of_each_way_of_asking(tmp_path: Path) -> None:
    """Examples drawn by another seed make another prompt; one run's must not be shown as the other's."""
    for seed in (1, 2):
        examples = FewShot(2, seed)
        run(
            ScriptedModel(lambda request: "x"),
            ["okvqa_val"],
            "demo",
            few_shot=examples,
            out=tmp_path / f"{seed}",
        )
    plain = demo_run(tmp_path / "0", "plain", 3, "okvqa_val")
    found = group(page(tmp_path / "page.html", plain, tmp_path / "1", tmp_path / "2"), "okvqa_val")
    ways = [one["way"] for one in found["runs"]]
    assert ways == ["qwen-vl", "qwen-vl, 2-shot, seed 1", "qwen-vl, 2-shot, seed 2"]
    prompts = [found["samples"]["1"]["p"][way] for way in ways]
    assert [prompt.count(0) for prompt in prompts] == [1, 1, 1]  # the sample's own picture, which is shown
    assert [prompt.count(["an example's picture"]) for prompt in prompts] == [0, 2, 2]
    assert prompts[1] != prompts[2]
    assert all(prompt[-1].endswith(prompts[0][-1]) for prompt in prompts)


def test_a_file_of_answers_has_a_page_too(tmp_path: Path) -> None:
    """Answers made elsewhere have no manifest and no prompt; the rest is shown."""
    rows = [{"id": "7", "image": "pictures/0.png", "question": "Who?", "answers": ["me"]}]
    data = write_data(tmp_path / "data", rows, "vqav2_val")
    (tmp_path / "answers.json").write_text('{"7": "You."}')
    score(task="vqav2_val", predictions=tmp_path / "answers.json", data=data, out=tmp_path / "out")
    found = group(page(tmp_path / "page.html", tmp_path / "out", data=data), "vqav2_val")
    assert found["samples"]["0"]["q"] == "Who?"
    assert "p" not in found["samples"]["0"]
    assert found["answers"][0]["0"]["a"] == "You."
    assert found["runs"][0]["problems"] == ["no manifest: what was asked is not known"]


def test_what_is_missing_or_spoilt_is_said(folder: Path, tmp_path: Path) -> None:
    """A report of ten runs must not fail for one torn line, lost journal, picture or changed data file."""
    broken = shutil.copytree(folder, tmp_path / "broken")
    scores = broken / "refcoco_val" / "scores.jsonl"
    lines = scores.read_bytes().splitlines(keepends=True)
    lines[2] = b'{"id": "2", "val\n'
    lines[3] = lines[3].replace(b'"value": 0.0', b'"value": 7')
    scores.write_bytes(b"".join(lines[:-1]) + lines[-1][:20])
    for journal in (broken / "vqav2_val").glob("predictions*"):
        journal.unlink()
    shutil.rmtree(broken / "vizwiz_test")
    (broken / "unfinished").mkdir()
    (broken / "unfinished" / "predictions.rank0.jsonl").write_text("{}\n")
    path = page(tmp_path / "page.html", broken)
    found = group(path, "refcoco_val")
    assert found["runs"][0]["problems"] == [f"{scores}:3: no row of scores"]
    assert found["counts"]["scored"] == len(lines) - 3
    assert "2" not in found["listing"]["ids"]
    answer = group(path, "vqav2_val")["answers"][0]["1"]
    assert "t" not in answer
    assert answer["a"]
    text = html.unescape(path.read_text(encoding="utf-8"))
    assert "vizwiz_test: no result.json" in text
    assert "unfinished: no result.json: half-finished, 1 answers so far" in text


def test_one_spoilt_manifest_does_not_hide_the_questions(folder: Path, second: Path, tmp_path: Path) -> None:
    """Runs share the rows they were asked; any run that knows where they are will do."""
    spoilt = shutil.copytree(folder, tmp_path / "spoilt")
    manifest = json.loads((spoilt / "manifest.json").read_text())
    manifest["tasks"]["refcoco_val"]["model"] = 3
    manifest["tasks"]["vqav2_val"]["data"] = str(tmp_path / "nowhere")
    (spoilt / "manifest.json").write_text(json.dumps(manifest))
    path = page(tmp_path / "page.html", spoilt, second)
    for task in ("refcoco_val", "vqav2_val"):
        found = group(path, task)
        assert found["problem"] == ""
        assert found["samples"]["1"]["q"] == demo_rows(task)[1].get(
            "question", demo_rows(task)[1].get("expression")
        )
    assert "not a manifest of this version" in group(path, "refcoco_val")["runs"][0]["problems"][0]
    assert "t" not in group(path, "refcoco_val")["answers"][0]["1"]
    assert "t" in group(path, "refcoco_val")["answers"][1]["1"]


def test_what_a_judge_said_is_the_number_of_the_run(tmp_path: Path) -> None:
    """A task without a scorer has its numbers from a judge: they are in its section, bars and parts."""
    judged = result(
        "touchstone_en",
        metrics={
            "touchstone_score": Metric(511.5, 3.0, (505.0, 518.0)),
            "touchstone_score/task=poetry": Metric(444.4),
        },
        judge={"model": "stub", "prompt_sha256": "p"},
    )
    folder = write(write(tmp_path / "run", result("touchstone_en", metrics={})), judged, scorer="judge-abc")
    text = page(tmp_path / "page.html", folder).read_text(encoding="utf-8")
    section = text.partition('class="view task" data-view="touchstone_en"')[2]
    for part in ("m [judge stub]", "511.50", "444.40", "poetry", "not judged"):
        assert part in section
    assert 'aria-label="m [judge stub]: 511.50' in text


def test_a_run_has_one_bar_however_often_it_was_scored(tmp_path: Path) -> None:
    """Two bars with the same sign, by two scorers, cannot be told apart."""
    folder = write(tmp_path / "run", result("textvqa_val", metric="vqa_accuracy"))
    write(folder, result("textvqa_val", 60.0, metric="vqa_accuracy", scorer="official"), scorer="official")
    text = page(tmp_path / "page.html", folder, published=False).read_text(encoding="utf-8")
    assert 'aria-label="m: 77.21' in text
    assert 'aria-label="m [scorer official]: 60.00' not in text
    assert text.count("60.00") >= 2  # in the leaderboard and in the section of the task


def test_another_scorers_number_is_no_bar_of_the_run(tmp_path: Path) -> None:
    """Where a result.json is broken, another scorer's number stood under the run's plain name."""
    metrics = {"vqa_accuracy": Metric(60.0), "vqa_accuracy/answer_type=number": Metric(41.0)}
    names = ("vqav2_val", "textvqa_val", "refcoco_val", "docvqa_val")
    folder = write(tmp_path / "run", *(result(name) for name in names))
    write(folder, result("vqav2_val", metrics=metrics, scorer="official"), scorer="official")
    (folder / "vqav2_val" / "result.json").write_text("broken")
    whole = write(tmp_path / "whole", result("vqav2_val", model="other", metric="vqa_accuracy"))
    text = page(tmp_path / "page.html", folder, whole, published=False).read_text(encoding="utf-8")
    label = '<small class="scorer"><bdi>m [scorer official]</bdi></small>'
    for value in ("60.00", "41.00"):
        assert f'aria-label="m: {value}' not in text
        assert f'aria-label="m [scorer official]: {value}' in text
    assert text.count(label) == 2
    runs = load_runs([folder, whole])
    drawn = charts.radar(leaderboards(runs), runs)
    assert drawn is None  # two benchmarks are left that the run has a number of its own for


def test_what_another_scorer_made_of_the_answers_can_be_looked_at(folder: Path, tmp_path: Path) -> None:
    """A number in the tables whose samples are nowhere, such as all that a judge has said."""
    other = shutil.copytree(folder, tmp_path / "run")
    score(other, task="refcoco_val", protocol="instruct")
    scores = other / "refcoco_val" / "scores.instruct.jsonl"
    scores.write_bytes(scores.read_bytes().replace(b'"value": 0.0', b'"value": 0.25', 1))
    (other / "vqav2_val" / "result.json").rename(other / "vqav2_val" / "result.other.json")
    (other / "vqav2_val" / "scores.jsonl").rename(other / "vqav2_val" / "scores.other.jsonl")
    path = page(tmp_path / "page.html", folder, other)
    text = path.read_text(encoding="utf-8")
    names = [one["name"] for one in json.loads(text.partition('id="config">')[2].partition("<")[0])["runs"]]
    assert names[2:] == [f"{names[1]} [scorer instruct]", f"{names[1]} [scorer other]"]
    found = group(path, "refcoco_val")
    assert [one["run"] for one in found["runs"]] == [0, 1, 2]
    assert [one["scorer"] for one in found["runs"]] == ["qwen-vl", "qwen-vl", "instruct"]
    own, rescored = found["listing"]["values"][1:]
    assert [(a, b) for a, b in zip(own, rescored, strict=True) if a != b] == [(0, 0.25)]
    assert found["answers"][1]["1"]["t"] == found["answers"][2]["1"]["t"]
    assert [one["run"] for one in group(path, "vqav2_val")["runs"]] == [0, 3]
    section = text.partition('class="view task" data-view="refcoco_val"')[2].partition("<h2>Breakdowns")[0]
    assert section.count('class="stack"') == 3
    assert section.count("1 partly right, 0.25 to 0.5</li>") == 1


def test_changed_data_and_lost_pictures_are_said(tmp_path: Path) -> None:
    """Questions of a file that is another now are not those that were asked."""
    rows = [{"id": str(n), "image": f"pictures/{n}.png", "question": "?", "answers": ["a"]} for n in range(3)]
    data = write_data(tmp_path / "data", rows, "vqav2_val")
    folder = ask(tmp_path / "run", "m", {"vqav2_val": lambda place, row: "a"}, str(data))
    (data / "pictures" / "0.png").unlink()
    (data / "pictures" / "1.png").write_bytes(b"no picture")
    found = group(page(tmp_path / "page.html", folder), "vqav2_val")
    assert (found["counts"]["unreadable"], found["counts"]["pictures"]) == (2, 1)
    assert [found["shows"][place] for place in ("0", "1", "2")] == [[MISSING], [UNREADABLE], [0]]
    write_data(data, [*rows, {**rows[0], "id": "new"}], "vqav2_val")
    found = group(page(tmp_path / "page.html", folder), "vqav2_val")
    assert "not the file of the run, its content differs" in found["problem"]
    assert found["samples"]["0"] == {}
    assert found["answers"][0]["0"]["a"] == "a"


def test_results_without_any_samples_make_a_page(tmp_path: Path) -> None:
    """A result.json somebody passed on is shown, and its samples are said to be missing."""
    folder = write(tmp_path / "run", result(), result("textvqa_val"))
    (folder / "refcoco_val" / "scores.jsonl").unlink()
    (folder / "textvqa_val" / "scores.jsonl").write_bytes(b"")
    path = page(tmp_path / "page.html", folder)
    found, emptied = group(path, "refcoco_val"), group(path, "textvqa_val")
    assert found["listing"]["ids"] == emptied["listing"]["ids"] == []
    assert "scores.jsonl: cannot be read (No such file or directory)" in found["runs"][0]["problems"][-1]
    assert emptied["runs"][0]["problems"][-1] == "Of 5,000 of 5,000 samples the score cannot be read"
    assert path.read_text(encoding="utf-8").count("<li>no scores of samples can be read</li>") == 2


def test_captions_are_tokenised_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Java takes half a second to start: a start for each of 500 captions would be minutes."""
    rows = [{"id": str(n), "image": "pictures/1.png", "captions": [f"A man, riding {n}."]} for n in range(5)]
    data = write_data(tmp_path / "data", rows, "nocaps_val")
    folder = ask(
        tmp_path / "run", "m", {"nocaps_val": lambda place, row: f"A man, walking {place}."}, str(data)
    )
    monkeypatch.setattr(
        "eval_mm.kinds.caption.caption.tokenize", lambda texts: pytest.fail("one start of Java too many")
    )
    found = group(page(tmp_path / "page.html", folder), "nocaps_val")
    assert found["samples"]["3"]["n"] == {"qwen-vl": ["a man riding 3"]}
    assert found["answers"][0]["3"]["k"] == [["PTB tokens", "a man walking 3"]]


def test_long_texts_are_cut_and_say_so(tmp_path: Path) -> None:
    """One answer of a megabyte must not push all others out of the page."""
    rows = [{"id": "1", "image": "pictures/0.png", "question": "?", "answers": ["a"]}]
    data = write_data(tmp_path / "data", rows, "vqav2_val")
    folder = ask(tmp_path / "run", "m", {"vqav2_val": lambda place, row: "x" * 1_000_000}, str(data))
    found = group(page(tmp_path / "page.html", folder), "vqav2_val")
    assert found["answers"][0]["0"]["t"] == "x" * 4000 + " … (996,000 more characters)"


def test_scores_are_read_once_each_and_sorted(tmp_path: Path) -> None:
    """Failed before unread before wrong; an id that stands twice counts once."""
    rows = [
        ("a", 1.0, None),
        ("b", None, None),
        ("c", 0.3, None),
        ("d", None, "boom"),
        ("a", 0.0, None),
        ("e", 0, None),
    ]
    path = tmp_path / "scores.jsonl"
    path.write_text(
        "".join(
            json.dumps({"id": name, "value": value, "answer": "", "explanation": "", "error": error}) + "\n"
            for name, value, error in rows
        )
    )
    found = read_scores(path)
    assert found.ids == ["a", "b", "c", "d", "e"]
    assert found.values == [1.0, None, 0.3, ERROR, 0]
    assert found.problem == f"{path}:5: field 'id': 'a' stands twice"
    assert [found.ids[place] for place in worst_first(found.values)] == ["d", "b", "e", "c", "a"]
    assert worst_first([1.0, ABSENT, 0.5]) == [2, 0]
    counted = distribution([*found.values, ABSENT], scored=True)
    assert counted == Outcomes(right=1, partly_2=1, wrong=1, unparsed=1, errors=1)
    assert distribution([None, ERROR], scored=False) == Outcomes(errors=1, unscored=1)
    quarters = distribution([0.01, 0.25, 0.5, 0.74, 0.75, 0.99, 1.0], scored=True)
    assert quarters == Outcomes(right=1, partly_4=2, partly_3=2, partly_2=1, partly_1=1)


def test_two_runs_are_compared_in_words(folder: Path, second: Path, tmp_path: Path) -> None:
    """What `compare` says in the terminal stands in the page, and only where there are two runs."""
    text = page(tmp_path / "two.html", folder, second).read_text(encoding="utf-8")
    assert "Two runs compared" in text
    assert re.search(r"(is better on|No difference can be shown on) [^<]*refcoco_val", text)
    assert "Two runs compared" not in page(tmp_path / "one.html", folder).read_text(encoding="utf-8")
    other = write(tmp_path / "other", result("textvqa_val"))
    assert "no task in common" in page(tmp_path / "none.html", folder, other).read_text(encoding="utf-8")


def test_nothing_but_published_figures_is_a_page_too(tmp_path: Path) -> None:
    """The papers' tables alone."""
    write_html([], tmp_path / "page.html", data=None, published=True)
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "Flamingo-80B" in text
    assert load_runs([]) == []

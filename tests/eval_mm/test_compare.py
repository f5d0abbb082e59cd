"""Two runs compared: what is compared, what is left out, and what is said of it."""

import json
import math
import re
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

import eval_mm
from eval_mm import store
from eval_mm.cli import main
from eval_mm.compare import TaskComparison, compare_runs
from eval_mm.compare.rows import NO_PICTURES
from eval_mm.compare.text import render
from eval_mm.data import find_root, load
from eval_mm.errors import DataError, UserError
from eval_mm.schema import ModelInfo, Prediction, Request
from eval_mm.stats import cluster_of
from eval_mm.tasks import get
from tests.eval_mm.support import BOX_ANSWER, ScriptedModel, rows, write_data

NOWHERE = "(0,0),(1,1)"
TASK = "refcoco_val"
JOURNAL = "predictions.rank0.jsonl"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """24 expressions on 4 pictures."""
    return write_data(tmp_path / "data", rows(24, images=4))


def ask(data: Path | str, out: Path, wrong: Iterable[str] = (), task: str = TASK, **options: Any) -> Path:
    """A run of a model that is wrong on some samples."""
    missed = set(wrong)
    model = ScriptedModel(lambda request: NOWHERE if request.id in missed else BOX_ANSWER)
    eval_mm.evaluate(model, task, data, out=out, **options)
    return out


@pytest.fixture
def runs(data: Path, tmp_path: Path) -> tuple[Path, Path]:
    """The second gains s0, s4 and s5, and loses s3."""
    first = ask(data, tmp_path / "a", ["s0", "s4", "s5", "s9"])
    return first, ask(data, tmp_path / "b", ["s3", "s9"])


def only(first: Path, second: Path, **options: Any) -> TaskComparison:
    (found,) = compare_runs(first, second, **options).tasks
    return found


def edit(path: Path, change: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | change), encoding="utf-8")


def test_numbers_are_those_of_the_results(runs: tuple[Path, Path]) -> None:
    """Another way to count unread answers or errors here would give a third number."""
    found = only(*runs)
    stored = [json.loads((run / TASK / "result.json").read_text(encoding="utf-8")) for run in runs]
    number = found.numbers["accuracy@0.5"]
    assert number.first == stored[0]["metrics"]["accuracy@0.5"]["value"]
    assert number.second == stored[1]["metrics"]["accuracy@0.5"]["value"]
    assert number.difference == pytest.approx(100 * 2 / 24)
    assert (found.num_samples, found.num_left_out) == (24, (0, 0))


def test_the_difference_is_clustered_by_picture(runs: tuple[Path, Path]) -> None:
    """By hand: s0 and s4 are on picture 0, s5 on 1, s3 on 3, so the sums of changes are 2, 1, 0, -1."""
    mean = 2 / 24
    sums = [2 - 6 * mean, 1 - 6 * mean, 0 - 6 * mean, -1 - 6 * mean]
    stderr = 100 * math.sqrt(4 / 3 * sum(one * one for one in sums)) / 24
    found = only(*runs)
    assert found.numbers["accuracy@0.5"].stderr == pytest.approx(stderr)
    assert found.clusters == "pictures"


def test_gained_and_lost_samples(runs: tuple[Path, Path]) -> None:
    """Both directions, with both answers; s9, wrong in both, is neither."""
    found = only(*runs)
    assert (found.gained, found.lost) == (("s0", "s4", "s5"), ("s3",))
    assert [one.id for one in found.changed] == ["s0", "s4", "s5", "s3"]
    lost = found.changed[-1]
    assert (lost.first.value, lost.second.value) == (1.0, 0.0)
    assert "IoU 1.0" in lost.first.explanation
    assert [one.id for one in only(*runs, show=1).changed] == ["s0", "s3"]
    assert only(*runs, show=0).changed == ()


def test_a_run_and_itself(runs: tuple[Path, Path]) -> None:
    """No difference, p = 1, nothing that differs, and no division by zero on the way."""
    found = compare_runs(runs[0], runs[0])
    number = found.tasks[0].numbers["accuracy@0.5"]
    assert (number.difference, number.p, number.p_holm, number.better) == (0.0, 1.0, 1.0, 0)
    assert found.differences == ()
    text = render(found)
    assert "The same scores, sample by sample, on refcoco_val." in text
    assert "The same model, prompts" in text


def test_failed_and_unread_answers_count_0(data: Path, tmp_path: Path) -> None:
    """As in the result; an error in one run must not drop the sample from both."""

    def answer(request: Request) -> str:
        if request.id == "s1":
            raise ValueError("the server is down")
        return "no box" if request.id == "s2" else BOX_ANSWER

    eval_mm.evaluate(ScriptedModel(answer), TASK, data, out=tmp_path / "a")
    found = only(tmp_path / "a", ask(data, tmp_path / "b"))
    assert found.gained == ("s1", "s2")
    assert found.num_samples == 24
    assert found.changed[0].errors == ("the server is down", None)
    assert "failed: the server is down" in render(compare_runs(tmp_path / "a", tmp_path / "b"))


def test_samples_of_one_run_only_are_left_out(data: Path, tmp_path: Path) -> None:
    """Counting what was not asked as wrong would punish --limit."""
    first = ask(data, tmp_path / "a", ["s1"], limit=10)
    found = compare_runs(first, ask(data, tmp_path / "b", ["s23"]))
    (task,) = found.tasks
    assert (task.num_samples, task.num_left_out) == (10, (0, 14))
    assert task.numbers["accuracy@0.5"].second == 100
    assert (task.gained, task.lost) == (("s1",), ())
    assert "left out, scored in B only or of another row: 14 samples of refcoco_val" in render(found)
    changes = {one.what: (one.first, one.second) for one in found.differences}
    assert changes["selection limit"] == ("10", "-")
    assert changes["samples"] == ("10", "24")


def test_what_is_left_out_of_many_tasks_is_one_line(data: Path, tmp_path: Path) -> None:
    """Beside a run with --limit a whole one had 29 lines of what is left out before the words looked for."""
    others = ("refcoco_testA", "vizwiz_test", "vqav2_testdev")
    for task in others:
        questions = [{"id": f"s{n}", "image": f"pictures/{n % 4}.png", "question": "Q?"} for n in range(24)]
        write_data(data, rows(24, images=4) if task == others[0] else questions, task)
    for run, limit in (("a", 10), ("b", None)):
        for task in (TASK, *others):
            ask(data, tmp_path / run, task=task, limit=limit)
    lines = " ".join(render(compare_runs(tmp_path / "a", tmp_path / "b")).split())
    assert (
        "left out, scored in B only or of another row: 14 samples of refcoco_val, 14 samples of refcoco_testA"
        in lines
    )
    assert "not compared: vizwiz_test, vqav2_testdev: no scores: the answers are not public" in lines
    assert lines.count("left out") == 1


def test_what_differs_comes_first(data: Path, tmp_path: Path) -> None:
    """The reason of a difference must not have to be guessed: protocol, limits, checkpoint, programs."""
    first = ask(data, tmp_path / "a")
    model = ScriptedModel(fingerprint="f2")
    eval_mm.evaluate(model, TASK, data, out=tmp_path / "b", protocol="instruct")
    manifest = json.loads((tmp_path / "b/manifest.json").read_text(encoding="utf-8"))
    manifest["runs"][0]["packages"]["numpy"] = "1.0"
    (tmp_path / "b/manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    found = compare_runs(first, tmp_path / "b")
    changes = {one.what: (one.first, one.second) for one in found.differences}
    assert changes["checkpoint"] == ("f1", "f2")
    assert changes["prompt"] == ("qwen-vl", "instruct")
    assert changes["scorer"] == ("qwen-vl", "instruct")
    assert changes["max new tokens"] == ("28", "64")
    assert changes["chat"] == ("false", "true")
    assert changes["numpy"][1] == "1.0"
    assert not {"started", "finished", "model", "data"} & changes.keys()
    text = render(found)
    assert text.index("checkpoint") < text.index("95 % interval")


def test_what_was_asked_stands_before_programs(data: Path, tmp_path: Path) -> None:
    """What only the second run or a later task has came last, below versions that explain nothing."""
    write_data(data, rows(4), "refcoco_testA")
    both = f"{TASK},refcoco_testA"
    first, second = ask(data, tmp_path / "a", task=both), ask(data, tmp_path / "b", task=both)
    result = json.loads((second / "refcoco_testA/result.json").read_text(encoding="utf-8"))
    config = result["config"] | {"few_shot": {"shots": 2}}
    edit(second / "refcoco_testA/result.json", {"config": config, "version": 7})
    manifest = json.loads((second / "manifest.json").read_text(encoding="utf-8"))
    edit(second / "manifest.json", {"runs": [manifest["runs"][0] | {"git_commit": "c"}]})
    whats = [one.what for one in compare_runs(first, second).differences]
    assert whats == ["task version", "few shot shots", "git commit"]


def test_what_differs_in_some_tasks_only(data: Path, tmp_path: Path) -> None:
    """A line for each task of a long run would hide the one that matters."""
    write_data(data, rows(4), "refcoco_testA")
    both = f"{TASK},refcoco_testA"
    first = ask(data, tmp_path / "a", task=both)
    edit(first / "refcoco_testA/result.json", {"version": 7})
    found = compare_runs(first, ask(data, tmp_path / "b", task=both))
    (version,) = found.differences
    assert (version.what, version.first, version.second) == ("task version", "7", "1")
    assert version.tasks == ("refcoco_testA",)


def test_without_the_rows_the_journal_tells_pictures_apart(
    runs: tuple[Path, Path], data: Path, tmp_path: Path
) -> None:
    """On the machine where reports are made there may be no data; questions counted alone err too little."""
    clustered = only(*runs).numbers["accuracy@0.5"]
    shutil.rmtree(data)
    found = only(*runs)
    assert (found.clusters, found.numbers["accuracy@0.5"]) == ("pictures", clustered)
    for run in runs:
        (run / TASK / JOURNAL).unlink()
    alone = only(*runs)
    assert alone.clusters == "samples"
    assert alone.numbers["accuracy@0.5"].stderr != pytest.approx(clustered.stderr)
    assert "which samples share a picture is not known" in render(compare_runs(*runs))


def test_samples_without_pictures_are_no_cluster(data: Path, tmp_path: Path) -> None:
    """They share the half of the key that stands for no picture."""
    key = store.Keys("f").of(Request("1", ("Who?",)))
    assert key.partition("-")[2] == NO_PICTURES


def test_the_data_root_of_the_runs_has_moved(runs: tuple[Path, Path], data: Path, tmp_path: Path) -> None:
    """--data names the new one; a root with another file of that name does not count."""
    clustered = only(*runs).numbers["accuracy@0.5"].stderr
    for run in runs:
        (run / TASK / JOURNAL).unlink()
    data.rename(tmp_path / "moved")
    write_data(tmp_path / "other", rows(24, images=2))
    assert only(*runs, data=tmp_path / "other").clusters == "samples"
    found = only(*runs, data=tmp_path / "moved")
    assert (found.clusters, found.numbers["accuracy@0.5"].stderr) == ("pictures", clustered)


def test_other_data_of_the_same_name(data: Path, tmp_path: Path) -> None:
    """Of two versions of a file the rows that are alike are compared, and the difference is said first."""
    first = ask(data, tmp_path / "a", ["s0"])
    changed = rows(24, images=4)
    changed[0]["expression"] = "another thing"
    changed[1]["box"] = [0, 0, 9, 9]
    second = ask(write_data(tmp_path / "newer", changed[:20]), tmp_path / "b", ["s5"])
    found = compare_runs(first, second)
    (task,) = found.tasks
    assert "data" in {one.what for one in found.differences}
    assert (task.num_samples, task.num_left_out) == (18, (6, 2))
    assert (task.gained, task.lost) == ((), ("s5",))
    shutil.rmtree(tmp_path / "newer")
    (task,) = compare_runs(first, second).tasks
    assert not task.numbers
    assert "different files" in task.refused


def test_no_sample_in_common(data: Path, tmp_path: Path) -> None:
    """A mean of nothing is no number."""
    first = ask(data, tmp_path / "a", limit=1)
    second = ask(data, tmp_path / "b", sample=1, seed=1)
    found = only(first, second)
    assert (found.refused, found.num_left_out) == ("no sample in common", (1, 1))


def write_captions(folder: Path, values: Mapping[str, float]) -> Path:
    """What a run of nocaps_val on demo data leaves behind, without the tokeniser that scoring needs."""
    value = 1000 * sum(values.values()) / len(values)
    config = {"data_sha256": load(get("nocaps_val"), find_root("demo")).sha256}
    result = {
        **{"task": "nocaps_val", "version": 1, "model": "m", "prompt_protocol": "qwen-vl"},
        **{"score_protocol": "qwen-vl", "num_samples": len(values), "num_published": 4500, "num_unparsed": 0},
        **{"num_errors": 0, "complete": False, "demo": True, "config": config},
        "metrics": {"cider": {"value": value, "stderr": 1.0, "ci95": None}},
    }
    (folder / "nocaps_val").mkdir(parents=True)
    (folder / "nocaps_val/result.json").write_text(json.dumps(result), encoding="utf-8")
    lines = [
        json.dumps({"id": name, "value": value, "answer": "a", "explanation": "", "error": None})
        for name, value in values.items()
    ]
    (folder / "nocaps_val/scores.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def test_captions_are_compared_on_the_same_split_only(tmp_path: Path) -> None:
    """Word frequencies are those of what was scored: a caption's CIDEr of 12 pictures is another of 20."""
    names = [sample.id for sample in load(get("nocaps_val"), find_root("demo")).samples]
    first = write_captions(tmp_path / "a", {name: 0.05 for name in names})
    second = write_captions(tmp_path / "b", {name: 0.01 * place for place, name in enumerate(names)})
    found = only(first, second)
    assert found.numbers["cider"].first == pytest.approx(50)
    assert found.numbers["cider"].difference == pytest.approx(45)
    fewer = write_captions(tmp_path / "c", {name: 0.05 for name in names[:12]})
    refused = only(first, fewer)
    assert not refused.numbers
    assert "depends on which others are scored with it" in refused.refused


class YesModel:
    """Says what it is told to."""

    def __init__(self, text: str):
        self.text = text
        self.info = ModelInfo("yes", "f1")

    def generate(self, requests: Iterable[Request]) -> Iterable[Prediction]:
        """The same to everything; options are ranked by it."""
        for request in requests:
            ranks = tuple(-float(place == len(self.text) % 2) for place in range(len(request.choices)))
            yield Prediction(request.id, self.text, choice_logprobs=ranks or None, stop_reason="stop")


@pytest.mark.parametrize(
    ("task", "names"),
    [("mme", ["mme_perception", "mme_cognition"]), ("mmbench_dev", ["circular_accuracy"])],
)
def test_sums_and_groups_are_compared_as_they_are_published(
    task: str, names: list[str], tmp_path: Path
) -> None:
    """The mean over rows is neither MME's sum nor a circular accuracy."""
    for text in ("Yes", "No"):
        eval_mm.evaluate(YesModel(text), task, "demo", out=tmp_path / text)  # type: ignore[arg-type]
    found = only(tmp_path / "Yes", tmp_path / "No")
    assert list(found.numbers) == names
    for name, number in found.numbers.items():
        for run, value in (("Yes", number.first), ("No", number.second)):
            stored = json.loads((tmp_path / run / task / "result.json").read_text(encoding="utf-8"))
            assert stored["metrics"][name]["value"] == pytest.approx(value)


@pytest.mark.parametrize("task", ["mme", "mmbench_dev"])
def test_a_value_is_made_of_all_its_rows(task: str, tmp_path: Path) -> None:
    """Of a question of which one run was asked a part, the part was compared: it is right more often."""
    limit = 5
    whole = tmp_path / "whole"
    eval_mm.evaluate(YesModel("Yes"), task, "demo", out=whole)  # type: ignore[arg-type]
    eval_mm.evaluate(YesModel("No"), task, "demo", out=tmp_path / "part", limit=limit)  # type: ignore[arg-type]
    compared = compare_runs(whole, tmp_path / "part")
    (found,) = compared.tasks
    rows = load(get(task), find_root("demo")).samples
    asked, later = ({cluster_of(row) for row in part} for part in (rows[:limit], rows[limit:]))
    kept = [row for row in rows[:limit] if cluster_of(row) in asked - later]
    assert (found.num_samples, found.num_torn) == (len(kept), limit - len(kept))
    assert 0 < len(kept) < limit
    assert f"count together with such samples: {limit - len(kept)} sample" in render(compared)


def test_p_values_are_corrected_over_the_tasks(data: Path, tmp_path: Path) -> None:
    """Of twenty tasks on which nothing differs, one has p < 0.05 by chance."""
    write_data(data, rows(24, images=24), "refcoco_testA")
    both = f"{TASK},refcoco_testA"
    first = ask(data, tmp_path / "a", [f"s{place}" for place in range(8)], task=both)
    found = compare_runs(first, ask(data, tmp_path / "b", task=both))
    numbers = [task.numbers["accuracy@0.5"] for task in found.tasks]
    least = min(number.p or 0.0 for number in numbers)
    assert min(number.p_holm or 0.0 for number in numbers) == pytest.approx(2 * least)
    alone = compare_runs(first, tmp_path / "b", [TASK]).tasks[0].numbers["accuracy@0.5"]
    assert alone.p_holm == alone.p


def test_the_same_answers_under_another_scorer(runs: tuple[Path, Path]) -> None:
    """What `score --protocol` left beside the runs' own results; both runs need it."""
    with pytest.raises(UserError, match=r"no result of scorer instruct; it has qwen-vl; .* score "):
        compare_runs(*runs, protocol="instruct")
    for run in runs:
        eval_mm.score(run, protocol="instruct")
    found = compare_runs(*runs, protocol="instruct")
    assert found.first.results[TASK].score_protocol == "instruct"
    assert found.tasks[0].gained == ("s0", "s4", "s5")
    assert compare_runs(*runs, protocol="official").tasks[0].gained == ("s0", "s4", "s5")


def test_tasks_without_the_scorer_are_named(runs: tuple[Path, Path], data: Path) -> None:
    """A comparison under one scorer looked whole though it left out what nobody had scored by it."""
    write_data(data, rows(4), "refcoco_testA")
    for run in runs:
        ask(data, run, task="refcoco_testA")
        eval_mm.score(run, task=TASK, protocol="instruct")
    found = compare_runs(*runs, protocol="instruct")
    assert found.without == ("refcoco_testA",)
    assert "no scores by this scorer: refcoco_testA; score RUN" in render(found)
    assert not compare_runs(*runs, [TASK], protocol="instruct").without
    assert not compare_runs(*runs).without


def test_a_difference_of_scorers_is_no_better_model(data: Path, tmp_path: Path) -> None:
    """B was called better where only its scorer reads boxes in another form."""
    a, b = tmp_path / "a", tmp_path / "b"
    for run, protocol in ((a, "qwen-vl"), (b, "instruct")):
        eval_mm.evaluate(ScriptedModel(lambda request: BOX_ANSWER), TASK, data, out=run, protocol=protocol)
    assert "different scorers" not in render(compare_runs(a, b)), "the scores are the same"
    write_data(data, rows(24, images=24), "refcoco_testA")
    ask(data, a, [f"s{place}" for place in range(20)], task="refcoco_testA")
    ask(data, b, task="refcoco_testA", protocol="instruct")
    told = "A and B have different scorers on refcoco_testA, which may be the reason"
    assert told in " ".join(render(compare_runs(a, b)).split())


def test_tasks_that_are_asked_for(runs: tuple[Path, Path], data: Path, tmp_path: Path) -> None:
    """A family means what both have of it; a task by name must be there."""
    write_data(data, rows(4), "refcoco_testA")
    ask(data, runs[0], task="refcoco_testA")
    found = compare_runs(*runs, ["refcoco"])
    assert [task.task for task in found.tasks] == [TASK]
    assert found.only == (("refcoco_testA",), ())
    with pytest.raises(UserError, match="b: no result of task refcoco_testA; it has refcoco_val"):
        compare_runs(*runs, ["refcoco,refcoco_testA"])
    with pytest.raises(UserError, match="none of refcocog_test, refcocog_val in common"):
        compare_runs(*runs, ["refcocog"])
    with pytest.raises(UserError, match="did you mean refcoco_val"):
        compare_runs(*runs, ["refcoco_vall"])


def spoil(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_unreadable_files_are_told_in_one_line(runs: tuple[Path, Path]) -> None:
    """A torn or edited file must neither be compared in part nor end in a traceback."""
    scores, result = runs[1] / TASK / "scores.jsonl", runs[1] / TASK / "result.json"
    whole = scores.read_text(encoding="utf-8"), result.read_text(encoding="utf-8")
    for old, new, said in (
        ('"value": 1.0', '"value": NaN', r"scores.jsonl:1: field 'value': expected a number from 0 to 1"),
        ('"value": 1.0', '"value": 2', r"scores.jsonl:1: field 'value'"),
        ('{"id": "s0"', '{"id": "s1"', r"scores.jsonl:2: field 'id': 's1' stands twice"),
        ('{"id": "s0", ', '{"id": "s0" ', r"scores.jsonl:1: no row of scores"),
        (
            '"value": 1.0',
            '"value": 0.0',
            r"scores.jsonl: makes accuracy@0.5 87.5, result.json has 91.666667",
        ),
        (whole[0].splitlines()[0] + "\n", "", r"scores.jsonl: has 23 samples, result.json has 24; score the"),
    ):
        spoil(scores, old, new)
        with pytest.raises(UserError, match=said):
            compare_runs(*runs)
        scores.write_text(whole[0], encoding="utf-8")
    for old, new, said in (
        ('"value"', '"worth"', r"result.json: field 'metrics.accuracy@0.5.value'"),
        ('"task": "refcoco_val"', '"task": "refcoco_testA"', r"result.json: field 'task': is of task"),
        ("{", "", r"result.json: not valid JSON"),
    ):
        spoil(result, old, new)
        with pytest.raises(DataError, match=said):
            compare_runs(*runs)
        result.write_text(whole[1], encoding="utf-8")
    scores.unlink()
    with pytest.raises(UserError, match=r"scores.jsonl: cannot be read .*; score the run again"):
        compare_runs(*runs)


def test_unfinished_tasks_are_named(runs: tuple[Path, Path]) -> None:
    """A task without a result is not compared, and not forgotten either."""
    (runs[1] / "textvqa_val").mkdir()
    (runs[1] / "textvqa_val" / JOURNAL).write_text("", encoding="utf-8")
    assert "B: textvqa_val: no result.json: half-finished" in render(compare_runs(*runs))


def test_answers_without_public_scores(tmp_path: Path) -> None:
    """Splits whose answers are not public have nothing to compare."""
    for run in ("a", "b"):
        eval_mm.evaluate("echo", "vizwiz_test", "demo", out=tmp_path / run)
    found = only(tmp_path / "a", tmp_path / "b")
    assert (found.refused, dict(found.numbers)) == ("no scores: the answers are not public", {})


def answering(answers: Mapping[str, str]) -> ScriptedModel:
    return ScriptedModel(lambda request: answers[request.id])


def test_a_composite_task(tmp_path: Path, data: Path) -> None:
    """Its rows are its members', and so are the pictures that the journals tell of."""
    questions = [
        {"id": str(place), "image": f"pictures/{place % 2}.png", "question": "How many?", "answers": ["10"]}
        for place in range(6)
    ]
    for part in ("human", "augmented"):
        write_data(data, questions, f"chartqa_test_{part}")
    for run, wrong in (("a", "1"), ("b", "9")):
        answers = {name: "7" if name == wrong else "10" for name in map(str, range(6))}
        eval_mm.evaluate(answering(answers), "chartqa_test", data, out=tmp_path / run)
    found = compare_runs(tmp_path / "a", tmp_path / "b", ["chartqa_test"])
    whole = {task.task: task for task in found.tasks}["chartqa_test"]
    assert whole.gained == ("chartqa_test_human/1", "chartqa_test_augmented/1")
    stderr = whole.numbers["relaxed_accuracy"].stderr
    shutil.rmtree(data)
    again = {task.task: task for task in compare_runs(tmp_path / "a", tmp_path / "b").tasks}["chartqa_test"]
    assert (again.clusters, again.numbers["relaxed_accuracy"].stderr) == ("pictures", stderr)


def test_words(data: Path, tmp_path: Path) -> None:
    """Who is better where is said in a sentence, with the sign the right way round."""
    write_data(data, rows(24, images=24))
    write_data(data, rows(24, images=24), "refcoco_testA")
    write_data(data, rows(24, images=24), "refcoco_testB")
    a = ask(data, tmp_path / "a", [f"s{place}" for place in range(12)], task=TASK)
    b = ask(data, tmp_path / "b", ["s20"], task=TASK)
    ask(data, a, ["s1"], task="refcoco_testA")
    ask(data, b, [f"s{place}" for place in range(20)], task="refcoco_testA")
    ask(data, a, ["s1", "s2"], task="refcoco_testB")
    ask(data, b, ["s3"], task="refcoco_testB")
    text = " ".join(render(compare_runs(a, b)).split())
    assert "B is better on refcoco_val (by 45.83)." in text
    assert "A is better on refcoco_testA (by 79.17)." in text
    assert "No difference can be shown on refcoco_testB (B - A +4.17, p 0.5" in text


def say(data: Path, out: Path, text: str) -> None:
    """A run of a model that gives one answer to everything."""
    eval_mm.evaluate(ScriptedModel(lambda request: text), "gqa_testdev", data, out=out)


def test_what_could_not_be_read_is_shown_as_it_was_written(data: Path, tmp_path: Path) -> None:
    """An empty pair of quotes tells nobody what was lost; of two answers the journal knows not which."""
    a = ask(data, tmp_path / "a")
    b = tmp_path / "b"
    model = ScriptedModel(lambda request: 'no "box" here' if request.id == "s3" else BOX_ANSWER)
    eval_mm.evaluate(model, TASK, data, out=b)
    assert only(a, b).changed[0].texts == (None, 'no "box" here')
    assert '    B  unread  "no \\"box\\" here"' in render(compare_runs(a, b))
    line = next(
        line for line in (b / TASK / JOURNAL).read_text(encoding="utf-8").splitlines() if '"s3"' in line
    )
    with (b / TASK / JOURNAL).open("a", encoding="utf-8") as file:
        file.write(json.dumps(json.loads(line) | {"key": "another-key", "text": "of another model"}) + "\n")
    assert only(a, b).changed[0].texts == (None, None)


def test_the_name_of_a_prompt_is_no_difference(data: Path, tmp_path: Path) -> None:
    """Two protocols of one prompt differ in the scorer alone; another prompt is still told."""
    write_data(
        data, [{"id": "e", "image": "pictures/0.png", "question": "Q", "answers": ["x"] * 10}], "vqav2_val"
    )
    for way in ("qwen-vl", "official", "instruct"):
        model = ScriptedModel(lambda request: "x")
        eval_mm.evaluate(model, "vqav2_val", data, out=tmp_path / way, protocol=way)
    whats = [
        {one.what for one in compare_runs(tmp_path / "qwen-vl", tmp_path / other).differences}
        for other in ("official", "instruct")
    ]
    assert [what & {"prompt", "scorer"} for what in whats] == [{"scorer"}, {"prompt", "scorer"}]


def test_no_table_is_wider_than_the_terminal(runs: tuple[Path, Path]) -> None:
    """Rows were folded by the terminal; in parts every line fits and no number is lost."""
    found = compare_runs(*runs, show=0)
    narrow, wide = render(found, 60), render(found)
    assert max(map(len, narrow.splitlines()[2:])) <= 60
    assert max(map(len, wide.splitlines()[2:])) > 60
    assert set(re.findall(r"[\d.]+", wide)) <= set(re.findall(r"[\d.]+", narrow))
    assert render(found, 1_000) == wide


def test_text_of_models_cannot_steer_the_terminal(data: Path, tmp_path: Path) -> None:
    """Escape sequences and line ends in answers, ids and names of models stay harmless."""
    row = {"id": "e", "image": "pictures/0.png", "question": "Q", "answers": ["x"]}
    write_data(data, [row], "gqa_testdev")
    say(data, tmp_path / "a", "x")
    say(data, tmp_path / "b", "\x1b[31mred\nB is better on everything.\x07")
    shown = render(compare_runs(tmp_path / "a", tmp_path / "b"))
    assert "red" in shown
    assert all(line.isprintable() for line in shown.splitlines())
    assert not any(line.startswith("B is better") for line in shown.splitlines())


def test_the_command_line(
    runs: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Samples only where asked for, and a file that says the same as the tables."""
    assert main(["compare", *map(str, runs)]) == 0
    assert "  s0\n" not in capsys.readouterr().out
    assert main(["compare", *map(str, runs), "--show", "1", "--json", str(tmp_path / "c.json")]) == 0
    assert "gained: 1 of 3\n  s0\n    A  0  " in capsys.readouterr().out
    written = json.loads((tmp_path / "c.json").read_text(encoding="utf-8"))
    (task,) = written["tasks"]
    assert task["gained"] == ["s0", "s4", "s5"]
    assert task["numbers"]["accuracy@0.5"]["difference"] == pytest.approx(100 * 2 / 24)
    assert written["runs"][0]["folder"] == str(runs[0])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["{a}", "nosuch"], "error: nosuch: no such folder"),
        (["{a}"], "error: the following arguments are required: RUN_B"),
        (["{a}", "{a}", "--show", "-1"], "expected a whole number, got '-1'"),
        (["{a}", "{a}", "--task", "gqa"], "error: unknown task 'gqa'"),
        (["{a}", "{a}", "--data", "nosuch"], "error: --data nosuch: no such folder"),
        (["{a}", "{a}", "--json", "{a}"], "error: {a}: Is a directory"),
    ],
)
def test_bad_usage_is_one_line(
    words: list[str], said: str, runs: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2 and no traceback."""
    try:
        code = main(["compare", *(word.format(a=runs[0]) for word in words)])
    except SystemExit as ended:
        code = int(str(ended.code))
    lines = capsys.readouterr().err.splitlines()
    assert code == 2
    assert len(lines) == 1
    assert said.format(a=runs[0]) in lines[0]


def test_nothing_to_compare_is_no_success(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A script must be able to tell; the reason is printed with what differs."""
    for run in ("a", "b"):
        eval_mm.evaluate("echo", "vizwiz_test", "demo", out=tmp_path / run)
    assert main(["compare", str(tmp_path / "a"), str(tmp_path / "b")]) == 2
    assert "not compared: vizwiz_test: no scores: the answers are not public" in capsys.readouterr().out


def test_what_a_judge_said(tmp_path: Path) -> None:
    """Judged answers are compared under the judge's name, and one without a judgement is not worth 0."""
    out = tmp_path / "a"
    asked = ["--task", "touchstone_en", "--model", "echo", "--judge", "stub", "--data", "demo"]
    assert main(["run", *asked, "--out", str(out)]) == 0
    shutil.copytree(out, tmp_path / "b")
    (scores,) = (tmp_path / "b/touchstone_en").glob("scores.judge-*.jsonl")
    lines = [json.loads(line) for line in scores.read_text(encoding="utf-8").splitlines()]
    lines[0]["value"] = None
    scores.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    found = only(out, tmp_path / "b", protocol=scores.name.removeprefix("scores.").removesuffix(".jsonl"))
    assert (found.num_samples, found.num_left_out) == (len(lines) - 1, (1, 1))
    number = found.numbers["touchstone_score"]
    assert number.first == pytest.approx(1000 * sum(line["value"] for line in lines[1:]) / (len(lines) - 1))
    assert number.difference == 0
    assert "--protocol judge-<hash>" in only(out, tmp_path / "b").refused

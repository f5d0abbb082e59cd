"""Run folders as reports read them: what is corrupt or half-finished is said, and never ends a report."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from eval_mm.errors import UserError
from eval_mm.models import Settings
from eval_mm.report.runs import Run, load_runs, load_those
from eval_mm.run import run
from eval_mm.schema import Metric
from tests.eval_mm.report_support import NASTY, result, write, write_manifest
from tests.eval_mm.support import ScriptedModel, rows, write_data


def load(folder: Path) -> Run:
    (run,) = load_runs([folder])
    return run


def test_a_whole_run(tmp_path: Path) -> None:
    """What is in result.json is what is read, and nothing is said where all is well."""
    whole = result()
    run = load(write(write_manifest(tmp_path / "run", "refcoco_val"), whole))
    assert run.results == {"refcoco_val": whole}
    assert run.problems == ()
    assert run.manifest["runs"][0]["model"] == "m"
    assert run.name == "m"


def test_what_score_wrote_has_no_manifest(tmp_path: Path) -> None:
    """Answers made elsewhere are a run too; results of files of several models have the folder's name."""
    run = load(write(tmp_path / "scored", result(model="a.json")))
    assert (run.name, run.manifest, run.problems) == ("a.json", {}, ())
    both = write(tmp_path / "scored", result("textvqa_val", model="b.json"))
    assert load(both).name == "scored"


def test_other_scorers_and_judges_are_read(tmp_path: Path) -> None:
    """result.<P>.json is the same answers under another scorer, beside the run's own."""
    own, other = result("textvqa_val"), result("textvqa_val", scorer="official")
    folder = write(write(tmp_path / "run", own), other, scorer="official")
    run = load(folder)
    assert run.results == {"textvqa_val": own}
    assert run.rescored == {"official": {"textvqa_val": other}}


def test_answers_scored_under_another_protocol_only(tmp_path: Path) -> None:
    """`score --protocol official --out DIR` writes result.official.json alone: that is whole."""
    run = load(write(tmp_path / "scored", result("textvqa_val", scorer="official"), scorer="official"))
    assert (run.name, run.results, run.problems) == ("m", {}, ())
    assert list(run.rescored["official"]) == ["textvqa_val"]


def spoilt(**changes: Any) -> str:
    """The text of a result with other values in some fields."""
    return json.dumps(result().to_json() | changes)


def without(field: str) -> str:
    """The text of a result without a field, as an older or a newer version may write it."""
    return json.dumps({name: value for name, value in result().to_json().items() if name != field})


def metric(**changes: Any) -> str:
    """The text of a result whose metric is spoilt."""
    return spoilt(metrics={"accuracy@0.5": {"value": 1.0, "stderr": 0.5, "ci95": [0.0, 2.0]} | changes})


CORRUPT = {
    "empty": ("", "not valid JSON"),
    "cut off": (spoilt()[:-40], "not valid JSON"),
    "a list": ("[]", "expected a JSON object"),
    "deeply nested": ("[" * 100_000, "not valid JSON"),
    "a number of 5,000 digits": (spoilt(config={"x": 1}).replace("1}", "1" * 5_000 + "}"), "not valid JSON"),
    "no task": (without("task"), "field 'task': is missing"),
    "no config": (without("config"), "field 'config': is missing"),
    "task no text": (spoilt(task=7), "field 'task': expected a text, got 7"),
    "model null": (spoilt(model=None), "field 'model': expected a text, got None"),
    "count a text": (spoilt(num_samples="10"), "field 'num_samples': expected a whole number, got '10'"),
    "count negative": (spoilt(num_errors=-1), "field 'num_errors'"),
    "count true": (spoilt(num_unparsed=True), "field 'num_unparsed'"),
    "of no sample": (spoilt(num_samples=0), "field 'num_samples': expected at least 1, got 0"),
    "more unread than there are": (spoilt(num_unparsed=10_835), "at most 10,834, the number of samples"),
    "flag a number": (spoilt(complete=1), "field 'complete': expected true or false, got 1"),
    "metrics a list": (spoilt(metrics=[]), "field 'metrics': expected an object, got a list"),
    "metric a number": (spoilt(metrics={"a": 1}), "field 'metrics.a': expected an object"),
    "value NaN": (metric(value=float("nan")), "field 'metrics.accuracy@0.5.value': expected a finite number"),
    "value infinite": (metric(value=float("inf")), "expected a finite number"),
    "value beyond floats": (metric(value=10**400), "expected a finite number, got 1000"),
    "value a text": (metric(value="78"), "expected a finite number, got '78'"),
    "value missing": (spoilt(metrics={"a": {}}), "expected a finite number, got None"),
    "stderr negative": (metric(stderr=-1.0), "field 'metrics.accuracy@0.5.stderr'"),
    "interval of one": (metric(ci95=[1.0]), "field 'metrics.accuracy@0.5.ci95': expected two finite numbers"),
    "interval NaN": (metric(ci95=[1.0, float("nan")]), "expected two finite numbers"),
    "value beyond its interval": (metric(value=94.1), "value': 94.1 contradicts its interval 0 to 2"),
    "percentage beyond 100": (metric(value=941, ci95=None), "value': 941 contradicts its scale 0 to 100"),
    "CIDEr below 0": (
        spoilt(metrics={"cider": {"value": -1.0, "stderr": None, "ci95": None}}),
        "contradicts its scale 0 to 1000",
    ),
    "stderr infinite": (metric(stderr=float("inf")), "field 'metrics.accuracy@0.5.stderr'"),
    "unread and failed are more than all": (
        spoilt(num_unparsed=6_000, num_errors=5_000, complete=False),
        "field 'num_unparsed': 6000 contradicts 5,834 answered; python -m eval_mm check ",
    ),
    "complete with errors": (spoilt(num_errors=1), "field 'complete': true contradicts num_errors 1"),
    "complete and a part": (spoilt(num_samples=9), "true contradicts 9 of 10,834 samples"),
    "config a text": (spoilt(config="x"), "field 'config': expected an object"),
    "shots a text": (spoilt(config={"few_shot": {"shots": "4"}}), "field 'config.few_shot.shots'"),
    "few-shot a number": (spoilt(config={"few_shot": 4}), "field 'config.few_shot'"),
    "judge a text": (spoilt(config={"judge": "gpt"}), "field 'config.judge'"),
    "another task": (spoilt(task="refcoco_testA"), "is of task 'refcoco_testA', not 'refcoco_val'"),
}


@pytest.mark.parametrize("name", CORRUPT)
def test_a_corrupt_result_is_a_line_and_the_rest_is_read(name: str, tmp_path: Path) -> None:
    """One spoilt file of a hundred runs costs its number, not the report; the line names file and field."""
    text, wanted = CORRUPT[name]
    folder = write(tmp_path / "run", result("textvqa_val"))
    (folder / "refcoco_val").mkdir()
    (folder / "refcoco_val/result.json").write_text(text, encoding="utf-8")
    run = load(folder)
    assert list(run.results) == ["textvqa_val"]
    (problem,) = run.problems
    assert problem.startswith("refcoco_val/result.json: ")
    assert wanted in problem
    assert len(problem) < 250
    assert problem.isprintable()


def test_what_scoring_can_have_made_is_read(tmp_path: Path) -> None:
    """The last digit of a sum beyond its interval, MME's sums and a bias below 0 are no damage."""
    sums = {"mme_perception": Metric(1487.6), "mme_perception/OCR": Metric(140.0)}
    bias = {
        "touchstone_score": Metric(716.0),
        "touchstone_score/position_bias": Metric(-0.5, 0.1, (-1.0, 0.0)),
    }
    box = {"accuracy@0.5": Metric(100.00000000000001, 0.0, (80.0, 100.0))}
    whole = (result("mme", metrics=sums), result("touchstone_en", metrics=bias), result(metrics=box))
    assert load(write(tmp_path / "run", *whole)).problems == ()


def test_lost_parts_of_a_run_are_told(tmp_path: Path) -> None:
    """A folder without its manifest or its scores was shown as if it were whole."""
    own, other = result(), result("textvqa_val", scorer="official")
    folder = write(write(tmp_path / "run", own, result("textvqa_val")), other, scorer="official")
    (folder / "refcoco_val/predictions.rank0.jsonl").touch()
    (folder / "refcoco_val/scores.jsonl").unlink()
    (folder / "textvqa_val/scores.official.jsonl").write_bytes(b"\n" * 7)
    lost, short, manifest = load(folder).problems
    assert lost.startswith("refcoco_val/scores.jsonl: no such file, ")
    assert short.startswith(
        "textvqa_val/scores.official.jsonl: has 7 samples, result.official.json has 5,000; python -m"
    )
    assert manifest.startswith("no manifest.json: ")


def test_a_folder_that_is_no_run_is_told_beside_the_others(tmp_path: Path) -> None:
    """`results/runs/*` holds what else lies there; without any run it is an error."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").touch()
    run = write(tmp_path / "run", result())
    runs, refused = load_those([tmp_path / "empty", tmp_path / "notes.txt", run])
    assert [one.folder for one in runs] == [run]
    assert ["no run folder" in str(refused[0]), "a file" in str(refused[1])] == [True, True]
    with pytest.raises(UserError, match="no run folder"):
        load_those([tmp_path / "empty"])


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    """A file of another encoding is corrupt, not a traceback."""
    folder = write(tmp_path / "run", result())
    (folder / "refcoco_val/result.json").write_bytes(b"\xff\xfe{}")
    assert "not valid JSON" in load(folder).problems[0]


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    """A link that leads to itself, as a file without permission, is said with the system's words."""
    folder = write(tmp_path / "run", result("textvqa_val"))
    (folder / "refcoco_val").mkdir()
    (folder / "refcoco_val/result.json").symlink_to("result.json")
    run = load(folder)
    assert list(run.results) == ["textvqa_val"]
    assert "cannot be read" in run.problems[0]


def test_a_folder_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder without permission is listed as such beside the others."""
    closed = write(tmp_path / "closed", result())
    opened = write(tmp_path / "opened", result())
    listing = Path.iterdir

    def denied(path: Path) -> Any:
        if path == closed:
            raise PermissionError(13, "Permission denied", str(path))
        return listing(path)

    monkeypatch.setattr(Path, "iterdir", denied)
    runs = load_runs([closed, opened])
    assert [run.problems for run in runs] == [("cannot be read (Permission denied)",), ()]
    assert runs[1].results


def test_half_finished_runs_are_listed(tmp_path: Path) -> None:
    """A killed run has answers and no result; its other tasks are whole."""
    folder = write_manifest(tmp_path / "run", "textvqa_val", "refcoco_val", finished=False)
    write(folder, result("textvqa_val"))
    (folder / "refcoco_val").mkdir()
    (folder / "refcoco_val/predictions.rank0.jsonl").write_text(
        '{"id": "1"}\n{"id": "2"}\n{"id": "3', "utf-8"
    )
    run = load(folder)
    assert list(run.results) == ["textvqa_val"]
    assert run.problems == (
        "the last run has not ended: it was interrupted, or is still going on",
        "refcoco_val: no result.json: half-finished, 2 answers so far, the same run command goes on",
    )


def test_tasks_that_were_not_begun_are_named(tmp_path: Path) -> None:
    """Of a run killed in its first task of four the other three were not mentioned at all."""
    folder = write_manifest(tmp_path / "run", "textvqa_val", finished=False)
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    manifest["runs"][0]["tasks"] = ["textvqa_val", "mme", 3]
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    assert load(folder).problems[0].endswith("still going on; not begun: mme, 3")
    manifest["runs"][0]["finished"] = "-"
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    assert not any("not begun" in problem for problem in load(folder).problems)


def test_a_run_that_never_began(tmp_path: Path) -> None:
    """A folder with nothing but its lock is what `results/runs/*` names after a failed start."""
    (tmp_path / "run").mkdir()
    (tmp_path / "run/.lock").touch()
    run = load(tmp_path / "run")
    assert (run.name, run.problems) == ("run", ("no task has answers yet",))


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ({"data_sha256": "e"}, "data"),
        ({"model": {"name": "m", "fingerprint": "g"}}, "checkpoint"),
        ({"protocol": "instruct"}, "protocol"),
        ({"version": 2}, "task version"),
        ({"selection": {"limit": 8, "sample": None, "seed": 0}}, "selection"),
        ({"few_shot": {"shots": 4, "seed": 0}}, "few-shot"),
        ({"variant": {"name": "cot"}}, "prompt"),
    ],
)
def test_a_result_of_an_earlier_run_says_so(entry: dict[str, Any], told: str, tmp_path: Path) -> None:
    """The number of old answers must not pass for that of the run that was begun over it and killed."""
    folder = write(write_manifest(tmp_path / "run", "refcoco_val", **entry), result())
    assert load(folder).problems == (
        f"refcoco_val: result.json is of an earlier run, the one that was begun since has another {told}: "
        f"half-finished, the same run command goes on",
    )


def test_a_whole_of_parts_that_were_asked_anew_says_so(tmp_path: Path) -> None:
    """One part asked again with other rows left the old number of the whole in the table, unmarked."""
    whole, image, video = result("seedbench"), result("seedbench_image"), result("seedbench_video")
    assert load(write(tmp_path / "one", whole, image, video)).problems == ()
    told = "seedbench: result.json is of earlier answers to its parts: run the whole again"
    fewer = result("seedbench_image", num_samples=6, complete=False)
    assert load(write(tmp_path / "two", whole, fewer, video)).problems == (told,)
    other = result("seedbench_image", model_fingerprint="g")
    assert load(write(tmp_path / "three", whole, other, video)).problems == (told,)


def test_a_result_of_the_run_itself_says_nothing(tmp_path: Path) -> None:
    """A prompt of one's own, few-shot and --limit are no earlier run where the manifest has them too."""
    variant, few_shot = {"name": "cot", "system": "think"}, {"shots": 4, "seed": 1}
    asked = result(
        prompt="qwen-vl+cot-3fa21b",
        variant=variant,
        few_shot={**few_shot, "train_sha256": "t", "num_train": 9},
        selection={"limit": 8},
    )
    told: dict[str, Any] = {
        "variant": variant,
        "few_shot": few_shot,
        "selection": {"limit": 8, "sample": None, "seed": 0},
    }
    folder = write(write_manifest(tmp_path / "run", "refcoco_val", **told), asked)
    assert load(folder).problems == ()


def test_a_run_in_other_words_is_no_earlier_run(tmp_path: Path) -> None:
    """Its manifest names the protocol with its words: every such run was said to be half-finished."""
    data = write_data(tmp_path / "data", rows(2))
    run(ScriptedModel(), ["refcoco_val"], data, out=tmp_path / "run", settings=Settings(max_new_tokens=9))
    assert load(tmp_path / "run").problems == ()


def test_other_scorers_results_of_earlier_answers_say_so(tmp_path: Path) -> None:
    """A run was asked again with other rows; what another scorer said of the first stood beside it, bare."""
    folder = write_manifest(tmp_path / "run", "textvqa_val")
    early = result("textvqa_val", scorer="official", selection={"limit": 3})
    write(write(folder, result("textvqa_val")), early, scorer="official")
    assert load(folder).problems == (
        "textvqa_val: result.official.json is of earlier answers, asked with another selection: "
        "judge them again, or delete it",
    )


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"tasks": []}', '{"tasks": {}, "runs": {}}', '{"tasks": {"x": 1}, "runs": [2]}']
)
def test_a_corrupt_manifest_leaves_the_results(text: str, tmp_path: Path) -> None:
    """Numbers do not depend on the manifest; that it is spoilt is said."""
    folder = write(tmp_path / "run", result())
    (folder / "manifest.json").write_text(text, encoding="utf-8")
    run = load(folder)
    assert list(run.results) == ["refcoco_val"]
    assert "manifest.json" in run.problems[0]
    assert all(isinstance(entry, dict) for entry in run.manifest.get("tasks", {}).values())
    assert all(isinstance(record, dict) for record in run.manifest.get("runs", []))


def test_task_names_of_a_manifest_stay_in_the_folder(tmp_path: Path) -> None:
    """A manifest of others must not make a report read files elsewhere."""
    write(tmp_path / "elsewhere", result())
    folder = write(write_manifest(tmp_path / "run", "../elsewhere/refcoco_val"), result("textvqa_val"))
    run = load(folder)
    assert list(run.results) == ["textvqa_val"]
    assert run.problems == ("manifest.json: task '../elsewhere/refcoco_val' cannot be read",)


def a_file(folder: Path) -> Path:
    folder.write_text("x", encoding="utf-8")
    return folder


def an_empty_folder(folder: Path) -> Path:
    folder.mkdir()
    return folder


@pytest.mark.parametrize(
    ("make", "told"),
    [(lambda folder: folder, "no such folder"), (a_file, "a file"), (an_empty_folder, "no run folder")],
)
def test_what_is_no_run_folder_at_all(make: Callable[[Path], Path], told: str, tmp_path: Path) -> None:
    """A mistyped path is the user's to mend, in one line."""
    with pytest.raises(UserError, match=told):
        load_runs([make(tmp_path / "x")])


def test_one_model_twice_has_two_names(tmp_path: Path) -> None:
    """Two rows of one name could not be told apart; the least of the path that differs is added."""
    folders = [write(tmp_path / part, result()) for part in ("a/same", "b/same", "c")]
    assert [run.name for run in load_runs(folders)] == ["m (a/same)", "m (b/same)", "m (c)"]
    other = write(tmp_path / "d", result(model="m (c)"))
    names = [run.name for run in load_runs([*folders, other])]
    assert len(set(names)) == 4


def test_a_folder_named_twice_is_one_run(tmp_path: Path) -> None:
    """`results/runs/* results/runs/demo` must not give a model two rows."""
    folder = write(tmp_path / "run", result())
    (tmp_path / "link").symlink_to(folder)
    assert len(load_runs([folder, tmp_path / "run/../run", tmp_path / "link"])) == 1


def test_names_are_one_short_line(tmp_path: Path) -> None:
    """A model's name goes into tables and terminals: no line break, no escape sequence, no end of it."""
    runs = load_runs(
        [write(tmp_path / "a", result(model=NASTY)), write(tmp_path / "b", result(model="x" * 999))]
    )
    assert all(run.name.isprintable() and len(run.name) <= 80 for run in runs)
    assert runs[0].results["refcoco_val"].model == NASTY
    assert load(write(tmp_path / "c", result(model="\n"))).name == "c"


def test_a_field_of_a_newer_version_is_left_out(tmp_path: Path) -> None:
    """A report reads results of later versions as far as it knows them."""
    folder = write(tmp_path / "run", result())
    (folder / "refcoco_val/result.json").write_text(spoilt(power=0.8), encoding="utf-8")
    assert load(folder).results == {"refcoco_val": result()}

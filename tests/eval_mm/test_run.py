"""The pipeline with a scripted model: what is asked, what is kept, what is counted."""

import json
import random
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import eval_mm
from eval_mm import tasks
from eval_mm.data import Selection
from eval_mm.errors import UserError
from eval_mm.run import run
from eval_mm.schema import Image, ModelInfo, Prediction, Request
from tests.conftest import ROOT
from tests.eval_mm.support import BOX_ANSWER, ScriptedModel, rows, write_data


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_data(tmp_path / "data", rows(6))


def files(out: Path) -> dict[str, bytes]:
    """What must be a function of data and answers alone."""
    return {name: (out / "refcoco_val" / name).read_bytes() for name in ("result.json", "scores.jsonl")}


def test_evaluate_scores_every_sample(data: Path, tmp_path: Path) -> None:
    """Right, wrong and unreadable answers each count for what they are."""
    answers = dict(zip("012345", [BOX_ANSWER] * 3 + ["(0,0),(1,1)", "no idea", ""], strict=True))
    model = ScriptedModel(lambda request: answers[request.id[1:]])
    (result,) = eval_mm.evaluate(model, ["refcoco_val"], data, out=tmp_path / "run")
    metric = result.metrics["accuracy@0.5"]
    assert (metric.value, result.num_samples, result.num_unparsed, result.num_errors) == (50, 6, 2, 0)
    assert metric.stderr is not None
    assert (result.complete, result.demo, result.num_published) == (False, False, 10_834)
    assert (result.prompt_protocol, result.score_protocol, result.model) == ("qwen-vl", "qwen-vl", "scripted")
    stored = json.loads((tmp_path / "run/refcoco_val/result.json").read_text())
    assert eval_mm.Result.from_json(stored) == result
    scores = [json.loads(line) for line in (tmp_path / "run/refcoco_val/scores.jsonl").open()]
    assert [score["id"] for score in scores] == [f"s{index}" for index in range(6)]
    assert [score["value"] for score in scores] == [1, 1, 1, 0, None, None]
    assert "IoU 1.000000" in scores[0]["explanation"]


def test_a_second_run_asks_nothing(data: Path, tmp_path: Path) -> None:
    """Resuming a finished run must cost no model call and change no byte of the result."""
    out, model = tmp_path / "run", ScriptedModel()
    run(model, ["refcoco_val"], data, out=out)
    before = files(out)
    report = run(model, ["refcoco_val"], data, out=out)
    assert len(model.asked) == 6
    assert report.outcomes[0].num_reused == 6
    assert files(out) == before


def test_a_name_that_could_not_be_read_back_is_refused(data: Path, tmp_path: Path) -> None:
    """A name that turns the line around was written to a manifest that nothing could read any more."""
    model = ScriptedModel()
    model.info = replace(model.info, name="a\u202eb")
    with pytest.raises(UserError, match="--model a b: a model's name is printable"):
        run(model, ["refcoco_val"], data, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_an_interrupted_run_goes_on(data: Path, tmp_path: Path) -> None:
    """Answers given before Ctrl-C are kept, and the result equals that of an undisturbed run."""

    class Interrupted(ScriptedModel):
        def generate(self, requests: Iterable[Request]) -> Iterator[Prediction]:
            for prediction in super().generate(requests):
                if len(self.asked) == 4:
                    raise KeyboardInterrupt
                yield prediction

    out = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        run(Interrupted(), ["refcoco_val"], data, out=out)
    model = ScriptedModel()
    run(model, ["refcoco_val"], data, out=out)
    assert len(model.asked) == 3
    run(ScriptedModel(), ["refcoco_val"], data, out=tmp_path / "other")
    assert files(out) == files(tmp_path / "other")


def test_a_run_stopped_before_its_first_answer_leaves_the_folder_alone(data: Path, tmp_path: Path) -> None:
    """The manifest must not speak of a run that never answered: the finished one must stay scorable."""

    class Failing(ScriptedModel):
        def generate(self, requests: Iterable[Request]) -> Iterator[Prediction]:
            raise KeyboardInterrupt
            yield

    out = tmp_path / "run"
    run(ScriptedModel(), ["refcoco_val"], data, out=out)
    with pytest.raises(KeyboardInterrupt):
        run(Failing(), ["refcoco_val"], data, out=out, protocol="instruct")
    assert eval_mm.score(out)[0].num_samples == 6
    run(ScriptedModel(), ["refcoco_val"], data, out=out, protocol="instruct")


def test_what_changed_is_asked_again(data: Path, tmp_path: Path) -> None:
    """Another checkpoint, protocol, question or picture: each asks exactly the samples it touches."""
    out = tmp_path / "run"
    run(ScriptedModel(), ["refcoco_val"], data, out=out)
    other = ScriptedModel(fingerprint="f2")
    run(other, ["refcoco_val"], data, out=out)
    assert len(other.asked) == 6
    run(other, ["refcoco_val"], data, out=out, protocol="instruct")
    assert len(other.asked) == 12
    table = rows(6)
    table[4]["expression"] = "something else"
    write_data(data, table)
    run(other, ["refcoco_val"], data, out=out, protocol="instruct")
    assert other.asked[12:] == ["s4"]
    (data / "pictures/1.png").write_bytes((data / "pictures/2.png").read_bytes())
    run(other, ["refcoco_val"], data, out=out, protocol="instruct")
    assert sorted(other.asked[13:]) == ["s1", "s3", "s5"]


def test_failed_samples_count_as_wrong_and_are_asked_again(data: Path, tmp_path: Path) -> None:
    """One bad picture must not end a run, nor shrink its denominator, nor stay failed for ever."""

    def answer(request: Request) -> str:
        if request.id == "s2":
            raise ValueError("no such picture")
        return BOX_ANSWER

    out = tmp_path / "run"
    report = run(ScriptedModel(answer), ["refcoco_val"], data, out=out)
    result = report.outcomes[0].result
    assert (result.num_errors, result.num_unparsed, result.num_samples) == (1, 0, 6)
    assert result.metrics["accuracy@0.5"].value == pytest.approx(500 / 6)
    assert report.outcomes[0].first_errors == ("s2: no such picture",)
    model = ScriptedModel()
    result = run(model, ["refcoco_val"], data, out=out).outcomes[0].result
    assert (model.asked, result.num_errors) == (["s2"], 0)


def test_questions_of_one_picture_come_together(tmp_path: Path) -> None:
    """A back end that keeps the last picture then encodes each once, whatever the order of the rows."""
    data = write_data(tmp_path, rows(9, images=3))
    model = ScriptedModel()
    run(model, ["refcoco_val"], data, out=tmp_path / "run")
    assert [int(name[1:]) % 3 for name in model.asked] == [0, 0, 0, 1, 1, 1, 2, 2, 2]


def test_the_order_of_answers_does_not_matter(data: Path, tmp_path: Path) -> None:
    """Back ends answer in any order; results are in the order of the data."""

    class Shuffled(ScriptedModel):
        def generate(self, requests: Iterable[Request]) -> Iterator[Prediction]:
            answers = list(super().generate(requests))
            random.Random(0).shuffle(answers)
            yield from answers

    run(ScriptedModel(), ["refcoco_val"], data, out=tmp_path / "a")
    run(Shuffled(), ["refcoco_val"], data, out=tmp_path / "b")
    assert files(tmp_path / "a") == files(tmp_path / "b")


def test_a_model_that_answers_twice_or_not_at_all_is_caught(data: Path, tmp_path: Path) -> None:
    """A lost or doubled answer is an error of the back end, never a smaller or larger denominator."""

    class Lossy(ScriptedModel):
        def generate(self, requests: Iterable[Request]) -> Iterator[Prediction]:
            yield from list(super().generate(requests))[1:]

    class Doubling(ScriptedModel):
        def generate(self, requests: Iterable[Request]) -> Iterator[Prediction]:
            for prediction in super().generate(requests):
                yield prediction
                yield prediction

    with pytest.raises(AssertionError, match="never answered"):
        run(Lossy(), ["refcoco_val"], data, out=tmp_path / "a")
    with pytest.raises(AssertionError, match="nobody asked"):
        run(Doubling(), ["refcoco_val"], data, out=tmp_path / "b")


def test_a_part_of_the_rows_is_marked(data: Path, tmp_path: Path) -> None:
    """--limit then the whole: the first answers are reused, and the record says which rows were asked."""
    out, model = tmp_path / "run", ScriptedModel()
    result = run(model, ["refcoco_val"], data, out=out, selection=Selection(limit=2)).outcomes[0].result
    assert (result.num_samples, result.complete, result.config["selection"]) == (2, False, {"limit": 2})
    result = run(model, ["refcoco_val"], data, out=out).outcomes[0].result
    assert (result.num_samples, result.config["selection"], len(model.asked)) == (6, {}, 6)


def test_a_whole_published_split_is_complete(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only all published rows without an error make a number that may stand beside the paper's."""
    small = replace(tasks.get("refcoco_val"), num_samples=6)
    monkeypatch.setitem(tasks.all_tasks(), "refcoco_val", small)
    data = write_data(tmp_path, rows(6))
    assert run(ScriptedModel(), ["refcoco_val"], data, out=tmp_path / "r").outcomes[0].result.complete
    write_data(tmp_path, rows(7))
    assert not run(ScriptedModel(), ["refcoco_val"], data, out=tmp_path / "r").outcomes[0].result.complete


def test_everything_is_checked_before_the_model_loads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bad row in the last task must not be found after hours on the first."""
    monkeypatch.setattr("eval_mm.models.load", lambda *_: pytest.fail("the model was loaded"))
    data = write_data(tmp_path, rows(3))
    write_data(tmp_path, ["{"], task="refcoco_testB")
    with pytest.raises(UserError, match=r"refcoco_testB\.jsonl:1"):
        run("demo", ["refcoco_val,refcoco_testB"], data, out=tmp_path / "run")
    with pytest.raises(UserError, match="unknown protocol 'instrukt': did you mean instruct"):
        run("demo", ["refcoco_val"], data, out=tmp_path / "run", protocol="instrukt")


def test_another_model_is_refused_and_another_checkpoint_is_said(data: Path, tmp_path: Path) -> None:
    """Numbers of two models in one folder would stand in one table, and replace each other."""
    out, model = tmp_path / "run", ScriptedModel()
    run(model, ["refcoco_val"], data, out=out)
    other = ScriptedModel()
    other.info = ModelInfo("other", "f1", protocol="qwen-vl")
    with pytest.raises(UserError, match=r"holds answers of model 'scripted'.*name another folder"):
        run(other, ["refcoco_val"], data, out=out)
    report = run(ScriptedModel(fingerprint="f2"), ["refcoco_val"], data, out=out)
    assert "another checkpoint" in report.notices[0]
    again = ScriptedModel()
    run(again, ["refcoco_val"], data, out=out)
    assert again.asked == [], "the first checkpoint's answers are still in the journal"


def test_an_error_in_a_whole_split_is_not_complete(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All rows present, one of them failed: not a number to stand beside the paper's."""
    small = replace(tasks.get("refcoco_val"), num_samples=6)
    monkeypatch.setitem(tasks.all_tasks(), "refcoco_val", small)

    def answer(request: Request) -> str:
        if request.id == "s2":
            raise ValueError("bad picture")
        return BOX_ANSWER

    data = write_data(tmp_path, rows(6))
    result = run(ScriptedModel(answer), ["refcoco_val"], data, out=tmp_path / "r").outcomes[0].result
    assert (result.num_errors, result.complete) == (1, False)


def test_errors_are_one_line_without_folders(data: Path, tmp_path: Path) -> None:
    """scores.jsonl must be the same on every machine, and say which picture of the data root it was."""

    def answer(request: Request) -> str:
        assert isinstance(request.prompt[0], Image)
        raise ValueError(f"{request.prompt[0].path}:\n broken")

    out = tmp_path / "run"
    run(ScriptedModel(answer), ["refcoco_val"], data, out=out)
    scores = (out / "refcoco_val/scores.jsonl").read_text()
    assert '"pictures/0.png: broken"' in scores
    assert str(tmp_path) not in scores


@pytest.mark.parametrize("wrong", [{"limit": 0}, {"limit": -1}, {"sample": -1}, {"limit": 2, "sample": 3}])
def test_a_selection_must_make_sense(data: Path, tmp_path: Path, wrong: dict[str, int]) -> None:
    """From Python as on the command line."""
    with pytest.raises(UserError):
        eval_mm.evaluate(ScriptedModel(), "refcoco_val", data, out=tmp_path / "r", **wrong)  # type: ignore[arg-type]


def test_drawn_data_is_marked_wherever_it_lies(tmp_path: Path) -> None:
    """Demo data drawn anew, or copied, must not give a number that looks like a measurement."""
    data = write_data(tmp_path, rows(2))
    (data / "DEMO").write_text("")
    assert eval_mm.evaluate(ScriptedModel(), "refcoco_val", data, out=tmp_path / "run")[0].demo


def test_the_manifest_says_what_was_run(data: Path, tmp_path: Path) -> None:
    """Who, what, where, with which versions: enough to repeat the run and to score it elsewhere."""
    run(ScriptedModel(), ["refcoco_val"], data, out=tmp_path / "run", selection=Selection(sample=3, seed=5))
    manifest = json.loads((tmp_path / "run/manifest.json").read_text())
    entry = manifest["tasks"]["refcoco_val"]
    assert entry["selection"] == {"limit": None, "sample": 3, "seed": 5}
    assert entry["model"]["fingerprint"] == "f1"
    assert (entry["protocol"], entry["data"]) == ("qwen-vl", str(data.resolve()))
    (record,) = manifest["runs"]
    if (ROOT / ".git").exists():
        command = ["git", "-C", str(ROOT), "rev-parse", "HEAD"]
        head = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        assert record["git_commit"] == head.strip()
    assert record["seconds"]["refcoco_val"] >= 0
    assert record["arguments"] == [], "the command line of a host program may hold secrets"
    assert {"started", "finished", "packages", "python", "machine", "compute", "arguments"} <= record.keys()


def test_a_demo_model_marks_its_results(data: Path, tmp_path: Path) -> None:
    """A demo model on real rows is no measurement either."""
    model = ScriptedModel()
    model.info = ModelInfo("demo", "f", protocol="qwen-vl", demo=True)
    assert eval_mm.evaluate(model, "refcoco_val", data, out=tmp_path / "run")[0].demo


def test_a_family_leaves_out_what_is_not_there(tmp_path: Path) -> None:
    """Of fifteen benchmarks one may have three: those are asked, the others named; alone it is an error."""
    data = write_data(tmp_path / "data", rows(2))
    report = run(ScriptedModel(), ["grounding"], data, out=tmp_path / "run")
    assert [outcome.result.task for outcome in report.outcomes] == ["refcoco_val"]
    assert any("left out: grit_refexp, refcoco_testA" in notice for notice in report.notices)
    with pytest.raises(UserError, match=r"grit_refexp\.jsonl: no such file"):
        run(ScriptedModel(), ["grounding,grit_refexp"], data, out=tmp_path / "run")
    with pytest.raises(UserError, match="none of flickr30k_test, nocaps_val can be asked: not prepared"):
        run(ScriptedModel(), ["captioning"], data, out=tmp_path / "run")


def test_rounding_changes_no_byte(tmp_path: Path) -> None:
    """The last digits of ranks depend on what was asked at the same time, and so on how many processes."""

    class Ranking(ScriptedModel):
        def __init__(self, rounding: float):
            super().__init__()
            self.rounding = rounding

        def generate(self, requests: Iterable[Request]) -> Iterator[Prediction]:
            for request in requests:
                ranks = tuple(-1.00005 - place + self.rounding for place in range(len(request.choices)))
                yield Prediction(request.id, choice_logprobs=ranks)

    for name, rounding in {"one": 1e-6, "other": -1e-6}.items():
        run(Ranking(rounding), ["scienceqa_test"], "demo", out=tmp_path / name)
    for file in ("result.json", "scores.jsonl"):
        paths = [tmp_path / name / "scienceqa_test" / file for name in ("one", "other")]
        assert paths[0].read_bytes() == paths[1].read_bytes()


def test_what_does_not_fit_of_stored_answers_is_said(data: Path, tmp_path: Path) -> None:
    """A question asked twice without a word of why looks like lost money."""
    out = tmp_path / "run"
    run(ScriptedModel(), ["refcoco_val"], data, out=out)
    (journal,) = (out / "refcoco_val").glob("predictions*.jsonl")
    first, *others = journal.read_text().splitlines(keepends=True)
    journal.write_text("".join([first[:40] + "\n", *others]))
    report = run(ScriptedModel(), ["refcoco_val"], data, out=out)
    (note,) = report.notices
    assert note.startswith("1 stored line of refcoco_val could not be read")
    assert run(ScriptedModel(), ["refcoco_val"], data, out=out).notices == ()
    table = rows(6)
    table[4]["expression"] = "something else"
    write_data(data, table)
    (note, _) = run(ScriptedModel(), ["refcoco_val"], data, out=out).notices
    assert note == "the rows of refcoco_val changed since its last run; 5 answers still fit"

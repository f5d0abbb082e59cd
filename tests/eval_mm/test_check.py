"""`check RUN`: a whole run folder passes, every way of being spoilt is found, answers alone are the same."""

import fcntl
import io
import json
import shutil
import zipfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import eval_mm
from eval_mm.check import check_run
from eval_mm.check_scores import _content
from eval_mm.cli import main
from eval_mm.data import Selection
from eval_mm.errors import UserError
from eval_mm.invariance import ask_again
from eval_mm.models import NotHereError
from eval_mm.run import run
from eval_mm.schema import ModelInfo, Prediction, Request
from tests.eval_mm.support import BOX_ANSWER, ScriptedModel, rows, write_data

TASK = "refcoco_val"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_data(tmp_path / "data", rows(6))


@pytest.fixture
def out(data: Path, tmp_path: Path) -> Path:
    """A whole run."""
    run(ScriptedModel(), [TASK], data, out=tmp_path / "run")
    return tmp_path / "run"


def journal(out: Path) -> Path:
    (path,) = (out / TASK).glob("predictions*.jsonl")
    return path


def lines(out: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in journal(out).read_text().splitlines()]


def write(out: Path, answers: Iterable[dict[str, object]]) -> None:
    journal(out).write_text("".join(json.dumps(answer) + "\n" for answer in answers))


def manifest(out: Path, change: Callable[[dict[str, object]], object]) -> None:
    fields = json.loads((out / "manifest.json").read_text())
    change(fields)
    (out / "manifest.json").write_text(json.dumps(fields))


def findings(out: Path) -> list[str]:
    return check_run(out).said("findings")


def test_a_whole_run_passes(data: Path, out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing found, nothing noted, nothing written, and the exit code for a script to go by."""
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    assert main(["check", str(out)]) == 0
    shown = capsys.readouterr().out.splitlines()
    head = "task samples answered missing failed stale repeated spoilt pictures scores"
    assert " ".join(shown[0].split()) == head
    assert shown[2].split() == [TASK, "6", "6", "0", "0", "0", "0", "0", "same", "same"]
    assert shown[3:] == ["all well"]
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before


def drop_an_answer(out: Path) -> None:
    write(out, lines(out)[1:])


def ask_in_other_words(out: Path) -> None:
    first, *others = lines(out)
    write(out, [{**first, "key": "0" * 16 + "-" + "0" * 16}, *others])


def show_another_picture(out: Path) -> None:
    (out.parent / "data/pictures/0.png").write_bytes((out.parent / "data/pictures/3.png").read_bytes())


def fail(out: Path) -> None:
    write(out, [*lines(out), {**lines(out)[0], "error": "boom"}])


def answer_otherwise(out: Path) -> None:
    write(out, [*lines(out), {**lines(out)[0], "text": "(0,0),(1,1)"}])


def edit_the_result(out: Path) -> None:
    path = out / TASK / "result.json"
    path.write_text(path.read_text().replace("100.0", "100.1"))


def edit_a_score(out: Path) -> None:
    path = out / TASK / "scores.jsonl"
    path.write_text(path.read_text().replace('"s3"', '"s33"'))


def tear_the_result(out: Path) -> None:
    (out / TASK / "result.json").write_text("{")


def change_the_rows(out: Path) -> None:
    write_data(out.parent / "data", [{**row, "expression": "other"} for row in rows(6)])


def forget_the_task(out: Path) -> None:
    manifest(out, lambda fields: fields.update(tasks={}))


def be_an_older_version(out: Path) -> None:
    manifest(out, lambda fields: fields["tasks"][TASK].update(version=0))  # type: ignore[index]


def never_end(out: Path) -> None:
    manifest(out, lambda fields: fields["runs"][-1].pop("finished"))  # type: ignore[index]


def lose_the_record(out: Path) -> None:
    manifest(out, lambda fields: fields.update(runs=[{"started": "now"}]))


SPOILT: dict[Callable[[Path], None], str] = {
    drop_an_answer: "samples without an answer to the question as it is now: 1 of 6 (first: s0)",
    ask_in_other_words: "samples without an answer to the question as it is now: 1 of 6",
    show_another_picture: "answers about other pictures than those here now: 3 (first: s0)",
    fail: "samples that failed: 1 (first: s0)",
    answer_otherwise: "result.json is not what its answers give now: metrics; python -m eval_mm score ",
    edit_the_result: "result.json is not what its answers give now: metrics",
    edit_a_score: "scores.jsonl is not what its answers give now: line 4",
    tear_the_result: "result.json: not valid JSON",
    change_the_rows: "not the file of the run, its content differs",
    forget_the_task: "refcoco_val: not finished: the same run command goes on",
    be_an_older_version: "asked as version 0 of the task, now at",
    never_end: "the last run has not ended",
    lose_the_record: "run 1 has no arguments, model, packages",
}


@pytest.mark.parametrize("spoil", SPOILT, ids=lambda spoil: spoil.__name__)
def test_what_is_spoilt_is_found(
    spoil: Callable[[Path], None], out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each makes a number that is not what its folder says, and ends with exit code 3."""
    spoil(out)
    assert any(SPOILT[spoil] in text for text in findings(out))
    assert main(["check", str(out)]) == 3
    shown = capsys.readouterr()
    assert f"found: {findings(out)[0]}" in shown.out
    assert shown.err == ""


def test_files_that_are_missing_are_found(out: Path) -> None:
    """A result without its scores, a task without its result."""
    (out / TASK / "scores.jsonl").unlink()
    assert any(
        "scores.jsonl is not what its answers give now: it is missing" in text for text in findings(out)
    )
    (out / TASK / "result.json").unlink()
    assert any("no result.json" in text for text in findings(out))


def test_what_a_crash_leaves_is_a_note(out: Path) -> None:
    """Torn lines, noise, answers given twice, temporary files: harmless where all answers are there."""
    first = lines(out)[0]
    with journal(out).open("a") as file:
        file.write(f"[]\n{json.dumps(first)}\n" + '{"id": "s')
    (out / TASK / ".result.json.12.tmp").write_text("{")
    found = check_run(out)
    (task,) = found.tasks
    assert (task.spoilt, task.repeated, task.stale, task.missing) == (2, 1, 0, 0)
    assert found.said("findings") == []
    assert any("temporary file" in text for text in found.said("notes"))


def test_answers_to_earlier_questions_are_counted(data: Path, out: Path) -> None:
    """They are not used, and not in the way."""
    run(ScriptedModel(fingerprint="f2"), [TASK], data, out=out)
    run(ScriptedModel(fingerprint="f2"), [TASK], data, out=out, selection=Selection(limit=2))
    found = check_run(out)
    assert found.said("findings") == []
    assert (found.tasks[0].samples, found.tasks[0].stale) == (2, 10)


def test_without_the_pictures_that_check_is_skipped_and_said(data: Path, out: Path) -> None:
    """A run folder is often looked at where its pictures are not."""
    shutil.rmtree(data / "pictures")
    found = check_run(out)
    assert found.said("findings") == []
    assert found.tasks[0].pictures == "not here"
    assert any("are not here to be compared: 6" in text for text in found.said("notes"))


def test_without_the_rows_little_can_be_checked(data: Path, out: Path, tmp_path: Path) -> None:
    """That is no `all well`; the data root elsewhere is named with --data."""
    data.rename(tmp_path / "elsewhere")
    assert any("not checked further: --data" in text for text in findings(out))
    assert check_run(out, tmp_path / "elsewhere").said("findings") == []


def test_answers_that_fit_rows_that_changed_are_counted(data: Path, out: Path) -> None:
    """One row of thousands was mended: whose answers are still of use is told, and no score is compared."""
    write_data(data, [{**row, "expression": "other"} if row["id"] == "s2" else row for row in rows(6)])
    found = check_run(out)
    assert (found.tasks[0].samples, found.tasks[0].answered, found.tasks[0].stale) == (6, 5, 1)
    assert (found.tasks[0].pictures, found.tasks[0].scores) == ("same", "not compared")
    changed, missing = found.said("findings")
    assert "not the file of the run, its content differs" in changed
    assert "samples without an answer to the question as it is now: 1 of 6 (first: s2)" in missing


def test_a_run_that_goes_on_is_said(out: Path) -> None:
    """A script that goes by the exit code must not take a run for whole that is being written."""
    never_end(out)
    with (out / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        found = check_run(out)
    assert found.said("findings") == ["a run is writing here now: what follows is of this moment"]


def test_tasks_that_were_not_begun_are_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A run killed in its first task of three would pass for a whole run of that one."""
    names = ["refcoco_val", "refcoco_testA", "refcoco_testB"]
    for name in names:
        write_data(tmp_path / "data", rows(6), name)

    def interrupt(request: Request) -> str:
        raise KeyboardInterrupt

    out = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        run(ScriptedModel(interrupt), names, tmp_path / "data", out=out)
    assert main(["check", str(out)]) == 3
    assert capsys.readouterr().out.splitlines() == ["found: no answers yet", "findings: 1"]
    run(ScriptedModel(), names[:1], tmp_path / "data", out=out)
    with pytest.raises(KeyboardInterrupt):
        run(
            ScriptedModel(lambda one: "x" if "pictures/0" in str(one) else interrupt(one)),
            names[1:],
            tmp_path / "data",
            out=out,
        )
    found = findings(out)
    assert "not started: refcoco_testB; the same run command goes on" in found
    assert any(text.startswith("refcoco_testA: samples without an answer") for text in found)
    run(ScriptedModel(), names, tmp_path / "data", out=out)
    assert findings(out) == []


def test_other_scorers_results_are_checked_too(out: Path) -> None:
    """result.<P>.json is the same answers under P; what a judge said is not made of answers alone."""
    eval_mm.score(out, protocol="instruct")
    (out / TASK / "result.judge-abc.json").write_text("{}")
    found = check_run(out)
    assert found.said("findings") == []
    assert any("result.judge-abc.json is not checked" in text for text in found.said("notes"))
    path = out / TASK / "result.instruct.json"
    path.write_text(path.read_text().replace("100.0", "99.0"))
    assert any("result.instruct.json is not what" in text for text in findings(out))


def test_a_result_that_has_become_the_runs_own_is_found(tmp_path: Path) -> None:
    """Scored as qwen-vl while the run was official, then run as qwen-vl: the old number was overlooked."""
    out, task = tmp_path / "run", "textvqa_val"
    run(ScriptedModel(), [task], "demo", out=out, protocol="official", selection=Selection(2))
    eval_mm.score(out, protocol="qwen-vl")
    assert findings(out) == []
    run(ScriptedModel(), [task], "demo", out=out, protocol="qwen-vl", selection=Selection(2))
    (found,) = findings(out)
    assert found.startswith(
        f"{task}: result.qwen-vl.json is of earlier answers, asked under another protocol"
    )
    (out / task / "result.json").unlink()
    assert len(findings(out)) == 2


def test_a_scored_part_is_checked_as_a_part(out: Path) -> None:
    """`score --subset` is of the answers that are there; that some are not is still found."""
    drop_an_answer(out)
    eval_mm.score(out, subset=True)
    found = check_run(out)
    assert found.tasks[0].scores == "same"
    assert len(found.said("findings")) == 1


def test_errors_of_an_earlier_version_are_told_from_other_numbers(out: Path) -> None:
    """When intervals were made anew, older runs were said to have numbers that their answers do not give."""
    path = out / TASK / "result.json"
    fields = json.loads(path.read_text(encoding="utf-8"))
    fields["metrics"]["accuracy@0.5"] |= {"ci95": [90.0, 110.0]}
    path.write_text(json.dumps(fields), encoding="utf-8")
    (found,) = findings(out)
    assert "the numbers are those of its answers, their errors and intervals are of another version" in found
    assert f"python -m eval_mm score {out} makes it anew" in found
    eval_mm.score(out)
    assert findings(out) == []
    fields["metrics"]["accuracy@0.5"] |= {"value": 90.0}
    path.write_text(json.dumps(fields), encoding="utf-8")
    again = f"python -m eval_mm score {out} makes it anew"
    assert findings(out) == [f"{TASK}: result.json is not what its answers give now: metrics; {again}"]


def test_metrics_added_later_are_no_fault(tmp_path: Path) -> None:
    """`score --metrics` adds numbers that the run was not asked for."""
    run(ScriptedModel(lambda request: "a red cat"), ["nocaps_val"], "demo", out=tmp_path / "run")
    eval_mm.score(tmp_path / "run", metrics=["bleu"])
    found = check_run(tmp_path / "run")
    assert found.said("findings") == []
    assert any("bleu_4 not checked" in text for text in found.said("notes"))


def test_tasks_made_of_others_and_files_for_servers_are_checked(tmp_path: Path) -> None:
    """A whole is computed from its parts; where answers are not public the file is all there is."""
    out = tmp_path / "run"
    run(ScriptedModel(), ["chartqa_test", "vizwiz_test"], "demo", out=out)
    assert [task.scores for task in check_run(out).tasks] == ["same"] * 4
    path = out / "chartqa_test/result.json"
    path.write_text(path.read_text().replace('"num_errors": 0', '"num_errors": 1'))
    (found,) = findings(out)
    assert found.startswith("chartqa_test: result.json is not what its answers give now: num_errors; ")
    (submission,) = (out / "vizwiz_test").glob("submission.*")
    submission.write_bytes(submission.read_bytes() + b" ")
    assert any("for the benchmark's server, is not what" in text for text in findings(out))
    submission.unlink()
    assert any("for the benchmark's server, is missing" in text for text in findings(out))


def test_a_whole_of_parts_that_were_asked_anew_is_found(tmp_path: Path) -> None:
    """One part was asked again with more rows: the old number of the whole passed for all well."""
    out = tmp_path / "run"
    run(ScriptedModel(), ["chartqa_test"], "demo", out=out, selection=Selection(2))
    eval_mm.score(out, protocol="instruct")
    path = out / "chartqa_test/result.instruct.json"
    path.write_text(path.read_text().replace('"num_errors": 0', '"num_errors": 1'))
    (found,) = findings(out)
    assert found.startswith("chartqa_test: result.instruct.json is not what its answers give now: num_errors")
    eval_mm.score(out, protocol="instruct")
    run(ScriptedModel(), ["chartqa_test_human"], "demo", out=out, selection=Selection(3))
    of_wholes = [text for text in findings(out) if text.startswith("chartqa_test:")]
    assert [text.partition(" is of earlier answers: ")[0] for text in of_wholes] == [
        "chartqa_test: result.json",
        "chartqa_test: result.instruct.json",
    ]
    assert all("differ in selection" in text for text in of_wholes)


def test_archives_are_compared_by_what_they_hold() -> None:
    """A table or zip for a server holds the time at which it was made."""

    def archive(year: int, content: bytes) -> bytes:
        raw = io.BytesIO()
        with zipfile.ZipFile(raw, "w") as file:
            file.writestr(zipfile.ZipInfo("sheet.xml", (year, 1, 1, 0, 0, 0)), content)
            file.writestr("docProps/core.xml", str(year))
        return raw.getvalue()

    assert archive(2001, b"a") != archive(2002, b"a")
    assert _content(archive(2001, b"a")) == _content(archive(2002, b"a"))
    assert _content(archive(2001, b"a")) != _content(archive(2001, b"b"))


@pytest.mark.parametrize("content", [None, "{", "[]", '{"tasks": {"a": 3}}', '{"tasks": []}'])
def test_a_folder_that_is_none_is_exit_code_2(
    content: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line, no traceback."""
    if content is not None:
        (tmp_path / "manifest.json").write_text(content)
    assert main(["check", str(tmp_path)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {tmp_path}")


@pytest.mark.parametrize("field", ["compute", "protocol"])
def test_a_model_of_another_kind_in_the_manifest_is_exit_code_2(
    field: str, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What asking again reads of a manifest is checked where it is read, not met as a traceback."""
    manifest(out, lambda fields: fields["tasks"][TASK]["model"].update({field: 5}))  # type: ignore[index]
    assert main(["check", str(out), "--invariance", "2"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f"{out}/manifest.json: field 'tasks': not a manifest of this version" in line


class Moody(ScriptedModel):
    """Answers another box once it has been asked several times in one go."""

    def generate(self, requests: Iterable[Request]) -> Iterator[Prediction]:
        for number, answer in enumerate(super().generate(requests)):
            yield answer if number < 4 else replace(answer, text="(0,0),(1,1)")


def invariance(monkeypatch: pytest.MonkeyPatch, out: Path, model: ScriptedModel, *options: str) -> int:
    """`check --invariance` with that model."""
    monkeypatch.setattr("eval_mm.models.describe", lambda *_: model.info)
    monkeypatch.setattr("eval_mm.models.load", lambda *_: model)
    return main(["check", str(out), "--invariance", "6", "--model", "demo", *options])


def test_answers_that_depend_on_their_neighbours_are_found(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An answer that a batch changes is a number that a batch size changes."""
    out = tmp_path / "run"
    run(Moody(), [TASK], data, out=out)
    assert invariance(monkeypatch, out, Moody()) == 3
    shown = capsys.readouterr().out
    assert "asked again, each alone: 6; differing: 2 (33.3%)" in shown
    assert len([line for line in shown.splitlines() if f"'(0,0),(1,1)'  '{BOX_ANSWER}'" in line]) == 2
    assert "found: an answer must not depend on what is asked beside it" in shown


def test_each_is_asked_alone(data: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two requests in one call would be neighbours again."""
    calls: list[int] = []

    class Counting(ScriptedModel):
        def generate(self, requests: Iterable[Request]) -> Iterator[Prediction]:
            together = list(requests)
            calls.append(len(together))
            return super().generate(together)

    assert invariance(monkeypatch, out, Counting()) == 0
    assert calls == [1] * 6


@pytest.mark.parametrize(
    ("compute", "code"),
    [("cpu, float32", 3), ("cpu, bfloat16", 0), ("cuda:0, float32", 0), ("https://host/v1", 0)],
)
def test_where_rounding_differs_it_is_a_note(
    compute: str, code: int, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """float32 on the same kind of device promises the same answers; the others do not."""
    model = Moody()
    model.info = ModelInfo("scripted", "f1", protocol="qwen-vl", compute="cpu, float32")
    run(model, [TASK], data, out=tmp_path / "run")
    model.info = replace(model.info, compute=compute)
    assert invariance(monkeypatch, tmp_path / "run", model) == code


def test_samples_to_ask_again_are_drawn_by_the_seed(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same ones every time; never those whose picture is another now."""
    model = ScriptedModel()
    monkeypatch.setattr("eval_mm.models.describe", lambda *_: model.info)
    monkeypatch.setattr("eval_mm.models.load", lambda *_: model)
    drawn = []
    for seed in (0, 0, 1, 2):
        model.asked.clear()
        assert ask_again(out, 2, seed).asked == 2
        drawn.append(tuple(model.asked))
    assert drawn[0] == drawn[1]
    assert len(set(drawn)) > 1
    show_another_picture(out)
    model.asked.clear()
    assert ask_again(out, 6).asked == 3
    assert set(model.asked) == {"s1", "s3", "s5"}


def test_another_checkpoint_is_not_asked(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its answers differ for a good reason; it is found before it is loaded."""
    monkeypatch.setattr("eval_mm.models.load", lambda *_: pytest.fail("the model was loaded"))
    with pytest.raises(UserError, match="its answers are of f1, the model is now echo; name the run's"):
        ask_again(out, 2, model="echo")
    with pytest.raises(UserError, match="--model says where the run's model is now"):
        ask_again(out, 2)
    settings = {"server": "http://host/v1", "temperature": 0.7}
    manifest(out, lambda fields: fields["tasks"][TASK]["model"].update(settings=settings))  # type: ignore[index]
    with pytest.raises(UserError, match=r"its settings: server http://host/v1, temperature 0\.7$"):
        ask_again(out, 2, model="echo")


def test_a_model_nobody_named_is_not_downloaded(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The name in a manifest may be that of another back end's model on the hub, of 19 GB."""
    fetched = []

    def describe(spec: str, settings: object, fetch: bool = True) -> ModelInfo:
        fetched.append(fetch)
        raise NotHereError(f"{spec}: not here")

    monkeypatch.setattr("eval_mm.models.describe", describe)
    for model in (None, "owner/name"):
        with pytest.raises(UserError, match="not here"):
            ask_again(out, 2, model=model)
    assert fetched == [False, True]


def test_the_demo_model_answers_alone_as_it_did(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The engine's batches, forks and shared prefixes must not show in an answer, boxes and options alike."""
    out = tmp_path / "run"
    command = ["run", "--task", "refcoco_val,seedbench_image", "--data", "demo", "--limit", "8"]
    assert main([*command, "--device", "cpu", "--out", str(out)]) == 0
    assert main(["check", str(out), "--invariance", "16", "--device", "cpu"]) == 0
    assert "asked again, each alone: 16; differing: 0 (0.0%)" in capsys.readouterr().out


def test_options_of_asking_again_need_it(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An option that does nothing is a mistake; a run is asked again in its own words."""
    assert main(["check", str(out), "--device", "cpu"]) == 2
    assert "--device is for --invariance N" in capsys.readouterr().err
    assert main(["check", str(out), "--invariance", "2", "--max-new-tokens", "9"]) == 2
    assert "--max-new-tokens is not for check" in capsys.readouterr().err

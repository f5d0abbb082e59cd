"""What a run would do and what it needs, found before a model is loaded; a dry run that touches nothing."""

import fcntl
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from eval_mm import models, preflight
from eval_mm.cli import main
from eval_mm.data import DEMO_ROOT, Selection, find_root
from eval_mm.dry_run import forecast, show
from eval_mm.errors import UserError
from eval_mm.few_shot import FewShot
from eval_mm.jobs import Job, plan_run
from eval_mm.models import Settings
from eval_mm.prompt import images_of
from eval_mm.run import carry_out, run
from eval_mm.schema import ModelInfo
from eval_mm.tasks import all_tasks
from tests.eval_mm.support import ScriptedModel, rows, write_data

CPU = Settings("cpu", "float32")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_data(tmp_path / "data", rows(6))


def job(data: Path, out: Path, **how: object) -> Job:
    return plan_run(how.pop("model", ScriptedModel()), ["refcoco_val"], data, out=out, **how)  # type: ignore[arg-type]


def answered(data: Path, out: Path, **how: object) -> int | None:
    """How many answers a dry run finds."""
    planned = job(data, out, **how)
    return forecast(planned, planned.planned.plans[0], None).answered


def tree(folder: Path) -> dict[str, bytes | None]:
    return {str(path): path.read_bytes() if path.is_file() else None for path in sorted(folder.rglob("*"))}


def test_a_dry_run_loads_and_writes_nothing(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It shows what a night would cost, on a machine that cannot run it, or beside a run that is going on."""
    monkeypatch.setattr("eval_mm.models.qwen_vl.load", lambda *_: pytest.fail("weights were loaded"))
    monkeypatch.chdir(tmp_path)
    before = tree(tmp_path)
    command = ["run", "--task", "refcoco_val", "--model", "demo", "--device", "cpu", "--data", str(data)]
    assert main([*command, "--dry-run"]) == 0
    assert tree(tmp_path) == before
    shown = capsys.readouterr().out.splitlines()
    head = "run folder task protocol samples pictures missing answered to ask prompt tokens new tokens"
    assert " ".join(shown[0].split()) == head
    assert shown[2].split()[:8] == ["results/runs/demo", "refcoco_val", "qwen-vl", "6", "2", "0", "0", "6"]
    assert "model demo: cpu, float32; 2,008,704 parameters; fingerprint " in "\n".join(shown)


def test_answers_are_counted_as_the_run_counts_them(data: Path, tmp_path: Path) -> None:
    """A plan that says `answered` of what is then asked again, or the reverse, is off by a night."""
    out = tmp_path / "run"
    assert answered(data, out) == 0
    run(ScriptedModel(), ["refcoco_val"], data, out=out, selection=Selection(limit=4))
    assert answered(data, out) == 4
    assert answered(data, out, selection=Selection(limit=2)) == 2
    assert answered(data, out, selection=Selection(sample=6, seed=3)) == 4
    assert answered(data, out, protocol="instruct") == 0
    assert answered(data, out, model=ScriptedModel(fingerprint="f2")) == 0
    assert answered(data, out, fresh=True) == 0
    (data / "pictures/0.png").write_bytes((data / "pictures/3.png").read_bytes())
    assert answered(data, out) == 2
    table = rows(6)
    table[1]["expression"] = "something else"
    write_data(data, table)
    (data / "pictures/0.png").write_bytes((data / "pictures/3.png").read_bytes())
    assert answered(data, out) == 1
    model = ScriptedModel()
    run(model, ["refcoco_val"], data, out=out)
    assert len(model.asked) == 5


def test_results_that_would_be_replaced_are_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--dtype` forgotten: the plan must not only show 0 answers, but why."""
    monkeypatch.chdir(tmp_path)
    command = ["run", "--task", "refcoco_val", "--data", "demo", "--limit", "2", "--device", "cpu"]
    assert main(command) == 0
    capsys.readouterr()
    assert main([*command, "--dry-run", "--dtype", "bfloat16"]) == 0
    said = "another checkpoint, dtype or setting of 'demo' are replaced (refcoco_val)"
    assert said in capsys.readouterr().err
    assert main([*command, "--dry-run"]) == 0
    assert "replaced" not in capsys.readouterr().err


def test_failed_samples_are_not_answered(data: Path, tmp_path: Path) -> None:
    """The run asks them again."""

    def answer(request: object) -> str:
        raise ValueError("broken")

    run(ScriptedModel(answer), ["refcoco_val"], data, out=tmp_path / "run")
    assert answered(data, tmp_path / "run") == 0


def test_tokens_are_those_the_model_then_reads(data: Path, tmp_path: Path) -> None:
    """By the model's own vocabulary, pictures and examples included, and only of what is left to ask."""
    for few_shot in (None, FewShot(2)):
        planned = plan_run(
            "demo", ["okvqa_val"], "demo", few_shot=few_shot, out=tmp_path / f"{few_shot}", settings=CPU
        )
        counter = models.prompt_counter("demo", CPU)
        (plan,) = planned.planned.plans
        said = forecast(planned, plan, counter)
        carry_out(planned)
        journal = "".join(path.read_text() for path in (planned.out / "okvqa_val").glob("predictions*"))
        answers = [json.loads(line) for line in journal.splitlines()]
        assert said.prompt_tokens == sum(answer["prompt_tokens"] for answer in answers)
        assert said.new_tokens >= sum(answer["new_tokens"] for answer in answers)
        after = forecast(planned, plan, counter)
        assert (after.prompt_tokens, after.new_tokens, after.answered) == (0, 0, said.samples)


def test_many_questions_are_counted_by_some(tmp_path: Path) -> None:
    """All tokens of 200,000 prompts take longer to count than is of use; some are scaled to all."""
    data = write_data(tmp_path, rows(3000))
    planned = job(data, tmp_path / "run")
    said = forecast(planned, planned.planned.plans[0], lambda request: 40)
    assert said.prompt_tokens == 3000 * 40


def test_ranked_options_write_nothing() -> None:
    """Their tokens are read, not written: a cost by new tokens must not count them."""
    planned = plan_run("echo", ["seedbench_image"], "demo", protocol="qwen-vl")
    assert forecast(planned, planned.planned.plans[0], None).new_tokens == 0


def test_a_model_that_is_not_here(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A hub id that would be fetched is no error of the plan; what is stored for it nobody can know."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.chdir(tmp_path)
    command = ["run", "--task", "refcoco_val", "--model", "nobody/none", "--data", str(data), "--dry-run"]
    assert main(command) == 0
    shown = capsys.readouterr().out
    assert shown.splitlines()[2].split()[:8] == [
        "results/runs/none",
        "refcoco_val",
        "qwen-vl",
        "6",
        "2",
        "0",
        "-",
        "6",
    ]
    assert "model nobody/none: not on this machine yet; a run fetches it from the hub" in shown


def test_a_dry_run_says_all_that_is_wrong(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One problem a night is too few."""
    (tmp_path / "file").write_text("")
    shutil.rmtree(data / "pictures")
    command = ["run", "--task", "refcoco_val", "--model", "demo", "--device", "cpu", "--data", str(data)]
    assert main([*command, "--out", str(tmp_path / "file"), "--dry-run"]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert lines[0].endswith("file is a file")
    assert f"refcoco_val: 2 of 2 pictures are not under {data} (first: pictures/0.png)" in lines[1]


def test_pictures_are_looked_for_before_the_model_is_loaded(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A folder that was not linked must not be 10,000 errors after minutes of loading; one lost picture must
    not end a run.
    """
    command = ["run", "--task", "refcoco_val", "--model", "demo", "--device", "cpu", "--data", str(data)]
    command += ["--out", str(tmp_path / "run"), "--limit", "4"]
    (data / "pictures/1.png").unlink()
    assert main(command) == 3
    shown = capsys.readouterr().err
    assert "note: refcoco_val: 1 of 2 pictures are not under" in shown
    assert "their samples will be errors" in shown
    monkeypatch.setattr("eval_mm.models.load", lambda *_: pytest.fail("the model was loaded"))
    (data / "pictures/0.png").unlink()
    assert main(command) == 2
    assert "refcoco_val: 2 of 2 pictures are not under" in capsys.readouterr().err
    planned = plan_run("echo", ["refcoco_val"], data, out=tmp_path / "echo")
    assert preflight.look([planned]) == ((), ()), "echo looks at no picture"


def test_a_full_disk_is_found_before_the_model_is_loaded(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What all jobs write on one disk counts together; what is in the folders already does not."""

    class Usage(NamedTuple):
        free: int

    jobs = [job(data, tmp_path / name) for name in "ab"]
    least, most = preflight.bytes_needed(jobs[0])
    monkeypatch.setattr("shutil.disk_usage", lambda _: Usage(2 * least - 1))
    with pytest.raises(UserError, match=r"--out .*a: .* will be written, .* are free there"):
        preflight.require(jobs)
    (note,) = preflight.require(jobs[:1])
    assert "are free there" in note
    monkeypatch.setattr("shutil.disk_usage", lambda _: Usage(2 * most))
    assert preflight.require(jobs) == ()
    run(ScriptedModel(), ["refcoco_val"], data, out=tmp_path / "a")
    assert preflight.bytes_needed(jobs[0]).most < most


def test_a_folder_that_cannot_be_filled(data: Path, tmp_path: Path) -> None:
    """Below a file, another model's, or being written: said before the model is loaded."""
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="file is a file"):
        preflight.require([job(data, tmp_path / "file/a/b")])
    run(ScriptedModel(), ["refcoco_val"], data, out=tmp_path / "run")
    other = ScriptedModel()
    other.info = ModelInfo("other", "f1", protocol="qwen-vl")
    with pytest.raises(UserError, match="holds answers of model 'scripted'"):
        preflight.require([job(data, tmp_path / "run", model=other)])
    with (tmp_path / "run/.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(UserError, match="another run is writing there"):
            preflight.require([job(data, tmp_path / "run")])
    assert preflight.require([job(data, tmp_path / "run")]) == ()


def test_a_model_that_changed_in_the_meantime_is_refused(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a sweep hours pass between plan and load; answers must not be kept as another checkpoint's."""
    planned = job(data, tmp_path / "run", model="echo")
    assert planned.load().info == planned.info
    monkeypatch.setattr("eval_mm.models.load", lambda *_: ScriptedModel(fingerprint="f2"))
    with pytest.raises(UserError, match="changed since this command was started"):
        planned.load()


def with_demo_data() -> Iterator[tuple[str, list[str]]]:
    """Tasks with demo data, and the protocols each has."""
    for task in all_tasks().values():
        if not task.members and (DEMO_ROOT / task.path).is_file():
            yield task.name, [protocol.name for protocol in task.protocols]


@pytest.mark.parametrize(("task", "protocols"), list(with_demo_data()))
def test_the_pictures_looked_for_are_those_shown(task: str, protocols: list[str]) -> None:
    """A protocol that shows other pictures than the sample's would have them missing unnoticed."""
    model = ScriptedModel()
    for protocol in protocols:
        (plan,) = plan_run(model, [task], "demo", protocol=protocol).planned.plans
        root = find_root("demo").path
        for request, sample in zip(plan.requests(), plan.dataset.samples, strict=True):
            assert images_of(request.prompt) == [str(root / image.path) for image in sample.images]


def test_what_a_base_model_cannot_be_asked_is_a_short_line() -> None:
    """The line named all 36 tasks of a sweep, once for every protocol."""
    model = ScriptedModel()
    model.info = ModelInfo("base", protocol="qwen-vl", chat=False)
    with pytest.raises(UserError) as raised:
        plan_run(model, ["all"], "demo", protocol="instruct", selection=Selection(1))
    assert "needed here by ai2d_test, chartqa_test_human, " in str(raised.value)
    assert re.search(r" and \d\d more; ask a chat model", str(raised.value))


def test_the_plan_of_many_jobs_has_a_sum(data: Path, tmp_path: Path) -> None:
    """What a night takes is what all of it takes."""
    table = show([job(data, tmp_path / name) for name in "ab"]).splitlines()
    assert table[4].split()[:4] == ["all", "12", "4", "0"]

"""Full disks, folders one may not write, and what changed since the answers were given."""

import resource
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

import eval_mm
from eval_mm import tasks
from eval_mm.errors import UserError
from eval_mm.run import run as run_tasks
from tests.conftest import ROOT
from tests.eval_mm.support import ScriptedModel, rows, write_data
from tests.faults.support import command, files, lines, run

LARGEST = 6_000
"""Bytes a file may have on the disk that is full: some answers of a task, not all of them."""


def limited(arguments: list[str]) -> tuple[int, str]:
    """A run that may write no file larger than LARGEST."""
    ended = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST, LARGEST)),
    )
    return ended.returncode, ended.stdout + ended.stderr


def test_a_full_disk(tmp_path: Path) -> None:
    """One line that names the file, exit code 2; what was answered is kept and not asked again."""
    calm, out = tmp_path / "calm", tmp_path / "run"
    assert run(command(calm))[0] == 0
    code, said = limited(command(out))
    assert code == 2
    assert said.count("error: ") == 1
    journal = out / "refcoco_val/predictions.rank0.jsonl"
    assert f"error: {journal}: File too large" in said
    assert "Traceback" not in said
    assert journal.read_bytes().endswith(b"}\n")
    before = sum(lines(out).values())
    assert 5 < before < 34
    code, said = run(command(out))
    assert code == 0, said
    assert f"{before} stored answers reused" in said
    assert set(lines(out).values()) == {1}
    assert files(out) == files(calm)


def test_a_disk_that_is_full_for_results(tmp_path: Path) -> None:
    """All answers are there and scores.jsonl has no room: the old one stays whole, and the run can go on."""
    data = write_data(tmp_path / "data", rows(60))
    out = tmp_path / "run"
    eval_mm.evaluate(ScriptedModel(), "refcoco_val", data, limit=50, out=out)
    whole = files(out)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (max(map(len, whole.values())), hard))
    # ten more answers fit into a journal of their own, sixty scores do not fit where fifty were
    (out / "refcoco_val/predictions.rank0.jsonl").rename(out / "refcoco_val/predictions.rank1.jsonl")
    try:
        with pytest.raises(OSError, match="File too large") as caught:
            eval_mm.evaluate(ScriptedModel(), "refcoco_val", data, out=out)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert caught.value.filename == str(out / "refcoco_val/scores.jsonl")
    assert files(out) == whole
    assert not list(out.glob("**/*.tmp"))
    model = ScriptedModel()
    assert eval_mm.evaluate(model, "refcoco_val", data, out=out)[0].num_samples == 60
    assert model.asked == []


def test_a_folder_nobody_may_write() -> None:
    """One line before any model is loaded, also for an administrator, who may write all others."""
    code, said = run(command(Path("/proc/self/run")))
    assert code == 2
    assert "error: --out /proc/self/run: cannot write there" in said
    assert said.count("\n") == 1


def change_image(data: Path) -> None:
    (data / "pictures/1.png").write_bytes((data / "pictures/3.png").read_bytes())


def change_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    task = tasks.get("refcoco_val")
    longer = [replace(one, max_new_tokens=one.max_new_tokens + 1) for one in task.protocols]
    monkeypatch.setitem(tasks.all_tasks(), "refcoco_val", replace(task, protocols=tuple(longer)))


CHANGES: dict[str, tuple[Callable[[Path, pytest.MonkeyPatch], object], str, int]] = {
    "nothing": (lambda data, patch: None, "f1", 0),
    "an image": (lambda data, patch: change_image(data), "f1", 3),
    "the checkpoint": (lambda data, patch: None, "f2", 6),
    "a limit": (lambda data, patch: change_limit(patch), "f1", 6),
}


@pytest.mark.parametrize("what", CHANGES)
def test_what_changed_is_asked_again(what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer to another picture, of another checkpoint, or of another length is no answer to this."""
    change, fingerprint, number = CHANGES[what]
    data, out = write_data(tmp_path / "data", rows(6)), tmp_path / "run"
    eval_mm.evaluate(ScriptedModel(), "refcoco_val", data, out=out)
    change(data, monkeypatch)
    model = ScriptedModel(fingerprint=fingerprint)
    report = run_tasks(model, ["refcoco_val"], data, out=out)
    assert len(model.asked) == number
    assert report.outcomes[0].num_reused == 6 - number


def test_starting_over_keeps_the_answers_elsewhere(tmp_path: Path) -> None:
    """--fresh is typed in doubt: what it puts aside must still be a run folder."""
    data, out = write_data(tmp_path / "data", rows(6)), tmp_path / "run"
    first, second = ScriptedModel(), ScriptedModel()
    run_tasks(first, ["refcoco_val"], data, out=out)
    report = run_tasks(second, ["refcoco_val"], data, out=out, fresh=True)
    assert len(second.asked) == 6
    assert report.notices[-1] == f"started over; what {out} held is in {out}.1"
    assert files(out) == files(tmp_path / "run.1")
    assert eval_mm.score(tmp_path / "run.1")[0].num_samples == 6


def test_another_program_that_writes_there_is_noticed(tmp_path: Path) -> None:
    """An answer that came from nowhere must not make a denominator, nor replace the model's own."""
    data, out = write_data(tmp_path / "data", rows(6)), tmp_path / "run"

    class Watched(ScriptedModel):
        def generate(self, requests):  # type: ignore[no-untyped-def]
            for prediction in super().generate(requests):
                yield prediction
                mine = out / "refcoco_val/predictions.rank0.jsonl"
                (out / "refcoco_val/predictions.rank7.jsonl").write_bytes(mine.read_bytes())

    with pytest.raises(UserError, match="was answered twice in this run"):
        run_tasks(Watched(), ["refcoco_val"], data, out=out)


def test_no_clock_matters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock set back by an hour in the middle of a run must change nothing and stop nothing."""
    data, out = write_data(tmp_path / "data", rows(6)), tmp_path / "run"
    run_tasks(ScriptedModel(), ["refcoco_val"], data, out=tmp_path / "calm")
    now = iter(range(2_000_000_000, 0, -3600))
    monkeypatch.setattr("time.time", lambda: next(now))
    run_tasks(ScriptedModel(), ["refcoco_val"], data, out=out)
    model = ScriptedModel()
    run_tasks(model, ["refcoco_val"], data, out=out)
    assert model.asked == []
    assert files(out) == files(tmp_path / "calm")

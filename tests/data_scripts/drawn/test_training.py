"""`demo-training`: conversations and pictures on disk."""

import json
import multiprocessing
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from data_scripts.drawn import demo, training
from data_scripts.drawn.conversations import asked, draw
from data_scripts.drawn.scenes import FIRST_TRAINING_SEED
from tests.data_scripts.support import run, tree

Capture = pytest.CaptureFixture[str]


def make(capsys: Capture, out: Path, **options: Any) -> tuple[int, str]:
    """Exit code and what stands on stderr apart from the progress bar."""
    chosen = {"scenes": 12, "seed": 3, "workers": 1} | options
    flags = [part for name, value in chosen.items() for part in (f"--{name.replace('_', '-')}", value)]
    ran = run(capsys, "demo-training", "--out", out, *flags)
    return ran.code, re.sub(r"\r?scenes: .*?(\r|\n|$)", "", ran.err)


def test_the_form_is_that_of_qwen_vl(tmp_path: Path, capsys: Capture) -> None:
    """Guards the seam to the training: its own form, pictures where rows say, a picture's rows together."""
    assert make(capsys, tmp_path)[0] == 0
    rows = json.loads((tmp_path / "conversations.json").read_text(encoding="utf-8"))
    assert len({row["id"] for row in rows}) == len(rows)
    pictures = []
    for row in rows:
        assert list(row) == ["id", "conversations"]
        user, assistant = row["conversations"]
        assert (user["from"], assistant["from"]) == ("user", "assistant")
        assert [list(user), list(assistant)] == [["from", "value"]] * 2
        match = re.match(r"<img>(pictures/000/\d{6}\.png)</img>\S", user["value"])
        assert match
        assert assistant["value"]
        pictures.append(match[1])
    assert pictures == sorted(pictures)
    names = list(dict.fromkeys(pictures))
    assert names == [training.picture_path(index) for index in range(12)]
    assert {path for path in tree(tmp_path) if path.endswith(".png")} == set(names)
    for index, name in enumerate(names):
        shown, turns = asked(training.scene_seed(3, index))
        assert np.array_equal(np.asarray(Image.open(tmp_path / name)), np.asarray(draw(shown)))
        assert pictures.count(name) == len(turns)


def test_the_number_of_workers_changes_nothing(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards repeatable training: the same files, byte for byte, from one process and from three."""
    monkeypatch.setattr(training, "PART", 7)
    for workers in (1, 3):
        assert make(capsys, tmp_path / str(workers), scenes=40, workers=workers, max_shapes=2)[0] == 0
    assert tree(tmp_path / "1") == tree(tmp_path / "3")
    assert len(tree(tmp_path / "1")) == 41


def test_more_scenes_begin_with_the_same(tmp_path: Path, capsys: Capture) -> None:
    """Guards the meaning of seed and scene number: a longer file is a continuation, another seed is not."""
    for name, options in {"a": {}, "b": {"scenes": 20}, "c": {"seed": 4}}.items():
        assert make(capsys, tmp_path / name, **options)[0] == 0
    a, b, c = (json.loads((tmp_path / f"{name}/conversations.json").read_text()) for name in "abc")
    assert b[: len(a)] == a
    assert not {row["id"] for row in a} & {row["id"] for row in c}


def test_no_seed_of_an_evaluation_is_used() -> None:
    """Guards against asking a model about what it was trained on; two trainings are apart as well."""
    last = training.MOST_SCENES - 1
    assert training.scene_seed(0, 0) == FIRST_TRAINING_SEED > demo.SEEDS**2 - 1
    assert training.scene_seed(0, last) + 1 == training.scene_seed(1, 0)
    for seed, index in ((-1, 0), (0, -1), (0, last + 1)):
        with pytest.raises(AssertionError):
            training.scene_seed(seed, index)


def test_pictures_are_spread_over_folders() -> None:
    """Guards file systems against a folder with a hundred thousand files."""
    assert training.picture_path(123) == "pictures/000/000123.png"
    assert training.picture_path(41_234) == "pictures/041/041234.png"
    assert training.picture_path(training.MOST_SCENES - 1) == "pictures/999/999999.png"


@pytest.mark.parametrize("fault", [KeyboardInterrupt(), OSError(28, "No space left on device", "x.png")])
def test_an_interrupted_run_leaves_no_conversations(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch, fault: BaseException
) -> None:
    """Guards against training on half a file, or on a temporary one; running again then works."""

    def draw_some(shown: Any) -> Image.Image:
        if shown.seed == training.scene_seed(3, 9):
            raise fault
        return draw(shown)

    with monkeypatch.context() as patched:
        patched.setattr(training, "draw", draw_some)
        patched.setattr(training, "PART", 4)
        code, error = make(capsys, tmp_path)
    assert code == (130 if isinstance(fault, KeyboardInterrupt) else 2)
    assert len(error.strip().splitlines()) == 1
    assert {path for path in tree(tmp_path) if not path.endswith(".png")} == set()
    assert make(capsys, tmp_path)[0] == 0


def test_ctrl_c_with_several_workers(tmp_path: Path) -> None:
    """Guards the terminal against the tracebacks of every worker, and against processes that stay behind."""
    command = [sys.executable, "-m", "data_scripts", "demo-training", "--out", str(tmp_path)]
    process = subprocess.Popen(
        [*command, "--scenes", "100000", "--workers", "2"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    give_up = time.monotonic() + 60
    while not (tmp_path / training.picture_path(0)).exists():
        assert time.monotonic() < give_up, "no picture after a minute"
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to all of them
    out, error = process.communicate(timeout=60)
    assert process.returncode == 130, error
    assert out == ""
    assert "Traceback" not in error
    assert error.splitlines()[-1].startswith("interrupted: ")
    assert {path for path in tree(tmp_path) if not path.endswith(".png")} == set()


def test_a_worker_that_is_killed_ends_the_run(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards against waiting for ever for a process that the system killed for its memory."""

    class Killing(training.tqdm):  # type: ignore[misc, name-defined]
        def update(self, n: float | None = 1) -> bool | None:
            for child in multiprocessing.active_children():
                child.kill()
            return bool(super().update(n))

    monkeypatch.setattr(training, "tqdm", Killing)
    monkeypatch.setattr(training, "PART", 1)
    code, error = make(capsys, tmp_path, scenes=2000, workers=2)
    assert code == 2
    assert error.strip().startswith("error: a drawing process was killed")
    assert not (tmp_path / "conversations.json").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scenes": 0}, "error: --scenes 0: expected 1 to 1000000"),
        ({"scenes": 1_000_001}, "error: --scenes 1000001: expected 1 to 1000000"),
        ({"seed": -1}, "error: --seed -1: expected 0 or more"),
        ({"workers": 0}, "error: --workers 0: expected 1 or more"),
    ],
)
def test_bad_options_are_one_line(
    tmp_path: Path, capsys: Capture, options: dict[str, Any], message: str
) -> None:
    """Guards a mistyped number: said at once, before anything is drawn."""
    assert make(capsys, tmp_path / "x", **options) == (2, f"{message}\n")
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("options", [{"max_shapes": 4}, {"max_shapes": 0}, {"scenes": "many"}])
def test_impossible_options_are_one_line(tmp_path: Path, capsys: Capture, options: dict[str, Any]) -> None:
    """Guards the parser's own refusals likewise."""
    with pytest.raises(SystemExit) as ended:
        make(capsys, tmp_path / "x", **options)
    assert ended.value.code == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_whole_data_is_not_overwritten(tmp_path: Path, capsys: Capture) -> None:
    """Guards rows against other pictures under the same names, should a second run be interrupted."""
    assert make(capsys, tmp_path)[0] == 0
    before = tree(tmp_path)
    code, error = make(capsys, tmp_path, seed=5)
    assert (code, error) == (
        2,
        f"error: {tmp_path}/conversations.json is already there; remove it or name another --out\n",
    )
    assert tree(tmp_path) == before


def test_a_file_in_the_way_is_one_line(tmp_path: Path, capsys: Capture) -> None:
    """Guards against a traceback where --out names a file."""
    (tmp_path / "file").touch()
    code, error = make(capsys, tmp_path / "file")
    assert code == 2
    assert len(error.splitlines()) == 1


def test_a_lesson_asks_only_its_kinds(tmp_path: Path, capsys: Capture) -> None:
    """Kinds that were left out must not come back, nor parts without rows spoil the JSON."""
    code, _ = make(capsys, tmp_path, scenes=120, kinds="number", workers=1)
    assert code == 0
    rows = json.loads((tmp_path / "conversations.json").read_text(encoding="utf-8"))
    assert rows
    assert {row["id"].rpartition("-")[2] for row in rows} == {"number"}


def test_a_lesson_shows_only_what_was_asked_for(tmp_path: Path, capsys: Capture) -> None:
    """Guards a lesson in reading, mostly of scenes otherwise; unknown names are refused."""
    assert make(capsys, tmp_path / "a", shows="chart,page")[0] == 0
    rows = json.loads((tmp_path / "a/conversations.json").read_text(encoding="utf-8"))
    kinds = {row["id"].rpartition("-")[2] for row in rows}
    assert {"value", "tallest", "heading", "lines"} <= kinds
    assert not kinds & {"grounding", "colour", "number", "title"}
    code, error = make(capsys, tmp_path / "b", shows="chart,map")
    assert code == 2
    assert "--shows chart,map: expected some of scene, card, chart" in error
    assert not (tmp_path / "b").exists()


def test_a_lesson_without_questions_is_refused(tmp_path: Path, capsys: Capture) -> None:
    """An empty list would be found by the training only."""
    without = next(
        seed
        for seed in range(50)
        if all(turn.kind != "number" for n in range(3) for turn in asked(training.scene_seed(seed, n))[1])
    )
    code, error = make(capsys, tmp_path, scenes=3, seed=without, kinds="number")
    assert code == 2
    assert "has questions of --kinds number" in error
    assert not (tmp_path / "conversations.json").exists()
    code, error = make(capsys, tmp_path, scenes=3, kinds="colour,sound")
    assert code == 2
    assert "expected some of grounding, colour" in error


@pytest.mark.parametrize("step", [50, 100])
def test_a_coarse_lesson_rounds_places(tmp_path: Path, capsys: Capture, step: int) -> None:
    """Every coordinate a multiple of the step and near the exact one; everything else untouched."""
    exact, coarse = tmp_path / "exact", tmp_path / "coarse"
    make(capsys, exact, scenes=20, workers=1)
    make(capsys, coarse, scenes=20, workers=1, coarse=step)
    written = [json.loads((out / "conversations.json").read_text()) for out in (exact, coarse)]
    changed = 0
    for fine, rough in zip(*written, strict=True):
        texts = [[turn["value"] for turn in row["conversations"]] for row in (fine, rough)]
        if fine["id"].rpartition("-")[2] not in ("grounding", "point"):
            assert texts[0] == texts[1]
            continue
        numbers = [[int(n) for text in pair for n in re.findall(r"(?<=[(,])\d+", text)] for pair in texts]
        assert len(numbers[0]) == len(numbers[1]) > 0
        for old, new in zip(*numbers, strict=True):
            assert new % step == 0
            assert abs(old - new) <= step
            changed += old != new
    assert changed

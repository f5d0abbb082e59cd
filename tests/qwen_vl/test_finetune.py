"""Training: it learns, it goes on after a kill as if nothing had been, and several processes are one."""

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from qwen_vl.__main__ import main
from qwen_vl.checkpoint import load
from qwen_vl.distributed import Processes
from qwen_vl.finetune import (
    Settings,
    _choose_parameters,
    _plan,
    _read_groups,
    _read_pixels,
    backward,
    learning_rate,
)
from qwen_vl.generate import generate
from qwen_vl.packing import images_of
from qwen_vl.prompt import ImagePart, build_prompt
from tests.qwen_vl.training import checkpoint, conversations, row

ONE_THREAD = {**os.environ, "OMP_NUM_THREADS": "1"}


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return checkpoint(tmp_path / "model")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return conversations(tmp_path / "data")


def arguments(start: Path, talks: Path, out: Path, **options: Any) -> list[str]:
    """The command line of a small run."""
    wanted = {
        "model": start,
        "data": talks,
        "out": out,
        "format": "raw",
        "device": "cpu",
        "learning-rate": 1e-3,
        "eval-fraction": 0,
        "batch-tokens": 60,
        **options,
    }
    return ["finetune", *(str(part) for name, value in wanted.items() for part in (f"--{name}", value))]


def losses(out: Path) -> list[float]:
    lines = (out / "log.jsonl").read_text(encoding="utf-8").splitlines()
    records = [json.loads(line) for line in lines]
    assert [record["step"] for record in records] == list(range(1, len(records) + 1))
    return [record["loss"] for record in records]


def test_a_batch_can_be_learned_by_heart(model: Path, tmp_path: Path) -> None:
    """If the loss of one batch does not fall to near zero, some gradient does not arrive."""
    data = conversations(tmp_path / "data", pictures=2)
    out = tmp_path / "out"
    options = {
        "epochs": 150,
        "batch-tokens": 1000,
        "weight-decay": 0,
        "save-every": 500,
    }
    assert main(arguments(model, data, out, **options, **{"save-dtype": "float32"})) == 0
    found = losses(out)
    assert found[0] > 5
    assert sum(found[-10:]) / 10 < 0.02
    loaded = load(out, "cpu", "float32")
    talks = json.loads(data.read_text())
    pixels = _read_pixels([data.parent / "0.png", data.parent / "1.png"], loaded.model)
    for talk in talks[1:]:
        question, answer = (turn["value"] for turn in talk["conversations"])
        if "Answer:" not in question:
            continue
        picture = data.parent / question[5 : question.index("</img>")]
        parts = [ImagePart(pixels[picture]), question.partition("</img>")[2]]
        (found_answer,) = generate(
            loaded.model,
            [build_prompt(loaded.tokenizer, parts)],
            min_new_tokens=1,
            max_new_tokens=12,
            stop_ids=[loaded.tokenizer.eod_id],
        )
        assert loaded.tokenizer.decode_answer(found_answer.ids) == answer
        assert found_answer.stop_reason == "stop"


def test_killed_and_continued_is_as_if_undisturbed(model: Path, data: Path, tmp_path: Path) -> None:
    """After kill -9 the same command must end with the same weights, bit for bit, and a whole log."""
    options = {"epochs": 20, "save-every": 3}
    calm, killed = tmp_path / "calm", tmp_path / "killed"
    assert main(arguments(model, data, calm, **options)) == 0
    process = subprocess.Popen(
        [sys.executable, "-m", "qwen_vl", *arguments(model, data, killed, **options)],
        env=ONE_THREAD,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 60
    while not list(killed.glob("state-*")) and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert list(killed.glob("state-*")), "no state was saved"
    assert not (killed / "model.safetensors").exists(), "the run had ended before the kill"
    assert main(arguments(model, data, killed, **options)) == 0
    first, second = (load_file(folder / "model.safetensors") for folder in (calm, killed))
    assert first.keys() == second.keys()
    for name, tensor in first.items():
        assert torch.equal(tensor, second[name]), name
    assert losses(calm) == losses(killed)


def test_stopped_and_continued_is_as_if_undisturbed(model: Path, data: Path, tmp_path: Path) -> None:
    """--stop-after ends early, the learning rate still high; going on later, frozen parts too, is exact."""
    options = {
        "epochs": 3,
        "save-dtype": "float32",
        "freeze": "vision",
        "eval-fraction": 0.3,
        "eval-every": 2,
    }
    calm, stopped = tmp_path / "calm", tmp_path / "stopped"
    assert main(arguments(model, data, calm, **options)) == 0
    assert main(arguments(model, data, stopped, **options, **{"stop-after": 3})) == 0
    assert len(losses(stopped)) == 3
    early = load_file(stopped / "model.safetensors")
    (stopped / "state-000001").mkdir()  # as a kill between renaming and removing leaves it
    assert main(arguments(model, data, stopped, **options)) == 0
    first, second = (load_file(folder / "model.safetensors") for folder in (calm, stopped))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert any(not torch.equal(first[name], early[name]) for name in first)
    assert len(list(stopped.glob("state-*"))) == 1
    assert main(arguments(model, data, stopped, **options, **{"stop-after": 3})) == 2


def test_other_data_under_the_same_name_is_another_run(
    model: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The file was edited and the command typed again: 'trained' without reading a row would be a lie."""
    out = tmp_path / "out"
    assert main(arguments(model, data, out, **{"max-steps": 1})) == 0
    data.write_text(json.dumps([row("a", "b"), row("c", "d")]))
    assert main(arguments(model, data, out, **{"max-steps": 1})) == 2
    assert "another data_sha256" in capsys.readouterr().err


def test_two_runs_do_not_share_a_folder(
    model: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two writers would mix their logs and states; a user's own copies of states are left alone."""
    out = tmp_path / "out"
    (out / "state-000001.bak").mkdir(parents=True)
    with (out / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert main(arguments(model, data, out, **{"max-steps": 1})) == 2
        assert "another run is writing there" in capsys.readouterr().err
    assert main(arguments(model, data, out, **{"max-steps": 2, "save-every": 1})) == 0
    assert (out / "state-000001.bak").is_dir()


def test_the_last_step_may_not_break_the_model(
    model: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A step that throws the weights far out has a finite loss itself; it must not end as 'trained'."""
    out = tmp_path / "out"
    assert main(arguments(model, data, out, **{"max-steps": 1, "learning-rate": 1e30})) == 2
    assert "broken down in its last step" in capsys.readouterr().err
    assert not (out / "model.safetensors").exists()


@pytest.mark.parametrize("content", [b"{", b"null", b"[" * 100_000])
@pytest.mark.parametrize("name", ["settings.json", "state.safetensors"])
def test_a_damaged_state_is_said(
    model: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, content: bytes
) -> None:
    """A file cut off by a full disk is named, not a traceback."""
    out = tmp_path / "out"
    assert main(arguments(model, data, out, **{"max-steps": 1})) == 0
    next(out.rglob(name)).write_bytes(content)
    capsys.readouterr()
    assert main(arguments(model, data, out, **{"max-steps": 1})) == 2
    line = capsys.readouterr().err
    assert f"{name}: damaged" in line
    assert line.count("\n") == 1


def test_two_processes_take_the_same_first_step(model: Path, data: Path, tmp_path: Path) -> None:
    """Torchrun over two processes: the gradient of the joint batch, to 1e-5, and so the same training."""
    options = {"epochs": 1, "batch-tokens": 100, "accumulate": 9, "max-steps": 1, "clip": 0}
    one, two = tmp_path / "one", tmp_path / "two"
    assert main(arguments(model, data, one, **options)) == 0
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    subprocess.run(
        [*torchrun, "-m", "qwen_vl", *arguments(model, data, two, **options)],
        check=True,
        env=ONE_THREAD,
        capture_output=True,
    )
    assert losses(one) == pytest.approx(losses(two), rel=1e-5)
    first, second = (load_file(next(folder.glob("state-*")) / "state.safetensors") for folder in (one, two))
    compared = 0
    for name, tensor in first.items():
        if name.startswith("exp_avg."):  # a tenth of the first gradient
            torch.testing.assert_close(second[name] * 10, tensor * 10, rtol=0, atol=1e-5, msg=name)
            compared += 1
    assert compared > 30


def test_shares_of_a_step_add_up(model: Path, data: Path) -> None:
    """Without torchrun: the gradients of three shares, added, are the gradient of the whole."""
    settings = Settings(str(model), str(data), "unused", "raw", batch_tokens=100, eval_fraction=0)
    loaded = load(model, "cpu", "float32")
    train, _ = _read_groups(settings, loaded)
    batches = [batch for step in _plan(train, settings) for batch in step]
    assert any(len(batch) == 1 for batch in batches), "no process is ever left without a group"
    pixels = _read_pixels(images_of(train), loaded.model)
    trained = _choose_parameters(loaded.model, ())
    device = torch.device("cpu")

    class Silent(Processes):
        def add_up(self, tensors: Any) -> None:
            pass

        def add_up_number(self, value: float) -> float:
            return value

    loss = backward(loaded.model, trained, batches, pixels, "float32", Processes(0, 1, device))
    whole = {
        name: parameter.grad.clone() for name, parameter in trained.items() if parameter.grad is not None
    }
    total = 0.0
    for rank in range(3):
        total += backward(loaded.model, trained, batches, pixels, "float32", Silent(rank, 3, device))
        for name, parameter in trained.items():
            assert parameter.grad is not None
            whole[name] -= parameter.grad
    assert total == pytest.approx(loss, rel=1e-5)
    assert max(float(rest.abs().max()) for rest in whole.values()) < 1e-5


def test_frozen_parts_stay(model: Path, data: Path, tmp_path: Path) -> None:
    """--freeze keeps its promise to the last bit, and the sin-cos table is never trained."""
    out = tmp_path / "out"
    options = {"freeze": "vision,embeddings", "save-dtype": "float32", "max-steps": 2}
    assert main(arguments(model, data, out, **options)) == 0
    before, after = load_file(model / "model.safetensors"), load_file(out / "model.safetensors")
    for name, tensor in before.items():
        resampler = any(part in name for part in ("attn_pool", "visual.ln_post", "visual.proj"))
        frozen = ("visual." in name and not resampler) or "wte" in name or name.endswith("pos_embed")
        assert torch.equal(tensor, after[name]) == frozen, name
    out = tmp_path / "all"
    assert main(arguments(model, data, out, **{"save-dtype": "float32", "max-steps": 2})) == 0
    after = load_file(out / "model.safetensors")
    assert [name for name, tensor in before.items() if torch.equal(tensor, after[name])] == [
        "transformer.visual.attn_pool.pos_embed"
    ]


def test_bfloat16_and_held_out(model: Path, data: Path, tmp_path: Path) -> None:
    """Mixed precision trains too, and held-out pictures are measured but never trained on."""
    out = tmp_path / "out"
    options = {"dtype": "bfloat16", "eval-fraction": 0.5, "eval-every": 1, "epochs": 2, "accumulate": 2}
    assert main(arguments(model, data, out, **options)) == 0
    records = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    assert all(record["held_out_loss"] > 0 for record in records)
    settings = Settings(str(model), str(data), str(out), "raw", eval_fraction=0.5)
    train, held_out = _read_groups(settings, load(model, "cpu", "float32"))
    assert train
    assert held_out
    assert not set(images_of(train)) & set(images_of(held_out))


def test_the_learning_rate() -> None:
    """Up in a line, down in half a cosine to a tenth: by hand at the corners."""
    settings = Settings("m", "d", "o", learning_rate=1.0, warmup=0.1)
    rates = [learning_rate(step, 100, settings) for step in range(100)]
    assert rates[:10] == pytest.approx([(step + 1) / 10 for step in range(10)])
    assert rates[10] == pytest.approx(1)
    assert rates[55] == pytest.approx(0.55)
    assert rates[99] == pytest.approx(0.1, abs=1e-3)


def test_another_run_in_the_folder_is_refused(
    model: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Going on with other settings would be neither the one run nor the other."""
    out = tmp_path / "out"
    assert main(arguments(model, data, out, **{"max-steps": 1})) == 0
    capsys.readouterr()
    assert main(arguments(model, data, out, **{"max-steps": 1, "learning-rate": 1e-4})) == 2
    line = capsys.readouterr().err
    assert line.startswith("error: ")
    assert "another learning_rate" in line
    assert line.count("\n") == 1


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "model": ({"model": "/nowhere"}, "no such folder"),
    "user": ({"model": "~nosuchuser/x"}, "~nosuchuser/x: no such folder"),
    "data": ({"data": "/nowhere.json"}, "cannot be read"),
    "part": ({"freeze": "brain"}, "there are resampler, vision, embeddings, decoder"),
    "all held out": ({"eval-fraction": 0.9}, "nothing is left to train on"),
    "diverging": ({"learning-rate": 1e6, "clip": 0}, "training has broken down"),
    "onto itself": ({"out": "MODEL"}, "is the model training starts from"),
    "device": ({"device": "gpu"}, "not one of auto, cpu"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_line(
    model: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], case: str
) -> None:
    """Exit code 2 and what is allowed, before anything is trained."""
    options, words = BAD[case]
    options = {name: model if value == "MODEL" else value for name, value in options.items()}
    if case == "all held out":
        data = conversations(data.parent, pictures=1)
        data.write_text(json.dumps(json.loads(data.read_text())[1:]))
    out = options.pop("out", tmp_path / "out")
    assert main(arguments(model, data, out, **options)) == 2
    line = capsys.readouterr().err.splitlines()[-1].rpartition("\r")[2]  # after the progress bar, if any
    assert line.startswith("error: ")
    assert words in line


def test_a_bad_row_is_named(
    model: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """File and row."""
    data.write_text(json.dumps([row("a", "b"), row("<img>absent.png</img>", "b")]))
    assert main(arguments(model, data, tmp_path / "out")) == 2
    assert f"{data}: row 1: no picture" in capsys.readouterr().err

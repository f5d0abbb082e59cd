"""Engines measured: the same answers, all of their time accounted for, and processes that end."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from qwen_vl.config import QwenVLConfig
from qwen_vl.errors import CheckpointError
from qwen_vl.model import QwenVL, random_model
from qwen_vl.profiling import measuring
from qwen_vl.profiling.command import ENGINES
from qwen_vl.profiling.measuring import Job, Measured, measure, measure_alone, num_different
from qwen_vl.profiling.phases import LOGITS, PHASES
from qwen_vl.profiling.workloads import WORKLOADS, draw_pictures, queries

JOB = Job("demo", "cpu", "float32", "fast", workload="docvqa", images=2)


@pytest.fixture(scope="module")
def model(tiny_config: QwenVLConfig) -> QwenVL:
    values = tiny_config.to_dict()
    values["vocab_size"] = 1024
    values["visual"] = {**values["visual"], "image_start_id": 1000}
    return random_model(QwenVLConfig.from_dict(values), seed=1, std=0.2)


@pytest.mark.parametrize("workload", ["docvqa", "seedbench"])
def test_all_engines_answer_the_same(model: QwenVL, workload: str, tmp_path: Path) -> None:
    """A ratio between engines that do different work says nothing."""
    asked = queries(model.config, WORKLOADS[workload], 3, tmp_path)
    draw_pictures(asked)
    found = [measure(model, engine, asked) for engine in ENGINES]
    for number in range(len(asked)):
        first, *others = (one.answers[number] for one in found)
        assert first
        for answer in others:
            assert answer == (pytest.approx(first, abs=3e-5) if workload == "seedbench" else first)
    assert num_different(found[0], found[1], workload == "seedbench") == 0


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("workload", ["docvqa", "seedbench"])
def test_the_time_split_accounts_for_the_time(
    model: QwenVL, engine: str, workload: str, tmp_path: Path
) -> None:
    """A part that is never entered (scores of options had no logits), or counted twice, makes the split
    useless; the hooks must go away.
    """
    asked = queries(model.config, WORKLOADS[workload], 3, tmp_path)
    draw_pictures(asked)
    found = measure(model, engine, asked)
    assert set(found.split) == {*PHASES, LOGITS}
    entered = {"read", "vision", "prefill", LOGITS} | ({"decode"} if workload == "docvqa" else set())
    assert min(found.split[name] for name in entered) > 0
    parts = sum(found.split[name] for name in ("vision", "prefill", "decode", "waiting"))
    assert parts <= found.seconds
    assert found.split[LOGITS] < found.split["prefill"] + found.split["decode"]
    if engine != "fast":
        assert found.split["waiting"] == pytest.approx(found.split["read"])
    hooks = [(*module._forward_hooks, *module._forward_pre_hooks) for module in model.modules()]
    assert not any(hooks)


def test_answers_that_differ() -> None:
    """Of options only the best counts: log-probabilities are never equal to the last digit."""
    first = Measured("fast", 1.0, 1.0, 1, {}, [[0.1, 0.3], [2, 3]])
    second = replace(first, answers=[[0.2, 0.9], [2, 4]])
    assert num_different(first, second, options=True) == 0
    assert num_different(first, second, options=False) == 2


def test_alone_is_the_same_and_takes_its_own_memory() -> None:
    """What crosses to the other process must come back whole; and the peak must not be this process's."""
    ballast = bytearray(os.urandom(1 << 20) * 600)
    alone, here = measure_alone(JOB), measuring.measure_here(JOB)
    assert alone.answers == here.answers
    assert set(alone.split) == set(here.split)
    assert alone.engine == "fast"
    if Path("/proc/self/status").exists():
        assert here.peak_bytes > len(ballast) > alone.peak_bytes > 100e6


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "was killed, .* where memory runs out"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGTERM)", "ended by signal 15"),
        ("import sys; sys.exit(7)", "exit code 7"),
        ('print(\'{"error": "the reason"}\')', "fast: the reason"),
    ],
)
def test_a_process_that_fails(code: str, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Out of memory ends a process without a word: said in one line, not as a parse error."""
    popen = subprocess.Popen
    monkeypatch.setattr(
        subprocess, "Popen", lambda command, **options: popen([command[0], "-c", code], **options)
    )
    with pytest.raises(CheckpointError, match=message):
        measure_alone(JOB)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux to look at processes")
def test_the_process_ends_with_its_parent(tmp_path: Path) -> None:
    """A measurement that goes on after `kill -9` of the command would disturb the next one for minutes, and
    leave its pictures behind.
    """
    job = replace(JOB, config="small", engine="reference", workload="gqa", images=50)
    code = f"from qwen_vl.profiling.measuring import *\nmeasure_alone(Job(**{asdict(job)!r}))\n"
    parent = subprocess.Popen([sys.executable, "-c", code], env={**os.environ, "TMPDIR": str(tmp_path)})

    def children() -> list[int]:
        found = []
        for stat in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                words = stat.read_bytes().split(b"\0")
            except OSError:
                continue
            if b"qwen_vl.profiling.measuring" in words and json.dumps(asdict(job)).encode() in words:
                found.append(int(stat.parent.name))
        return found

    def wait_for(there: bool) -> None:
        deadline = time.monotonic() + 60
        while bool(children() and any(tmp_path.glob("*/*.jpg"))) is not there:
            assert time.monotonic() < deadline, "the process did not begin or did not end"
            time.sleep(0.1)

    wait_for(True)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    deadline = time.monotonic() + 60
    while children():
        assert time.monotonic() < deadline, "the process did not end"
        time.sleep(0.1)
    assert not any(tmp_path.glob("*/*.jpg"))

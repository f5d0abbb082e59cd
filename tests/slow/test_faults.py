"""Runs that are killed, and the package as a stranger installs it. `make test-slow` only."""

import os
import random
import signal
import subprocess
import sys
import time
import venv
from pathlib import Path

import pytest

from eval_mm import tasks

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.slow


def demo_run(out: Path) -> list[str]:
    return [
        sys.executable,
        "-m",
        "eval_mm",
        "run",
        "--task",
        "grounding",
        "--data",
        "demo",
        "--out",
        str(out),
    ]


def files(out: Path) -> dict[str, bytes]:
    """Everything that must be a function of data and answers alone."""
    found = [*out.glob("*/result.json"), *out.glob("*/scores.jsonl")]
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in found}


def test_killed_at_random_moments(tmp_path: Path) -> None:
    """A kill -9 costs only the answers in flight: same bytes at the end, nothing flushed asked twice."""
    subprocess.run(demo_run(tmp_path / "calm"), check=True, capture_output=True)
    rng, out = random.Random(0), tmp_path / "killed"
    kills = 0
    for _ in range(200):
        process = subprocess.Popen(demo_run(out), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(rng.uniform(1.0, 5.0))
        if process.poll() is not None:
            break
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        kills += 1
    assert process.returncode == 0, "the run never came to an end"
    assert kills >= 2, "the run was never killed"
    assert files(out) == files(tmp_path / "calm")
    assert len(files(out)) == 2 * len(tasks.families()["grounding"])
    for journal in out.glob("*/predictions.rank0.jsonl"):
        ids = [line.split(b'"', 4)[3] for line in journal.read_bytes().splitlines()]
        assert len(ids) == len(set(ids)), f"{journal} holds an answer twice"


def test_the_installed_package_runs_anywhere(tmp_path: Path) -> None:
    """A wheel carries demo data, demo model and published figures: nothing may be read from the checkout."""
    wheels, env, elsewhere = tmp_path / "wheels", tmp_path / "env", tmp_path / "elsewhere"
    elsewhere.mkdir()
    venv.create(env, with_pip=True)
    python = str(env / "bin" / "python")
    install = [python, "-m", "pip", "install", "--quiet", "-c", str(ROOT / "constraints.txt")]
    subprocess.run(
        [python, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", str(wheels), str(ROOT)], check=True
    )
    (wheel,) = wheels.iterdir()
    subprocess.run([*install, f"{wheel}[qwen]"], check=True)
    command = [python, "-m", "eval_mm", "run", "--task", "refcoco", "--limit", "3", "--out", "run"]
    shown = subprocess.run(command, check=True, cwd=elsewhere, capture_output=True, text=True).stdout
    assert "89.36" in shown
    assert "DEMO" in shown
    subprocess.run(
        [str(env / "bin" / "eval-mm"), "score", "run"], check=True, cwd=elsewhere, capture_output=True
    )
    check = [python, "-m", "data_scripts", "check", "refcoco", "--data", "demo"]
    subprocess.run(check, check=True, cwd=elsewhere, capture_output=True)

"""The scripts of benchmarks/engine on the demo model: what needs a GPU or minutes must not break unseen."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

SCRIPTS = Path(__file__).parents[3] / "benchmarks/engine"


def run(script: str, *options: str) -> subprocess.CompletedProcess[str]:
    """A script as it is typed."""
    command = [sys.executable, str(SCRIPTS / script), *options]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=SCRIPTS.parents[1])


@pytest.mark.slow
def test_the_figures_of_a_gpu() -> None:
    """All of it on the CPU, small: on the day a GPU is there, nothing may fail after ten minutes."""
    sizes = ("--images", "1", "--whole", "2", "--samples", "8")
    ended = run("measure_gpu.py", "--config", "demo", "--device", "cpu", *sizes)
    assert ended.returncode == 0, ended.stderr
    for line in (
        r"gqa: useful work, of the matrix peak +\d+\.\d\d  %",
        r"refcoco: useful work, of the matrix peak +\d+\.\d\d  %",
        r"gqa: fast / static +\d+\.\d\d  times",
        r"gqa: 63 questions, 2 pictures +\d+\.\d\d  s",
        r"answers of fast and reference that differ, of 8 +\d+\.\d\d  %",
    ):
        assert re.search(line, ended.stdout), (line, ended.stdout)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU: the script would run for minutes")
def test_without_a_gpu() -> None:
    """One line, not a traceback."""
    ended = run("measure_gpu.py")
    assert ended.returncode == 2
    (line,) = ended.stderr.splitlines()
    assert "torch sees 0 GPUs" in line


@pytest.mark.slow
def test_the_table() -> None:
    """A line for each workload; a small model or few pictures must not pass for the required table."""
    ended = run("measure_engine.py", "--config", "demo", "--images", "1")
    assert ended.returncode == 0, ended.stderr
    rows = [line.split() for line in ended.stdout.splitlines()]
    assert [row[0] for row in rows if row[-1:] == ["0"]] == ["gqa", "refcoco", "seedbench", "caption"]
    refused = run("measure_engine.py", "--config", "demo", "--write")
    assert refused.returncode == 2
    assert "--write" in refused.stderr


@pytest.mark.slow
def test_answers_in_half_precision() -> None:
    """Each of the three pairs has its line."""
    ended = run("measure_rounding.py", "--config", "demo", "--samples", "4", "--device", "cpu")
    assert ended.returncode == 0, ended.stderr
    assert "4 answers" in ended.stdout
    pairs = [line for line in ended.stdout.splitlines() if line.startswith(("fast", "reference"))]
    assert len(pairs) == 3

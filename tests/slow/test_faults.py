"""Runs that are killed, and the package as a stranger installs it. `make test-slow` only."""

import random
import subprocess
import venv
from pathlib import Path

import pytest

from tests.faults.support import command, files, kill_until_it_ends, run

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.slow


def test_killed_at_thirty_random_moments(tmp_path: Path) -> None:
    """A kill -9 costs only what was being answered, of a demo sweep on 1, 2, 3, 4, 1, ... processes."""
    calm, killed = tmp_path / "calm", tmp_path / "killed"
    model = "py:tests.slow.paced:Demo"
    code, said = run(command(calm, model, "all"))
    assert code == 0, said
    kills = kill_until_it_ends(
        command(killed, model, "all"),
        killed,
        calm,
        (1, 2, 3, 4),
        random.Random(0),
        most=30,
        longest=0.3,
        PAUSE=0.02,
    )
    assert kills == 30, "the sweep was too short"
    assert len(files(calm)) > 60


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

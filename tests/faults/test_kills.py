"""kill -9 at random moments, on another number of processes every time."""

import random
from pathlib import Path

from tests.faults.support import command, kill_until_it_ends, run


def test_killed_at_random_moments(tmp_path: Path) -> None:
    """Only what was being answered is lost: the bytes of an undisturbed run, nothing answered asked twice."""
    calm, killed = tmp_path / "calm", tmp_path / "killed"
    code, said = run(command(calm))
    assert code == 0, said
    kills = kill_until_it_ends(command(killed), killed, calm, (1, 2), random.Random(0), most=3, PAUSE=0.1)
    assert kills == 3

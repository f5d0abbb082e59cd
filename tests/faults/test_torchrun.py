"""Runs on several processes that torchrun starts: the same bytes as one process leaves, whatever happens."""

import os
import re
import signal
from pathlib import Path

import pytest

from tests.faults.support import command, end, files, free_port, lines, machine, run, start, torchrun, until


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What one process leaves that nothing happens to."""
    out = tmp_path_factory.mktemp("calm") / "run"
    code, said = run(command(out))
    assert code == 0, said
    assert len(files(out)) == 6
    return files(out)


def test_two_machines_of_two_processes(calm: dict[str, bytes], tmp_path: Path) -> None:
    """Two agents that share a folder: four journals, the bytes of one process, one table."""
    out, port = tmp_path / "run", free_port()
    agents = [start([*machine(number, port, 2), *command(out)], PAUSE=0.05) for number in range(2)]
    ended = [end(agent) for agent in agents]
    assert [code for code, _ in ended] == [0, 0], ended
    assert files(out) == calm
    assert set(lines(out).values()) == {1}
    assert len({path.name for path in out.glob("*/predictions.*")}) == 4
    assert ["accuracy@0.5" in said for _, said in ended] == [True, False]


def test_a_killed_process_is_started_again(calm: dict[str, bytes], tmp_path: Path) -> None:
    """One process of two dies in the middle: with --max-restarts the job ends as if it had not."""
    out, mark = tmp_path / "run", tmp_path / "died"
    job = [*torchrun(2, "--max-restarts", "3"), *command(out, "Mortal")]
    code, said = run(job, PAUSE=0.05, MARK=mark, VICTIM=1)
    assert code == 0, said
    assert mark.exists()
    assert "stored answers reused" in said
    assert files(out) == calm
    assert set(lines(out).values()) == {1}, "an answer that was on disk was asked again"


def test_torchrun_is_ended_and_one_process_goes_on(calm: dict[str, bytes], tmp_path: Path) -> None:
    """The scheduler ends a job of two processes; what they answered counts for one process afterwards."""
    out = tmp_path / "run"
    job = start([*torchrun(2), *command(out)], PAUSE=0.2)
    until(lambda: sum(lines(out).values()) > 4, job)
    job.send_signal(signal.SIGTERM)
    code, said = end(job)
    assert code != 0
    assert said.count("the same command goes on") == 1
    assert set(re.findall(r"exitcode +: (-?\d+)", said)) <= {"130"}
    before = lines(out)
    code, said = run(command(out))
    assert code == 0, said
    assert f"{sum(count for (task, _, _), count in before.items() if task == 'refcoco_val')} stored" in said
    assert set(lines(out).values()) == {1}
    assert files(out) == calm


def test_what_is_wrong_is_said_once(tmp_path: Path) -> None:
    """Eight processes, one mistake, one line, exit code 2 in all; trying it again does not help."""
    wrong = command(tmp_path / "run", task="refcocoo")
    code, said = run([*torchrun(2, "--max-restarts", "1"), *wrong])
    assert code == 1, "torchrun's own"
    assert said.count("unknown task 'refcocoo'") == 1
    assert set(re.findall(r"exitcode +: (\d+)", said)) == {"2"}
    code, said = run([*torchrun(2), "-m", "eval_mm", "run", "--tasc", "x"])
    assert said.count("error: ") == 1


def test_failed_samples_end_all_processes_with_3(tmp_path: Path) -> None:
    """A script that looks at the exit code must not take failed samples for success, nor be tried again."""
    out = tmp_path / "run"
    code, said = run([*torchrun(2, "--max-restarts", "1"), *command(out, "Frail")])
    assert code == 1, "torchrun's own"
    assert "(exitcode: 3)" in said
    assert said.count("failed samples: 9") == 1
    assert sum(lines(out).values()) == 105 - 9
    code, said = run(command(out, "Slow"))
    assert code == 0, said


def test_two_jobs_do_not_share_a_folder(tmp_path: Path) -> None:
    """The second is refused in one line before it loads anything, and leaves the first alone."""
    out = tmp_path / "run"
    first = start(command(out), PAUSE=0.3)
    until(lambda: sum(lines(out).values()) > 0, first)
    code, said = run([*torchrun(2), *command(out)])
    assert code == 1
    assert said.count("another run is writing there") == 1
    assert set(re.findall(r"exitcode +: (\d+)", said)) == {"2"}
    assert first.poll() is None
    os.killpg(first.pid, signal.SIGKILL)
    first.communicate()

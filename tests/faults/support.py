"""Starting runs as a user does, and reading what they leave behind."""

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from tests.conftest import ROOT

LIMIT = 240.0
"""Seconds after which a run hangs."""


def command(out: Path, model: str = "Slow", task: str = "refcoco") -> list[str]:
    """The arguments of a run on the demo data."""
    named = model if model == "demo" or ":" in model else f"py:tests.faults.models:{model}"
    return ["-m", "eval_mm", "run", "--task", task, "--data", "demo", "--model", named, "--out", str(out)]


def torchrun(processes: int, *options: str) -> list[str]:
    """What comes before the arguments of a run on several processes of a machine."""
    return ["-m", "torch.distributed.run", "--nproc-per-node", str(processes), *options]


def machine(number: int, port: int, processes: int, *options: str) -> list[str]:
    """As `torchrun`, for one of two machines that are both this one."""
    place = ["--nnodes", "2", "--node-rank", str(number)]
    return torchrun(processes, *place, "--master-addr", "localhost", "--master-port", str(port), *options)


def start(arguments: Sequence[str], **environment: object) -> subprocess.Popen[str]:
    """Python with these arguments, in a process group of its own."""
    settings = {name: str(value) for name, value in environment.items()}
    return subprocess.Popen(
        [sys.executable, *arguments],
        cwd=settings.pop("cwd", ROOT),
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **settings},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def end(process: subprocess.Popen[str]) -> tuple[int, str]:
    """The exit code of a run and what it said; a run that hangs is killed and fails the test."""
    try:
        said, _ = process.communicate(timeout=LIMIT)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        raise
    return process.returncode, said


def run(arguments: Sequence[str], **environment: object) -> tuple[int, str]:
    """As `start` and `end`."""
    return end(start(arguments, **environment))


def until(found: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    """Waits for something that must come while a run goes on."""
    deadline = time.monotonic() + LIMIT
    while not found():
        assert process.poll() is None, f"it ended: {process.communicate()[0]}"
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.02)


def lines(out: Path) -> Counter[tuple[str, str, str]]:
    """How many answers without an error there are to each question: task, id, key."""
    found: Counter[tuple[str, str, str]] = Counter()
    for path in out.glob("*/predictions.rank*.jsonl"):
        for line in path.read_bytes().split(b"\n")[:-1]:
            answer = json.loads(line)
            if answer["error"] is None:
                found[path.parent.name, answer["id"], answer["key"]] += 1
    return found


def files(out: Path) -> dict[str, bytes]:
    """Everything that must be a function of data and answers alone."""
    found = [*out.glob("*/result.json"), *out.glob("*/scores.jsonl")]
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in found}


def free_port() -> int:
    """A port nobody uses at this moment."""
    with socket.socket() as one:
        one.bind(("localhost", 0))
        port: int = one.getsockname()[1]
    return port


def kill_until_it_ends(
    arguments: Sequence[str],
    out: Path,
    calm: Path,
    numbers: Sequence[int],
    rng: random.Random,
    most: int,
    longest: float = 1.0,
    **environment: object,
) -> int:
    """Kills a run again and again, on so many processes in turn; lets the last one end; returns the kills.

    Each begins where the one before was and goes on for `longest` seconds at most. What was on disk is never
    asked again, and at the end all is as in the folder `calm`, byte for byte.
    """
    kills, before = 0, Counter[tuple[str, str, str]]()
    while kills < most:
        processes = numbers[kills % len(numbers)]
        job = start([*(torchrun(processes) if processes > 1 else []), *arguments], **environment)
        known = sum(before.values())
        until(lambda: sum(lines(out).values()) > known, job)  # noqa: B023 (called here and now)
        time.sleep(rng.uniform(0.0, longest))
        kill_all(job)
        kills += 1
        after = lines(out)
        assert not before - after, "an answer on disk is no longer there"
        assert set(after.values()) == {1}, "an answer on disk was asked again"
        before = after
        if len(files(out)) == len(files(calm)):
            break
    code, said = run(arguments, **environment)
    assert code == 0, said
    assert set(lines(out).values()) == {1}
    assert files(out) == files(calm)
    return kills


def kill_all(process: subprocess.Popen[str]) -> None:
    """SIGKILL to a run and all that it started; torchrun's processes have groups of their own."""
    try:
        started = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    except OSError:
        started = []
    for number in [process.pid, *map(int, started)]:
        with suppress(ProcessLookupError):
            os.kill(number, signal.SIGKILL)
    process.communicate()

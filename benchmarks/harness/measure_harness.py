"""What the harness itself costs: 200,000 samples asked of a model that takes no time, 190,000 found stored.

    python benchmarks/harness/measure_harness.py

Prints a table and writes it to README.md beside this script. Rows of exact match about 1,000 pictures;
seconds are of the processor, memory is what the process grew by. Every run is a process of its own and uses
the run folder of the one before: first empty, then whole, then without its last 10,000 answers.
"""

import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path

from tables import write_section

from eval_mm.console import align
from eval_mm.jobs import plan_run
from eval_mm.models.echo import EchoBackend
from eval_mm.run import fill
from eval_mm.schema import Backend, ModelInfo, Prediction, Request

SAMPLES, PICTURES, STORED = 200_000, 1_000, 190_000
OVERHEAD, GROWTH, RESUME = 100.0, 400.0, 10.0
"""Microseconds a sample, megabytes, seconds until the first new question."""


class Watched:
    """The echo back end; when it was asked first and when it answered last."""

    def __init__(self) -> None:
        self.info: ModelInfo = EchoBackend.load("echo", "", None).info  # type: ignore[arg-type]
        self.first = self.last = 0.0
        self._echo: Backend = EchoBackend(self.info, None)

    def generate(self, requests: Iterable[Request]) -> Iterator[Prediction]:
        """The words of each question."""
        for prediction in self._echo.generate(requests):
            self.first = self.first or time.process_time()
            yield prediction
        self.last = time.process_time()


def write_rows(folder: Path) -> Path:
    """A file of one's own with its pictures, which only need to be files."""
    (folder / "pictures").mkdir()
    for number in range(PICTURES):
        (folder / f"pictures/{number}.png").write_bytes(b"picture %d" % number * 1000)
    rows = folder / "rows.jsonl"
    with rows.open("w") as file:
        for number in range(SAMPLES):
            row = {
                "id": f"q{number}",
                "image": f"pictures/{number % PICTURES}.png",
                "question": f"What is number {number}?",
                "answers": [str(number)],
            }
            file.write(json.dumps(row) + "\n")
    return rows


def measure(rows: Path) -> dict[str, float]:
    """One run in this process, by its parts."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    model, times = Watched(), [time.process_time()]
    job = plan_run(model, [f"file:{rows}"], metric="exact", out=rows.parent / "run")
    times.append(time.process_time())
    report = fill(job, job.load)
    end = time.process_time()
    times += [model.first or end, model.last or end, end]
    assert report.outcomes[0].result.num_samples == SAMPLES
    parts = [later - earlier for earlier, later in pairwise(times)]
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    names = ("rows", "stored", "asking", "scoring")
    return {**dict(zip(names, parts, strict=True)), "all": end - times[0], "megabytes": grown / 1024}


def main() -> int:
    """Measures, prints, writes; returns 1 where a limit is not kept."""
    if len(sys.argv) > 1:
        print(json.dumps(measure(Path(sys.argv[1]))))
        return 0
    table: list[Sequence[str]] = [
        ("answers stored", "rows s", "stored s", "asking s", "scoring s", "all s", "us/sample", "MB grown")
    ]
    late = []
    with tempfile.TemporaryDirectory() as folder:
        rows = write_rows(Path(folder))
        for stored in (0, SAMPLES, STORED):
            journal = Path(folder, "run/file-rows/predictions.rank0.jsonl")
            if stored == STORED:
                journal.write_bytes(b"".join(journal.read_bytes().splitlines(keepends=True)[:STORED]))
            ended = subprocess.run(
                [sys.executable, __file__, str(rows)], check=True, capture_output=True, text=True
            )
            found = json.loads(ended.stdout)
            each = found["all"] / SAMPLES * 1e6
            seconds = [f"{found[name]:.2f}" for name in ("rows", "stored", "asking", "scoring", "all")]
            table.append((f"{stored:,}", *seconds, f"{each:.1f}", f"{found['megabytes']:.0f}"))
            late += [each > OVERHEAD, found["megabytes"] > GROWTH]
            late.append(stored == STORED and found["rows"] + found["stored"] > RESUME)
    shown = align(table, left=set())
    machine = f"Python {platform.python_version()}, {platform.machine()}, {os.cpu_count()} cores"
    print(shown)
    write_section(
        "The harness itself",
        f"`python benchmarks/harness/measure_harness.py`: {SAMPLES:,} rows of exact match about {PICTURES:,} "
        f"pictures, a model that takes no time; {machine}. `rows`: read and checked. `stored`: answers read, "
        f"compared with the question by prompt and picture, until the first new question. `asking`: "
        f"requests, keys, journal. `scoring`: journal read back, every sample once, scores and result "
        f"written. Limits: {OVERHEAD:.0f} us a sample, {GROWTH:.0f} MB, {RESUME:.0f} s until the first new "
        f"question.",
        shown,
    )
    return int(any(late))


if __name__ == "__main__":
    sys.exit(main())

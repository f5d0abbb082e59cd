"""How long the command line takes to answer, beside a Python that does nothing.

    python benchmarks/startup/measure_startup.py

Prints a table and writes it to README.md beside this script. Every command runs once unmeasured, then five
times in turn with the others, so that a busy moment of the machine hits all of them.
"""

import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path

from eval_mm.console import align

REPEATS = 5
COMMANDS = {
    "python -c pass": ["-c", "pass"],
    "python -m eval_mm --help": ["-m", "eval_mm", "--help"],
    "python -m eval_mm run --help": ["-m", "eval_mm", "run", "--help"],
    "python -m eval_mm list": ["-m", "eval_mm", "list"],
    "python -c 'import eval_mm'": ["-c", "import eval_mm"],
}
LIMITS = {"python -m eval_mm --help": 0.15, "python -m eval_mm list": 0.30}


def seconds(arguments: list[str]) -> float:
    """The wall time of one run of this Python with these arguments."""
    started = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
    return time.perf_counter() - started


def main() -> int:
    """Measures, prints and writes the table; returns 1 where a limit is not kept."""
    for arguments in COMMANDS.values():
        seconds(arguments)
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(REPEATS):
        for name, arguments in COMMANDS.items():
            times[name].append(seconds(arguments))
    medians = {name: statistics.median(values) for name, values in times.items()}
    bare = medians["python -c pass"]
    rows = [("command", "median s", "ratio to pass", "limit s")]
    for name, median in medians.items():
        limit = f"{LIMITS[name]:.2f}" if name in LIMITS else ""
        rows.append((name, f"{median:.3f}", f"{median / bare:.1f}", limit))
    table = align(rows, left={0})
    machine = f"Python {platform.python_version()}, {platform.machine()}, {os.cpu_count()} cores"
    print(table)
    head = (
        f"# Start-up\n\n`python benchmarks/startup/measure_startup.py`, median of {REPEATS}; {machine}.\n\n"
    )
    Path(__file__).with_name("README.md").write_text(f"{head}```text\n{table}\n```\n", encoding="utf-8")
    return int(any(medians[name] > limit for name, limit in LIMITS.items()))


if __name__ == "__main__":
    sys.exit(main())

"""How long the one-file page takes, how much memory, and how long the file is.

    python benchmarks/report/measure_report.py FOLDER [--runs 5] [--samples 10000]

Makes run folders of twelve tasks in FOLDER, unless they are there, then makes the page of one run, of two,
and of all, each in a process of its own. Prints a table; writes it to README.md beside this script where the
numbers are the usual ones.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
from pathlib import Path

from made_up_runs import TASKS, make

from eval_mm.console import align

USUAL = (5, 10_000)

ONE = """
import json, resource, sys, time
from pathlib import Path
from eval_mm.report.page.html import write_html
from eval_mm.report.runs import load_runs
wall, own = time.perf_counter(), time.process_time()
out = Path(sys.argv[1])
write_html(load_runs(sys.argv[2:]), out, data=None, published=True)
print(json.dumps({
    "wall": time.perf_counter() - wall,
    "own": time.process_time() - own,
    "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    "size": out.stat().st_size / 1e6,
}))
"""


def measure(runs: list[Path], samples: int) -> tuple[str, ...]:
    """One row of the table."""
    out = runs[0].parent / f"{len(runs)}.html"
    arguments = [sys.executable, "-c", ONE, str(out), *map(str, runs)]
    found = json.loads(subprocess.run(arguments, check=True, capture_output=True, text=True).stdout)
    return (
        f"{len(runs)} x {len(TASKS)} x {samples:,}",
        f"{found['wall']:.1f}",
        f"{found['own']:.1f}",
        f"{found['peak']:,.0f}",
        f"{found['size']:.1f}",
    )


def main() -> None:
    """Measures and writes the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--runs", type=int, default=USUAL[0])
    parser.add_argument("--samples", type=int, default=USUAL[1])
    given = parser.parse_args()
    runs = make(given.folder, given.runs, given.samples)
    counts = sorted({min(count, len(runs)) for count in (1, 2, len(runs))})
    rows: list[tuple[str, ...]] = [
        ("runs x tasks x samples", "seconds", "of the processor", "peak MiB", "file MB")
    ]
    rows += [measure(runs[:count], given.samples) for count in counts]
    table = align(rows)
    print(table)
    if (given.runs, given.samples) == USUAL:
        readme = Path(__file__).with_name("README.md")
        before, mark, _ = readme.read_text(encoding="utf-8").partition("```text\n")
        machine = f"Python {platform.python_version()}, {platform.machine()}, {os.cpu_count()} cores"
        readme.write_text(f"{before}{mark}{machine}\n\n{table}\n```\n", encoding="utf-8")


if __name__ == "__main__":
    main()

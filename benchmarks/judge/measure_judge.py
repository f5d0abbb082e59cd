"""How fast TouchStone is judged: 1,816 calls to a server in another process that answers in 50 ms.

`python benchmarks/judge/measure_judge.py [--concurrency 32] [--runs 3]`. The best that is possible is 1,816 /
concurrency x 50 ms. Judging includes the client, reading replies and one journal line for each.
"""

import argparse
import os
import platform
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from eval_mm.console import align
from tests.serving import KEY, asked, served
from tests.touchstone.support import options, write_run
from touchstone.judging import judge

QUESTIONS, DELAY = 908, 0.05


def main() -> None:
    """Prints the table of the README."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--concurrency", type=int, default=32)
    parser.add_argument("--runs", type=int, default=3)
    arguments = parser.parse_args()
    os.environ["OPENAI_API_KEY"] = KEY
    calls = 2 * QUESTIONS
    least = calls / arguments.concurrency * DELAY
    rows = [("run", "calls", "seconds", "calls/s", "of the possible", "CPU s", "load")]
    seconds: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        where = Path(folder)
        run = write_run(where, QUESTIONS)
        with served(where, key=KEY, delay=DELAY) as url:
            for number in range(arguments.runs):
                shutil.rmtree(run / "touchstone_en/judge", ignore_errors=True)
                load, used, started = os.getloadavg()[0], time.process_time(), time.perf_counter()
                judge(run, options(url, concurrency=arguments.concurrency), data=where / "data")
                seconds.append(time.perf_counter() - started)
                used = time.process_time() - used
                speed, share = calls / seconds[-1], least / seconds[-1]
                cells = (f"{seconds[-1]:.2f}", f"{speed:.0f}", f"{share:.0%}", f"{used:.2f}", f"{load:.1f}")
                rows.append((str(number + 1), f"{calls:,}", *cells))
        assert asked(where)["ok"] == calls * arguments.runs
    print(f"{platform.python_version()}, {platform.machine()}, {os.cpu_count()} cores")
    print(align(rows))
    print(f"median {statistics.median(seconds):.2f} s at concurrency {arguments.concurrency}; limit 9 s")


if __name__ == "__main__":
    main()

"""How much faster the engine is than the published loop: the table of README.md beside this script.

    python benchmarks/engine/measure_engine.py [--write]

For each workload what `python -m qwen_vl profile --workload W --compare static` does; ratios are those of one
run. Prints the table and returns 1 where a ratio is too small; --write puts it into README.md. --config and
--images make it shorter, for a first look: then nothing is required.
"""

import os
import re
import sys
from dataclasses import replace
from pathlib import Path

import torch

from eval_mm.console import align
from qwen_vl.options import Parser, positive
from qwen_vl.profiling.arithmetic import static_flop, useful_flop
from qwen_vl.profiling.command import CONFIGS
from qwen_vl.profiling.machine import describe, matrix_peak
from qwen_vl.profiling.measuring import Job, measure_alone, num_different
from qwen_vl.profiling.sizes import size_of
from qwen_vl.profiling.workloads import WORKLOADS

LEAST = {"gqa": 10, "refcoco": 5, "seedbench": 7, "caption": 2}
"""Ratio of seconds that config `small` must reach on two cores."""
HEAD = (
    ("", "", "", "seconds", "", "ratio", "", "at", "arith-", "of", "differ-"),
    ("workload", "pictures", "questions", "fast", "static", "", "cpu", "least", "metic", "peak", "ing"),
)
README = Path(__file__).with_name("README.md")


def main() -> int:
    """Measures, prints, and on request writes the table; 1 where a ratio is too small."""
    parser = Parser(description="The engine beside the published loop.")
    parser.add_argument("--config", choices=CONFIGS, default="small", help="size of model (small)")
    parser.add_argument("--images", type=positive, metavar="N", help="pictures (each workload its own)")
    parser.add_argument("--write", action="store_true", help="put the table into README.md")
    arguments = parser.parse_args()
    required = arguments.config == "small" and arguments.images is None
    if arguments.write and not required:
        parser.error("--write: the table of README.md is that of config small with all pictures")
    config, device = size_of(arguments.config), torch.device("cpu")
    peak = matrix_peak(device, torch.float32)
    rows, missed = list(HEAD), []
    for name, least in LEAST.items():
        images = arguments.images or WORKLOADS[name].images
        job = Job(arguments.config, "cpu", "float32", "fast", name, images, threads=torch.get_num_threads())
        print(f"measuring {name}, {images} pictures", file=sys.stderr)
        fast, static = measure_alone(job), measure_alone(replace(job, engine="static"))
        asked = job.questions(config, Path())
        useful, ratio = useful_flop(config, asked), static.seconds / fast.seconds
        if ratio < least:
            missed.append(name)
        rows.append(
            (
                name,
                str(images),
                str(len(asked)),
                f"{fast.seconds:.2f}",
                f"{static.seconds:.2f}",
                f"{ratio:.1f}",
                f"{static.cpu_seconds / fast.cpu_seconds:.1f}",
                str(least) if required else "-",
                f"{static_flop(config, asked) / useful:.1f}",
                f"{100 * useful / fast.seconds / peak:.0f} %",
                str(num_different(fast, static, bool(WORKLOADS[name].options))),
            )
        )
    machine = f"{describe(device)}, {os.cpu_count()} cores; config {arguments.config}, float32"
    table = f"{machine}\n\n{align(rows, heads=len(HEAD))}"
    print(table)
    if arguments.write:
        text = README.read_text(encoding="utf-8")
        block = f"<!-- table -->\n```text\n{table}\n```\n<!-- /table -->"
        text = re.sub(r"<!-- table -->.*<!-- /table -->", lambda _: block, text, flags=re.DOTALL)
        README.write_text(text, encoding="utf-8")
    if required and missed:
        print(f"below what is required: {', '.join(missed)}")
    return int(required and bool(missed))


if __name__ == "__main__":
    sys.exit(main())

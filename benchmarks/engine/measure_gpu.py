"""What the engine must reach on a GPU, measured: config qwen-vl-7b in bfloat16, random weights.

    python benchmarks/engine/measure_gpu.py

Share of the measured matrix peak that is useful work, for gqa and refcoco; fast / static for gqa; seconds for
the shape of all of GQA testdev; answers that differ between the engine and the oracle. Prints a table and
returns 1 where a figure misses what is required of one H200.

Every part runs on other devices too, at other sizes, where nothing is required:

    python benchmarks/engine/measure_gpu.py --config demo --device cpu --images 1 --whole 2 --samples 8
"""

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import torch
from measure_rounding import asked_of, number

from eval_mm.console import align
from qwen_vl.checkpoint import DTYPES, pick_device, pick_dtype
from qwen_vl.errors import CheckpointError
from qwen_vl.options import Parser, positive
from qwen_vl.profiling.arithmetic import useful_flop
from qwen_vl.profiling.command import CONFIGS
from qwen_vl.profiling.machine import describe, matrix_peak
from qwen_vl.profiling.measuring import Job, Measured, measure, measure_alone
from qwen_vl.profiling.sizes import check_memory, make, size_of

TESTDEV = 398
"""Pictures of GQA testdev, with 31.6 questions each."""
HEAD = ("what", "measured", "", "required", "")


class Row(NamedTuple):
    """A figure, and what is required of it."""

    what: str
    value: float
    unit: str
    least: float | None = None
    most: float | None = None

    @property
    def is_missed(self) -> bool:
        """Whether less was reached than is required."""
        return (self.least is not None and self.value < self.least) or (
            self.most is not None and self.value > self.most
        )

    def cells(self, required: bool) -> tuple[str, ...]:
        """The row of the table."""
        bounds = [f"at least {self.least:g}"] if self.least is not None else []
        bounds += [f"at most {self.most:g}"] if self.most is not None else []
        bound = " and ".join(bounds) if required and bounds else "-"
        missed = "missed" if required and self.is_missed else ""
        return self.what, f"{self.value:.2f}", self.unit, bound, missed


def main() -> int:
    """Measures and prints; 1 where a figure misses what is required, 2 where it cannot be measured."""
    parser = Parser(description="The engine on a GPU.")
    add = parser.add_argument
    add("--config", choices=CONFIGS, default="qwen-vl-7b", help="size of model (qwen-vl-7b)")
    add("--device", default="cuda", help="cuda (default), cpu")
    add("--dtype", choices=DTYPES, default="bfloat16", help="bfloat16 (default), float16, float32")
    add("--images", type=positive, default=32, metavar="N", help="pictures for rates and ratio (32)")
    add(
        "--whole",
        type=positive,
        default=TESTDEV,
        metavar="N",
        help=f"pictures of all of it ({TESTDEV})",
    )
    add(
        "--samples",
        type=positive,
        default=1000,
        metavar="N",
        help="answers held against the oracle (1000)",
    )
    arguments = parser.parse_args()
    try:
        return measured(arguments, required=arguments == parser.parse_args([]))
    except CheckpointError as error:
        parser.error(str(error))


def measured(arguments: argparse.Namespace, required: bool) -> int:
    """The table; 1 where a figure misses what is required."""
    device = pick_device(arguments.device)
    check_memory(arguments.config, device, pick_dtype(arguments.dtype, device))
    peak = matrix_peak(device, DTYPES[arguments.dtype])
    print(f"config {arguments.config}, {arguments.dtype}, {describe(device)}")
    print(f"matrix peak {peak / 1e12:.3g} TFLOP/s, measured; {arguments.images} pictures\n", flush=True)
    job = Job(arguments.config, str(device), arguments.dtype, "fast", threads=torch.get_num_threads())
    rows = figures(replace(job, images=arguments.images), peak, arguments.whole)
    print(f"asking fast and reference: {arguments.samples} questions", file=sys.stderr)
    with asked_of(arguments.config, arguments.samples) as asked:
        model = make(arguments.config, device, DTYPES[arguments.dtype])
        fast, reference = (measure(model, engine, asked).answers for engine in ("fast", "reference"))
    what = f"answers of fast and reference that differ, of {len(asked)}"
    rows.append(Row(what, 100 * number(fast, reference) / len(asked), "%"))
    print(align([HEAD, *(row.cells(required) for row in rows)], {0, 2, 3, 4}))
    return int(required and any(row.is_missed for row in rows))


def figures(job: Job, peak: float, whole: int) -> list[Row]:
    """Everything but the answers that differ."""
    gqa, refcoco = replace(job, workload="gqa"), replace(job, workload="refcoco")
    fast, other = _measured(gqa), _measured(refcoco)
    static = _measured(replace(gqa, engine="static"))
    all_of_it = _measured(replace(gqa, images=whole))
    asked = len(all_of_it.answers)
    return [
        Row("gqa: useful work, of the matrix peak", 100 * _rate(gqa, fast) / peak, "%", least=40),
        Row("refcoco: useful work, of the matrix peak", 100 * _rate(refcoco, other) / peak, "%", least=40),
        Row("gqa: fast / static", static.seconds / fast.seconds, "times", least=8),
        Row(f"gqa: {asked:,} questions, {whole} pictures", all_of_it.seconds, "s", most=40),
        Row("gqa: peak memory of these", all_of_it.peak_bytes / 1e9, "GB"),
    ]


def _measured(job: Job) -> Measured:
    print(f"measuring {job.engine}: {job.workload}, {job.images} pictures", file=sys.stderr)
    return measure_alone(job)


def _rate(job: Job, found: Measured) -> float:
    """Useful FLOP/s."""
    config = size_of(job.config)
    return useful_flop(config, job.questions(config, Path())) / found.seconds


if __name__ == "__main__":
    sys.exit(main())

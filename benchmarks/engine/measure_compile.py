"""What `--compile` gains: the engine with plain and with compiled functions, in turns, in one process.

    python benchmarks/engine/measure_compile.py [--config small] [--turns 5]

Of each the best turn counts, so that a busy moment of the machine costs little; processor seconds beside it.
"""

import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import torch

from eval_mm.console import align
from qwen_vl.checkpoint import DTYPES, pick_device, pick_dtype
from qwen_vl.compiled import compile_parts
from qwen_vl.errors import CheckpointError
from qwen_vl.options import Parser, positive
from qwen_vl.profiling.command import CONFIGS
from qwen_vl.profiling.machine import describe
from qwen_vl.profiling.measuring import Job, Measured, measure
from qwen_vl.profiling.sizes import make
from qwen_vl.profiling.workloads import draw_pictures

HEAD = (
    ("", "seconds", "", "", "processor seconds", "", ""),
    ("what", "plain", "compiled", "ratio", "plain", "compiled", "ratio"),
)


def main() -> int:
    """Prints a table; 2 where nothing can be compiled."""
    parser = Parser(description="What --compile gains.")
    parser.add_argument("--config", choices=CONFIGS, default="small", help="size of model (small)")
    parser.add_argument("--turns", type=positive, default=5, metavar="N", help="of each (5)")
    parser.add_argument("--device", default="auto", help="auto (default), cpu, cuda")
    parser.add_argument("--dtype", default="auto", help="auto (default), bfloat16, float16, float32")
    arguments = parser.parse_args()
    try:
        device = pick_device(arguments.device)
        dtype = pick_dtype(arguments.dtype, device)
    except CheckpointError as error:
        parser.error(str(error))
    plain, compiled = (make(arguments.config, device, dtype) for _ in range(2))
    trouble = compile_parts(compiled)
    if trouble is not None:
        parser.error(f"nothing can be compiled: {trouble}")
    name = next(name for name, kind in DTYPES.items() if kind == dtype)
    job = Job(arguments.config, str(device), name, "fast", threads=torch.get_num_threads())
    span = plain.config.visual.n_queries + 2
    whats = {
        "one answer of 48 tokens": replace(job, new_tokens=48),
        "gqa, 1 picture, 30 questions": replace(job, workload="gqa"),
        "refcoco, 2 pictures": replace(job, workload="refcoco", images=2),
        "caption, 4 pictures": replace(job, workload="caption", images=4),
        "reading 2,048 tokens": replace(job, text_tokens=2048 - span, new_tokens=1),
    }
    rows: list[tuple[str, ...]] = list(HEAD)
    for what, one in whats.items():
        with tempfile.TemporaryDirectory() as folder:
            asked = one.questions(plain.config, Path(folder))
            draw_pictures(asked)
            for model in (plain, compiled):
                measure(model, "fast", asked)
            turns = [
                [measure(model, "fast", asked) for model in (plain, compiled)] for _ in range(arguments.turns)
            ]
        rows.append((what, *_best([turn[0] for turn in turns], [turn[1] for turn in turns])))
        print(f"measured {what}", file=sys.stderr)
    print(f"config {arguments.config}, {name}, {describe(device)}, best of {arguments.turns}")
    print(align(rows, heads=len(HEAD)))
    return 0


def _best(plain: list[Measured], compiled: list[Measured]) -> tuple[str, ...]:
    """Least seconds of both and their ratio, then the same of the processor."""
    found: list[str] = []
    for kind in ("seconds", "cpu_seconds"):
        least = [min(getattr(turn, kind) for turn in turns) for turns in (plain, compiled)]
        found += [f"{least[0]:.3f}", f"{least[1]:.3f}", f"{least[0] / least[1]:.2f}"]
    return tuple(found)


if __name__ == "__main__":
    sys.exit(main())

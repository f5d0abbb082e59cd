"""What `python -m qwen_vl profile` prints: how fast an engine answers what a benchmark asks, and where the
time goes.

Engines and how they are measured: measuring.py. Models: sizes.py. What is asked: workloads.py. "Useful" work
is arithmetic.useful_flop for every engine, so that two rates compare; "peak" is a measured product of large
square matrices in the same dtype. The workloads `generate-2048` and `generate-8192` are in efficiency.py.
"""

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from qwen_vl.checkpoint import DTYPES, pick_device, pick_dtype
from qwen_vl.engine import Query
from qwen_vl.profiling import efficiency
from qwen_vl.profiling.arithmetic import static_flop, useful_flop
from qwen_vl.profiling.machine import describe, matrix_peak
from qwen_vl.profiling.measuring import Job, Measured, measure_alone, num_different
from qwen_vl.profiling.phases import LOGITS, PHASES
from qwen_vl.profiling.sizes import check_memory, size_of
from qwen_vl.profiling.workloads import WORKLOADS

WIDTHS = (10, 8, 8, 10, 9, 9, 8, 8, 8)
HEAD = ("engine", "seconds", "cpu s", "samples/s", "images/s", "tokens/s", "TFLOP/s", "of peak", "peak MB")


def profile(
    *,
    config: str,
    workload: str,
    engine: str,
    compare: str | None = None,
    images: int | None = None,
    new_tokens: int | None = None,
    compiled: bool = False,
    device: str = "auto",
    dtype: str = "auto",
) -> None:
    """Measures and prints; with `compare` the ratio of the two engines' seconds is the last line."""
    where = pick_device(device)
    kind = pick_dtype(dtype, where)
    check_memory(config, where, kind)
    job = Job(
        config,
        str(where),
        str(kind).removeprefix("torch."),
        engine,
        compiled=compiled,
        threads=torch.get_num_threads(),
    )
    jobs = [job] if compare is None else [job, replace(job, engine=compare)]
    print(f"{config}, {job.dtype}, {describe(where)}{', --compile' if compiled else ''}")
    if workload in efficiency.GENERATED:
        ratio = efficiency.report(jobs, workload, new_tokens)
    else:
        images = images or WORKLOADS[workload].images
        ratio = _report([replace(job, workload=workload, images=images) for job in jobs])
    if ratio is not None:
        print(f"ratio {engine}/{compare}: {ratio:.1f}")


def _report(jobs: Sequence[Job]) -> float | None:
    """A line for each engine, its time split, and the ratio of the seconds of two."""
    name, config = jobs[0].workload, size_of(jobs[0].config)
    assert name is not None
    workload = WORKLOADS[name]
    asked = jobs[0].questions(config, Path(tempfile.gettempdir()))
    each = f"{workload.options} options" if workload.options else f"{workload.new_tokens} new tokens"
    pictures = f"{jobs[0].images} picture{'s' * (jobs[0].images > 1)}"
    print(f"{name}: {pictures}, {len(asked)} questions, {each} each")
    print(f"shaped like {workload.source}")
    useful = useful_flop(config, asked)
    print(
        f"useful work {useful / 1e12:.3g} TFLOP; the published loop does "
        f"{static_flop(config, asked) / useful:.1f} times as much"
    )
    peak = matrix_peak(torch.device(jobs[0].device), DTYPES[jobs[0].dtype])
    print(f"peak {peak / 1e12:.3g} TFLOP/s, measured: products of large square matrices\n")
    print(_line(HEAD))
    rows = []
    for job in jobs:
        found = measure_alone(job)
        rows.append(found)
        print(_line(_rates(found, asked, jobs[0].images, workload.new_tokens, useful, peak)), flush=True)
    _print_split(rows)
    for found in rows:
        if found.trouble is not None:
            print(f"{found.engine}: nothing was compiled: {found.trouble}")
    if len(rows) == 1:
        return None
    first, second = rows
    print(f"\nanswers that differ: {num_different(first, second, bool(workload.options))} of {len(asked)}")
    ratio = second.cpu_seconds / first.cpu_seconds
    print(f"ratio {first.engine}/{second.engine} in processor time: {ratio:.1f}")
    return second.seconds / first.seconds


def _rates(
    found: Measured, asked: Sequence[Query], images: int, new_tokens: int, useful: float, peak: float
) -> tuple[str, ...]:
    seconds, rate = found.seconds, useful / found.seconds
    return (
        found.engine,
        f"{seconds:.2f}",
        f"{found.cpu_seconds:.2f}",
        f"{len(asked) / seconds:.2f}",
        f"{images / seconds:.2f}",
        f"{len(asked) * new_tokens / seconds:.1f}" if new_tokens else "-",
        f"{rate / 1e12:.3f}",
        f"{100 * rate / peak:.1f} %",
        f"{found.peak_bytes / 1e6:.0f}",
    )


def _print_split(rows: Sequence[Measured]) -> None:
    """Where the seconds of each went."""
    columns = ("vision", "prefill", "decode", "waiting")
    assert {*columns, "read"} == set(PHASES)
    print(f"\n{_line(('seconds of', *columns, 'rest', 'logits', 'read'))}")
    for found in rows:
        parts = [found.split[name] for name in columns]
        parts += [max(found.seconds - sum(parts), 0.0), found.split[LOGITS], found.split["read"]]
        print(_line((found.engine, *(f"{seconds:.2f}" for seconds in parts))))
    print("logits: the output layer, with fast also what is read off it: part of prefill and decode.")
    print("read: decoding and resizing pictures, which fast does in threads beside the rest, and the others")
    print("while they wait.")


def _line(cells: Sequence[str]) -> str:
    """Cells in columns; a table may have fewer than the widest."""
    first, *others = cells
    return first.ljust(WIDTHS[0]) + " ".join(
        cell.rjust(width) for cell, width in zip(others, WIDTHS[1:], strict=False)
    )

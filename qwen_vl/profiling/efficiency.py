"""The two figures of the model's README: generation speed, and peak memory, at 2,048 and 8,192 tokens.

As published (https://github.com/QwenLM/Qwen-VL, "Inference Speed" and "GPU Memory Usage"): speed is that of
1,792 or 7,934 tokens generated with one picture (258 tokens) as context, reading it included; memory is the
peak of that, and of reading 2,048 or 8,192 tokens, the picture among them, with one token generated. Each
engine does the two in processes of their own. The published figures are in results/published/efficiency.csv.
"""

import csv
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

from qwen_vl.profiling.measuring import Job, Measured, measure_alone
from qwen_vl.profiling.sizes import size_of

GENERATED = {"generate-2048": (2048, 1792), "generate-8192": (8192, 7934)}
"""Tokens read as context, and tokens generated after a picture."""
SPEED, MEMORY = "generation speed", "peak GPU memory"
"""Quantities as the table of published figures calls them."""
PUBLISHED_MODEL, PUBLISHED_DTYPE = "Qwen-VL-Chat", "bf16"


def report(jobs: Sequence[Job], name: str, limit: int | None) -> float | None:
    """Prints speed and both peaks of each engine beside the published figures; returns the ratio of the
    seconds of two. `limit`: generate so many tokens at most.
    """
    context, whole = GENERATED[name]
    span = size_of(jobs[0].config).visual.n_queries + 2
    new = min(whole, limit or whole)
    print(f"{name}: one picture ({span} tokens) as context, {new:,} tokens generated")
    if new < whole:
        print(f"--new-tokens: only {new:,} of {whole:,}; the whole is slower and takes more memory")
    print(f"\n{_line('engine', 'what', 'measured', 'published')}")
    seconds = []
    for job in jobs:
        found = measure_alone(replace(job, new_tokens=new))
        seconds.append(found.seconds)
        what = f"{SPEED}, {new:,} tokens"
        _show(job, what, f"{new / found.seconds:.2f} tokens/s", published(SPEED, f"{context} tokens"))
        what = f"peak memory, {span} read and {new:,} generated"
        _show(job, what, _memory(found), published(MEMORY, f"generating {context} tokens"))
        found = measure_alone(replace(job, text_tokens=context - span, new_tokens=1))
        what = f"peak memory, {context:,} read and 1 generated"
        _show(job, what, _memory(found), published(MEMORY, f"encoding {context} tokens"))
        if found.trouble is not None:
            print(f"{job.engine}: nothing was compiled: {found.trouble}")
    print(f"\npublished: {published_setting()}")
    print(f"measured: config {jobs[0].config}, {_what_memory_is(jobs[0])}")
    return seconds[1] / seconds[0] if len(seconds) == 2 else None


def published(quantity: str, beginning: str) -> str:
    """The published figure with its unit, by how its setting begins; a dash where there is none."""
    for row in _table():
        if row["quantity"] == quantity and row["setting"].startswith(beginning):
            return f"{row['value']} {row['unit']}"
    return "-"


def published_setting() -> str:
    """What the published figures are of, and where they stand."""
    row = next((row for row in _table() if row["quantity"] == SPEED), None)
    if row is None:
        return "results/published/efficiency.csv is not installed"
    machine = row["setting"].partition("; ")[2]
    return f"{PUBLISHED_MODEL}, {PUBLISHED_DTYPE}, {machine}, another machine ({row['source']})"


@cache
def _table() -> tuple[dict[str, str], ...]:
    """The rows of our precision: of the checkout, or of the copy that an installed package carries."""
    root = Path(__file__).parents[2]
    for folder in (root / "results/published", root / "eval_mm/published"):
        path = folder / "efficiency.csv"
        if path.is_file():
            with path.open(encoding="utf-8", newline="") as file:
                rows = [row for row in csv.DictReader(file) if row["precision"] == PUBLISHED_DTYPE]
            return tuple(row for row in rows if row["model"] == PUBLISHED_MODEL)
    return ()


def _memory(found: Measured) -> str:
    return f"{found.peak_bytes / 1e9:.2f} GB"


def _what_memory_is(job: Job) -> str:
    if job.device == "cpu":
        return "memory resident in the process, libraries included"
    return "memory allocated on the GPU"


def _show(job: Job, what: str, measured: str, figure: str) -> None:
    print(_line(job.engine, what, measured, figure), flush=True)


def _line(engine: str, what: str, measured: str, figure: str) -> str:
    return f"{engine:10}{what:46}{measured:>16}{figure:>16}"

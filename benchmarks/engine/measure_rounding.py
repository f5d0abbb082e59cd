"""How often an answer differs where numbers are rounded: the engine and the oracle in half precision.

    python benchmarks/engine/measure_rounding.py --config demo
    python benchmarks/engine/measure_rounding.py --config small --samples 1000

In float32 no answer differs. In half precision the two add in different orders, so where two tokens are
nearly as likely the answer may go another way. To see how much that is, both are also held against the oracle
in float32: what rounding does to the oracle itself. Config demo is asked the expressions and questions of the
demo data (a trained model: most choices are clear); the others, of random weights, the questions of workload
gqa (ids without meaning: many choices are close).
"""

import json
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import torch

from eval_mm.console import align
from qwen_vl.checkpoint import DEMO_FOLDER, DTYPES, load, pick_device
from qwen_vl.engine import Query
from qwen_vl.options import Parser, positive
from qwen_vl.profiling.command import CONFIGS
from qwen_vl.profiling.machine import describe
from qwen_vl.profiling.measuring import measure
from qwen_vl.profiling.sizes import DEMO, make, size_of
from qwen_vl.profiling.workloads import WORKLOADS, draw_pictures, queries
from qwen_vl.prompt import LATER, Special, build_prompt

DATA = Path(__file__).parents[2] / "eval_mm/demo"
SAMPLES = 1000


class Differing(NamedTuple):
    """Of so many answers, how many differ between the two of a row."""

    samples: int
    engines: int  # fast and reference, both in half precision
    fast: int  # fast in half precision, reference in float32
    reference: int  # reference in half precision, reference in float32


def main() -> int:
    """Prints a table; 0."""
    parser = Parser(description="Answers that differ in half precision.")
    parser.add_argument("--config", choices=CONFIGS, default=DEMO, help="model (demo)")
    parser.add_argument("--samples", type=positive, default=SAMPLES, metavar="N", help=f"at most ({SAMPLES})")
    parser.add_argument("--dtype", choices=("bfloat16", "float16"), default="bfloat16")
    parser.add_argument("--device", default="auto", help="auto (default), cpu, cuda")
    arguments = parser.parse_args()
    device = pick_device(arguments.device)
    found = differing(arguments.config, device, arguments.dtype, arguments.samples)
    print(f"config {arguments.config}, {arguments.dtype}, {describe(device)}, {found.samples} answers")
    print(align([("answers that differ", "number", "share"), *lines(found, arguments.dtype)]))
    return 0


def differing(config: str, device: torch.device, dtype: str, samples: int) -> Differing:
    """Asks both engines in this dtype, and the oracle in float32."""
    with asked_of(config, samples) as asked:
        model = make(config, device, DTYPES[dtype])
        fast, reference = (measure(model, engine, asked).answers for engine in ("fast", "reference"))
        del model
        exact = measure(make(config, device, torch.float32), "reference", asked).answers
    return Differing(len(asked), number(fast, reference), number(fast, exact), number(reference, exact))


def number(first: list[list[float]], second: list[list[float]]) -> int:
    """How many answers differ."""
    return sum(one != other for one, other in zip(first, second, strict=True))


@contextmanager
def asked_of(config: str, samples: int) -> Iterator[list[Query]]:
    """At most so many questions, their pictures there as long as the context lasts."""
    with tempfile.TemporaryDirectory() as folder:
        if config == DEMO:
            yield list(demo_queries())[:samples]
        else:
            asked = gqa_queries(config, samples, Path(folder))
            draw_pictures(asked)
            yield asked


def lines(found: Differing, dtype: str) -> list[tuple[str, str, str]]:
    """The rows of the table."""
    named = {
        f"fast {dtype}, reference {dtype}": found.engines,
        f"fast {dtype}, reference float32": found.fast,
        f"reference {dtype}, reference float32": found.reference,
    }
    return [(name, str(count), f"{100 * count / found.samples:.1f} %") for name, count in named.items()]


def gqa_queries(config: str, samples: int, folder: Path) -> list[Query]:
    """So many questions of the shape of GQA, about as many pictures as that takes."""
    sizes, workload = size_of(config), WORKLOADS["gqa"]
    images = 1
    while len(asked := queries(sizes, workload, images, folder)) < samples:
        images += 1
    return asked[:samples]


def demo_queries() -> Iterator[Query]:
    """Every expression and every question of the demo data about one picture, as the demo model is asked."""
    tokenizer = load(DEMO_FOLDER, "cpu", "float32").tokenizer
    for file in sorted(DATA.glob("*/*.jsonl")):
        for row in map(json.loads, file.read_text(encoding="utf-8").splitlines()):
            path = DATA / str(row.get("image", ""))
            if path.is_file() and ("expression" in row or "question" in row):
                parts, limit = _asked(row)
                ids = build_prompt(tokenizer, [LATER, *parts]).ids
                name = (file.stem, len(ids), row["id"])
                yield Query(name, ids, (str(path),), (), 0, limit, frozenset({tokenizer.eod_id}))


def _asked(row: dict[str, str]) -> tuple[list[str | Special], int]:
    """What is behind the picture, and the most tokens of an answer."""
    if "expression" in row:
        return [Special("<ref>"), row["expression"], Special("</ref>"), Special("<box>")], 28
    return [f"{row['question']} Answer:"], 10


if __name__ == "__main__":
    sys.exit(main())

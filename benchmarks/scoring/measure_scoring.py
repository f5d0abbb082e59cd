"""How fast answers are scored, beside plain code of the published algorithm.

    python benchmarks/scoring/measure_scoring.py [--only vqa,anls,cider]

Prints a table; a run of everything writes it to README.md beside this script. Both sides run in one process
on one thread, in turns of a tenth of the answers, so that a busy moment of the machine hits both; seconds are
of the processor. Every score of the two must agree. Ours starts with nothing remembered. CIDEr-D is scored a
whole split at once: cider.py.
"""

import argparse
import importlib
import os
import platform
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import get_args

import cider
from cider import Comparison
from made_up import SEED, Question, document_questions, visual_questions

from eval_mm.console import align
from eval_mm.metrics import anls, vqa
from tests.eval_mm import plain_metrics

TURNS = 10


Scorer = Callable[[str, Sequence[str]], float]


def side_by_side(
    what: str, questions: Sequence[Question], plain: Scorer, ours: Scorer, limit: float
) -> Comparison:
    """Scores every question by both, in turns; stops where they disagree."""
    seconds = {"plain": 0.0, "ours": 0.0}
    size = -(-len(questions) // TURNS)
    for start in range(0, len(questions), size):
        part = questions[start : start + size]
        scores = {}
        for name, scorer in (("plain", plain), ("ours", ours)):
            started = time.process_time()
            scores[name] = [scorer(prediction, references) for prediction, references in part]
            seconds[name] += time.process_time() - started
        for question, one, other in zip(part, scores["plain"], scores["ours"], strict=True):
            assert abs(one - other) < 1e-9, (what, question, one, other)
    return Comparison(what, seconds["plain"], seconds["ours"], limit)


def measure_vqa() -> list[Comparison]:
    """VQA accuracy on as many answers as the validation split of VQAv2 has."""
    questions = visual_questions(214_354)
    compared = []
    for variant in get_args(vqa.Variant):
        fresh = importlib.reload(vqa)  # an empty memory for each variant
        plain, ours = (partial(module.vqa_accuracy, variant=variant) for module in (plain_metrics, fresh))
        what = f"VQA accuracy {variant}, {len(questions):,} answers"
        compared.append(side_by_side(what, questions, plain, ours, limit=10))
    return compared


def measure_anls() -> list[Comparison]:
    """ANLS beside a Levenshtein distance in Python, as the published scorer has it."""
    questions = document_questions(50_000)
    what = f"ANLS, {len(questions):,} answers"
    return [side_by_side(what, questions, plain_metrics.anls, anls.anls, limit=10)]


MEASURES: dict[str, Callable[[], list[Comparison]]] = {
    "vqa": measure_vqa,
    "anls": measure_anls,
    "cider": cider.measure,
}

HEAD = """# Scoring

`python benchmarks/scoring/measure_scoring.py`: seconds of plain code of the published algorithm and of ours,
side by side on one thread; {machine}. The plain code is
`tests/eval_mm/plain_metrics.py`, for CIDEr-D pycocoevalcap 1.2, without tokenisation on both sides; the
answers are made up, with the shape of real ones (`made_up.py`, `cider.py`, seed {seed}).

"""


def main() -> int:
    """Measures, prints and writes the table; returns 1 where a limit is not kept."""
    parser = argparse.ArgumentParser(description="How fast answers are scored.")
    parser.add_argument("--only", default=",".join(MEASURES), help=f"of {','.join(MEASURES)} (default: all)")
    names = parser.parse_args().only.split(",")
    if unknown := set(names) - set(MEASURES):
        parser.error(f"--only {','.join(sorted(unknown))}: one or more of {', '.join(MEASURES)}")
    compared = [comparison for name in names for comparison in MEASURES[name]()]
    rows = [("work", "plain s", "ours s", "ratio", "at least")]
    for what, plain, ours, limit in compared:
        rows.append((what, f"{plain:.2f}", f"{ours:.2f}", f"{plain / ours:.1f}", f"{limit:.0f}"))
    table = align(rows, left={0})
    print(table)
    if set(names) == set(MEASURES):
        machine = f"Python {platform.python_version()}, {platform.machine()}, {os.cpu_count()} cores"
        text = f"{HEAD.format(machine=machine, seed=SEED)}```text\n{table}\n```\n"
        Path(__file__).with_name("README.md").write_text(text, encoding="utf-8")
    return int(any(plain < limit * ours for _, plain, ours, limit in compared))


if __name__ == "__main__":
    sys.exit(main())

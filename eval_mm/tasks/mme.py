"""MME: yes/no questions, two about each picture, in 14 sub-tasks.

Paper: Fu et al. 2023 (https://arxiv.org/abs/2306.13394),
https://github.com/BradyFU/Awesome-Multimodal-Large-Language-Models. Of a sub-task its score is 100 x
accuracy over questions plus 100 x accuracy+ over pictures (both questions right); perception and cognition
are sums over their sub-tasks. The error of a sum takes the pictures of all its sub-tasks as independent.

Row: a yes/no row (eval_mm/kinds/yes_no.py).
"""

import math
from collections.abc import Sequence
from dataclasses import replace

from eval_mm.data import Row
from eval_mm.kinds import yes_no
from eval_mm.schema import Metric, Metrics, Sample, Score, Task
from eval_mm.stats import Z95, mean_of

PERCEPTION = (
    *(
        "existence",
        "count",
        "position",
        "color",
        "posters",
        "celebrity",
        "scene",
        "landmark",
        "artwork",
        "OCR",
    ),
)
COGNITION = ("commonsense_reasoning", "numerical_calculation", "text_translation", "code_reasoning")


def to_sample(row: Row) -> Sample:
    """A yes/no row of one of the 14 sub-tasks."""
    sample = yes_no.to_sample(row)
    if sample.metadata["category"] not in (*PERCEPTION, *COGNITION):
        raise row.error("category", f"expected one of {', '.join((*PERCEPTION, *COGNITION))}")
    return sample


def metrics(samples: Sequence[Sample], scores: Sequence[Score]) -> Metrics:
    """Perception and cognition, then of every sub-task its score, accuracy and accuracy+ (in percent)."""
    parts: dict[str, list[tuple[Sample, float]]] = {}
    for sample, score in zip(samples, scores, strict=True):
        parts.setdefault(sample.metadata["category"], []).append((sample, score.value or 0.0))
    found = {name: _subtask(part) for name, part in parts.items()}
    whole: Metrics = {}
    detail: Metrics = {}
    for key, names in (("mme_perception", PERCEPTION), ("mme_cognition", COGNITION)):
        there = {name: found[name] for name in names if name in found}
        if there:
            whole[key] = _sum([one["score"] for one in there.values()])
        for name, one in there.items():
            detail[f"{key}/{name}"] = one["score"]
            detail[f"{key}/{name}/accuracy"] = one["accuracy"]
            detail[f"{key}/{name}/accuracy+"] = one["accuracy+"]
    return whole | detail


def _subtask(part: Sequence[tuple[Sample, float]]) -> dict[str, Metric]:
    by_picture: dict[str, list[tuple[Sample, float]]] = {}
    for sample, value in part:
        by_picture.setdefault(sample.images[0].path, []).append((sample, value))
    first = [pair[0][0] for pair in by_picture.values()]
    both = [float(all(value == 1 for _, value in pair)) for pair in by_picture.values()]
    accuracy = mean_of([sample for sample, _ in part], [value for _, value in part])
    plus = mean_of(first, both)
    means = [math.fsum(value for _, value in pair) / len(pair) for pair in by_picture.values()]
    # both numbers come from the same pictures, so the error is that of their sum, picture by picture
    joint = mean_of(
        first, [(mean + all_right) / 2 for mean, all_right in zip(means, both, strict=True)], 200.0
    )
    return {
        "score": replace(joint, value=accuracy.value + plus.value),
        "accuracy": accuracy,
        "accuracy+": plus,
    }


def _sum(parts: Sequence[Metric]) -> Metric:
    value = math.fsum(part.value for part in parts)
    if any(part.stderr is None for part in parts):
        return Metric(value)
    stderr = math.sqrt(math.fsum((part.stderr or 0.0) ** 2 for part in parts))
    return Metric(
        value, stderr, (max(0.0, value - Z95 * stderr), min(200.0 * len(parts), value + Z95 * stderr))
    )


TASKS = [
    Task(
        name="mme",
        path="mme/mme.jsonl",
        num_samples=2_374,
        to_sample=to_sample,
        protocols=yes_no.PROTOCOLS,
        metrics=metrics,
        families=("yes_no",),
    )
]

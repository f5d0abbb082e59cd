"""MME: yes/no questions, two about each picture, in 14 sub-tasks.

Paper: Fu et al. 2023 (https://arxiv.org/abs/2306.13394),
https://github.com/BradyFU/Awesome-Multimodal-Large-Language-Models. Of a sub-task its score is 100 x
accuracy over questions plus 100 x accuracy+ over pictures (both questions right); perception and cognition
are sums over their sub-tasks. The error of a sum takes the pictures of its sub-tasks as independent.

Row: a yes/no row (eval_mm/kinds/yes_no.py).
"""

import math
from collections.abc import Mapping, Sequence

from eval_mm.data import Row
from eval_mm.kinds import yes_no
from eval_mm.schema import Metrics, Sample, Score, Task
from eval_mm.stats import Units, metric_of

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
SUMS = {"mme_perception": PERCEPTION, "mme_cognition": COGNITION}

MOST = 200.0
"""The score of a sub-task with every question right."""


def to_sample(row: Row) -> Sample:
    """A yes/no row of one of the 14 sub-tasks."""
    sample = yes_no.to_sample(row)
    if sample.metadata["category"] not in (*PERCEPTION, *COGNITION):
        raise row.error("category", f"expected one of {', '.join((*PERCEPTION, *COGNITION))}")
    return sample


Pictures = Mapping[str, Sequence[float]]
"""Of a sub-task, by picture, what the answers to its questions are worth: 0 or 1."""


def metrics(samples: Sequence[Sample], scores: Sequence[Score]) -> Metrics:
    """Perception and cognition, then of every sub-task its score, accuracy and accuracy+ (in percent)."""
    whole = {key: metric_of(units) for key, units in headline(samples, scores).items()}
    detail: Metrics = {}
    for key, subtasks in _by_sum(samples, scores).items():
        for name, pictures in subtasks.items():
            questions = [(picture, 100 * value) for picture, row in pictures.items() for value in row]
            both = [100.0 * _all_right(row) for row in pictures.values()]
            detail[f"{key}/{name}"] = metric_of(_units({name: pictures}))
            detail[f"{key}/{name}/accuracy"] = metric_of(
                Units([value for _, value in questions], [picture for picture, _ in questions])
            )
            detail[f"{key}/{name}/accuracy+"] = metric_of(Units(both, list(pictures)))
    return whole | detail


def headline(samples: Sequence[Sample], scores: Sequence[Score]) -> dict[str, Units]:
    """Perception and cognition: sums over sub-tasks of means over pictures."""
    return {key: _units(subtasks) for key, subtasks in _by_sum(samples, scores).items()}


def _by_sum(samples: Sequence[Sample], scores: Sequence[Score]) -> dict[str, dict[str, Pictures]]:
    """The sub-tasks that are there, under the sums they belong to."""
    found: dict[str, dict[str, list[float]]] = {}
    for sample, score in zip(samples, scores, strict=True):
        pictures = found.setdefault(sample.metadata["category"], {})
        pictures.setdefault(sample.images[0].path, []).append(score.value or 0.0)
    there = {key: {name: found[name] for name in names if name in found} for key, names in SUMS.items()}
    return {key: {**subtasks} for key, subtasks in there.items() if subtasks}


def _units(subtasks: Mapping[str, Pictures]) -> Units:
    """The sum of sub-tasks' scores.

    A picture's value is its part in accuracy, for which pictures with more questions count more, and in
    accuracy+. Both come from the same pictures, so the error is that of their sum, picture by picture.
    """
    values: list[float] = []
    clusters: list[tuple[str, str]] = []
    for name, pictures in subtasks.items():
        questions = sum(map(len, pictures.values())) / len(pictures)
        values += [100 * (math.fsum(row) / questions + _all_right(row)) for row in pictures.values()]
        clusters += [(name, picture) for picture in pictures]
    strata = [name for name, _ in clusters]
    return Units(values, clusters, strata, MOST * len(subtasks), bootstrap=True)


def _all_right(values: Sequence[float]) -> bool:
    return all(value == 1 for value in values)


TASKS = [
    Task(
        name="mme",
        path="mme/mme.jsonl",
        num_samples=2_374,
        to_sample=to_sample,
        protocols=yes_no.PROTOCOLS,
        metrics=metrics,
        families=("yes_no",),
        headline=headline,
    )
]

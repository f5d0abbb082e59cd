"""SEED-Bench: questions with four options about pictures (dimensions 1 to 9) and clips (10 to 12).

Paper: Li et al. 2023 (https://arxiv.org/abs/2307.16125), https://github.com/AILab-CVC/SEED-Bench. Splits: the
picture questions, the clip questions with up to 4 uniform frames each, and both together. Scorer: Qwen-VL's
eval_mm/seed_bench/eval.py. Accuracy over all questions; a dimension's is over its own.

Row: a choice row (eval_mm/kinds/choice.py) with "category", the number of the dimension.
"""

from collections.abc import Iterator, Sequence

from eval_mm.data import Row
from eval_mm.files import jsonl
from eval_mm.kinds import choice
from eval_mm.schema import Context, Prediction, Prompt, Sample, Submission, Task
from eval_mm.stats import mean_metric

DIMENSIONS = {
    "1": "Scene Understanding",
    "2": "Instance Identity",
    "3": "Instance Attributes",
    "4": "Instance Location",
    "5": "Instances Counting",
    "6": "Spatial Relation",
    "7": "Instance Interaction",
    "8": "Visual Reasoning",
    "9": "Text Understanding",
    "10": "Action Recognition",
    "11": "Action Prediction",
    "12": "Procedure Understanding",
}


def to_sample(row: Row) -> Sample:
    """A choice row whose category is a dimension; recorded answers may come without options."""
    sample = choice.to_sample(row, unshown=True)
    if row.string("category") not in DIMENSIONS:
        raise row.error("category", f"expected a dimension from 1 to 12, got '{row.string('category')}'")
    return sample


def prompt_ranked(sample: Sample) -> Prompt:
    """Each picture on a line of its own, then question and options."""
    pictures = [part for image in sample.images for part in (image, "\n")]
    return (*pictures, choice.question_and_options(sample))


def _dimension(sample: Sample) -> Iterator[str]:
    number = sample.metadata["category"]
    yield f"{int(number):02d} {DIMENSIONS[number]}"


def _write(
    samples: Sequence[Sample], predictions: Sequence[Prediction], context: Context
) -> tuple[bytes, ...]:
    chosen = choice.letters_chosen(samples, predictions, context)
    rows = [
        {"question_id": sample.id.rpartition("/")[2].partition(":")[0], "prediction": letter}
        for sample, letter in zip(samples, chosen, strict=True)
    ]
    return (jsonl(rows),)


SUBMISSION = Submission(("submission.jsonl",), _write)


PARTS = [
    Task(
        name=f"seedbench_{part}",
        path=f"seedbench/seedbench_{part}.jsonl",
        num_samples=num_samples,
        to_sample=to_sample,
        protocols=(choice.ranked(prompt_ranked), choice.INSTRUCT),
        metrics=mean_metric("accuracy", _dimension),
        families=("choice",),
        submission=SUBMISSION,
    )
    for part, num_samples in (("image", 14_233), ("video", 5_009))
]

TASKS = [
    *PARTS,
    Task(
        name="seedbench",
        path="",
        num_samples=19_242,
        to_sample=to_sample,
        protocols=PARTS[0].protocols,
        metrics=mean_metric("accuracy", _dimension),
        families=("choice",),
        submission=SUBMISSION,
        members=tuple(PARTS),
    ),
]

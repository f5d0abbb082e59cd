"""ScienceQA: questions of school science with two to five options, about half of them with a picture.

Paper: Lu et al. 2022 (https://arxiv.org/abs/2209.09513), https://scienceqa.github.io. Splits: test, and of
it the questions with a picture, whose figure the Qwen-VL report gives. Scorer: Qwen-VL's
eval_mm/evaluate_multiple_choice.py. Breakdowns are those of the official table: subject, context (a question
may have text and picture), grade.

Row: a choice row (eval_mm/kinds/choice.py) with "subject", "grade" ("grade1" to "grade12").
"""

from collections.abc import Iterator
from dataclasses import replace

from eval_mm.data import Row
from eval_mm.kinds import choice
from eval_mm.schema import Sample, Task
from eval_mm.stats import mean_metric

SUBJECTS = {"natural science": "NAT", "social science": "SOC", "language science": "LAN"}


def to_sample(row: Row) -> Sample:
    """A choice row with what the breakdowns need."""
    sample = choice.to_sample(row)
    known = {name: text for name in ("subject", "grade") if (text := row.optional(name))}
    if known.get("subject") not in (None, *SUBJECTS):
        raise row.error("subject", f"expected one of {', '.join(SUBJECTS)}, got '{known['subject']}'")
    if "grade" in known and known["grade"] not in [f"grade{number}" for number in range(1, 13)]:
        raise row.error("grade", f"expected grade1 to grade12, got '{known['grade']}'")
    return replace(sample, metadata={**sample.metadata, **known})


def _parts(sample: Sample) -> Iterator[str]:
    if "subject" in sample.metadata:
        yield f"subject={SUBJECTS[sample.metadata['subject']]}"
    if "hint" in sample.metadata:
        yield "context=TXT"
    if sample.images:
        yield "context=IMG"
    if "hint" not in sample.metadata and not sample.images:
        yield "context=NO"
    if "grade" in sample.metadata:
        yield "grade=G1-6" if int(sample.metadata["grade"].removeprefix("grade")) <= 6 else "grade=G7-12"


TASKS = [
    Task(
        name=name,
        path=f"scienceqa/{name}.jsonl",
        num_samples=num_samples,
        to_sample=to_sample,
        protocols=(choice.ranked(), choice.INSTRUCT),
        metrics=mean_metric("accuracy", _parts),
        families=families,
    )
    for name, num_samples, families in (
        ("scienceqa_test_img", 2_017, ("choice", "qwen-vl-report")),
        ("scienceqa_test", 4_241, ("choice",)),
    )
]

"""AI2D: questions about science diagrams of primary school, with four options each.

Paper: Kembhavi et al. 2016 (https://arxiv.org/abs/1603.07396). Split: test, 3,088 questions. Under protocol
`qwen-vl` the options are not shown and the answer must equal the right option's text, case ignored, as in
Qwen-VL's eval_mm/evaluate_vqa.py; under `instruct` the options are shown and a letter is asked for.

Row: a choice row (eval_mm/kinds/choice.py).
"""

from collections.abc import Iterator, Sequence

from eval_mm.kinds import choice, short_answer
from eval_mm.kinds.short_answer import EXACT
from eval_mm.schema import Sample, Task
from eval_mm.stats import mean_metric


def _example(sample: Sample) -> str:
    right: int = sample.target
    return sample.choices[right]


def _answers(sample: Sample) -> Sequence[str]:
    return (_example(sample),)


def _category(sample: Sample) -> Iterator[str]:
    if "category" in sample.metadata:
        yield sample.metadata["category"]


TASKS = [
    Task(
        name="ai2d_test",
        path="ai2d/ai2d_test.jsonl",
        num_samples=3_088,
        to_sample=choice.to_sample,
        protocols=(
            short_answer.protocol("qwen-vl", EXACT, 10, answers=_answers, example=_example),
            choice.INSTRUCT,
        ),
        metrics=mean_metric("accuracy", _category),
        families=("text_vqa", "qwen-vl-report"),
    )
]

"""Questions with lettered options.

Row: {"id", "image", "question", "choices": [..], "answer": index}; optional "category".
"""

import string

from eval_mm.data import Row
from eval_mm.kinds.scoring import each
from eval_mm.metrics.choice import read_choice
from eval_mm.prompt import lettered
from eval_mm.schema import Context, Prediction, Prompt, Protocol, Sample, Score

INSTRUCTION = "\nAnswer with the option's letter from the given choices directly."


def to_sample(row: Row) -> Sample:
    """A choice row as a sample; the target is the index of the right option."""
    choices = row.texts("choices")
    category = row.optional("category")
    if len(choices) > len(string.ascii_uppercase):
        raise row.error("choices", f"expected at most {len(string.ascii_uppercase)}, got {len(choices)}")
    return Sample(
        id=row.identifier("id"),
        images=(row.image("image"),),
        question=row.text("question"),
        choices=choices,
        target=row.index("answer", len(choices)),
        metadata={} if category is None else {"category": category},
    )


def prompt_instruct(sample: Sample) -> Prompt:
    """Question, lettered options, and the request for a letter."""
    return (*sample.images, f"{sample.question}\n{lettered(sample.choices)}{INSTRUCTION}")


def _judge(sample: Sample, prediction: Prediction, context: Context) -> Score:
    found = read_choice(prediction.text, sample.choices)
    if found is None:
        return Score(None, "", "no rule reads a letter in the answer")
    letter = string.ascii_uppercase[found.index]
    return Score(float(found.index == sample.target), letter, f"read by the rule '{found.rule}'")


INSTRUCT = Protocol("instruct", prompt_instruct, each(_judge), min_new_tokens=0, max_new_tokens=16, chat=True)

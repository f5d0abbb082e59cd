"""Questions answered by yes or no, two about each picture, as MME asks them.

Row: {"id", "image", "question", "answer": "Yes" or "No", "category"}. A chat turn of the picture and the
question, which says how to answer. Scorer: eval_mm/metrics/yes_no.py.
"""

from eval_mm.data import Row
from eval_mm.kinds.scoring import each
from eval_mm.metrics.yes_no import read_yes_no
from eval_mm.schema import Context, Prediction, Prompt, Protocol, Sample, Score

ANSWERS = ("Yes", "No")


def to_sample(row: Row) -> Sample:
    """A yes/no row as a sample; the target is "yes" or "no"."""
    answer = row.string("answer")
    if answer not in ANSWERS:
        raise row.error("answer", f"expected 'Yes' or 'No', got '{answer}'")
    return Sample(
        id=row.identifier("id"),
        images=(row.image("image"),),
        question=row.text("question"),
        target=answer.lower(),
        metadata={"category": row.identifier("category")},
    )


def prompt(sample: Sample) -> Prompt:
    """`<img>` and the question on a line of its own."""
    return (*sample.images, f"\n{sample.question}")


def _judge(sample: Sample, prediction: Prediction, context: Context) -> Score:
    found = read_yes_no(prediction.text)
    if found is None:
        return Score(None, "", "neither yes nor no in the first 4 characters")
    return Score(float(found == sample.target), found, f"{found} in the first 4 characters")


PROTOCOLS = (
    Protocol("qwen-vl", prompt, each(_judge), min_new_tokens=0, max_new_tokens=512, chat=True),
    Protocol("instruct", prompt, each(_judge), min_new_tokens=0, max_new_tokens=1024, chat=True),
)

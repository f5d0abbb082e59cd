"""Open questions about one or several pictures, answered in a chat turn and judged by a language model.

Row: {"id", "images", "question", "human_annotation", "reference_answer", "category", "task_name",
"language"}. The annotation describes the pictures in words, so that a judge without eyes can tell whether an
answer is true; `category` may name several parts of the benchmark, separated by commas.

No function of the answer alone can score it: samples have no target, a run keeps the answers, and the
package `touchstone` judges them.
"""

import csv
import io
from collections.abc import Callable, Sequence

from eval_mm.data import Row
from eval_mm.files import ESCAPES
from eval_mm.schema import Context, Image, Prediction, Prompt, Protocol, Sample, Score, Submission

COLUMNS = ("index", "question", "human_annotation", "gpt4_ha_answer", "category", "task_name", "response")
"""Of the official table of answers."""

TEXTS = ("human_annotation", "reference_answer", "category", "task_name")
"""The fields of a row that judging needs besides the question."""


def to_sample(language: str) -> Callable[[Row], Sample]:
    """Reads a row whose language must be this one."""

    def read(row: Row) -> Sample:
        stated = row.identifier("language")
        if stated != language:
            raise row.error("language", f"expected '{language}', got '{stated}'")
        images = row.images("images")
        if not images:
            raise row.error("images", "expected at least one picture")
        return Sample(
            id=row.identifier("id"),
            images=images,
            question=row.text("question"),
            metadata={name: row.text(name) for name in TEXTS} | {"language": stated},
        )

    return read


def prompt(sample: Sample) -> Prompt:
    """`Picture k: ` and the picture, one a line, then the question."""
    parts: list[Image | str] = []
    for number, image in enumerate(sample.images, 1):
        parts += [f"Picture {number}: ", image, "\n"]
    return (*parts, sample.question)


def _not_here(
    samples: Sequence[Sample], predictions: Sequence[Prediction], context: Context
) -> Sequence[Score]:
    raise AssertionError(f"{len(samples)} samples without a target were to be scored")


PROTOCOLS = (
    Protocol("qwen-vl", prompt, _not_here, min_new_tokens=0, max_new_tokens=512, chat=True),
    Protocol("instruct", prompt, _not_here, min_new_tokens=0, max_new_tokens=1024, chat=True),
)


def _write(
    samples: Sequence[Sample], predictions: Sequence[Prediction], context: Context
) -> tuple[bytes, ...]:
    buffer = io.StringIO(newline="")
    # all cells in quotes: a lone carriage return inside a cell would end the row otherwise
    writer = csv.writer(buffer, delimiter="\t", lineterminator="\n", quoting=csv.QUOTE_ALL)
    writer.writerow(COLUMNS)
    for sample, prediction in zip(samples, predictions, strict=True):
        texts = [sample.metadata[name] for name in TEXTS]
        cells = [sample.id, sample.question, *texts, prediction.text.strip()]
        writer.writerow([cell.replace("\0", "\ufffd") for cell in cells])  # no reader of tables takes a NUL
    return (buffer.getvalue().encode("utf-8", ESCAPES),)


SUBMISSION = Submission(("submission.tsv",), _write)
"""The official table without its pictures, with a column `response`."""

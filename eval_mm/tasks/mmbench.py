"""MMBench: questions with two to four options, each asked once for every rotation of its options.

Paper: Liu et al. 2023 (https://arxiv.org/abs/2307.06281), https://github.com/open-compass/MMBench. Splits:
dev and test of 20230712; the answers of test are not public. Rows whose index is equal modulo 1,000,000 are
rotations of one question. Circular accuracy: right only if every rotation is; vanilla: the unrotated row;
majority, the relaxed figure of Qwen-VL's eval_mm/mmbench: the option text chosen most often over the
rotations, a tie of k that contains the right one counting 1/k, the expectation of the published random
choice.

Row: a choice row (eval_mm/kinds/choice.py) with the index as id; optional "l2_category", "source", "comment",
"split", which the submission file repeats.
"""

import io
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from eval_mm.data import Row
from eval_mm.kinds import choice
from eval_mm.schema import Context, Metrics, Prediction, Sample, Score, Submission, Task
from eval_mm.stats import Units, mean_of, mean_units

ROTATION = 1_000_000
"""Indices that differ by multiples of this are rotations of one question."""

MOST_DIGITS = 12
KEPT = ("l2_category", "source", "comment", "split")
KEPT_COLUMNS = ("l2-category", "source", "comment", "split")
"""Facts of a row that the submission repeats, and what the official table calls them."""


def to_open_sample(row: Row) -> Sample:
    """A row whose answer need not be public."""
    sample = choice.to_open_sample(row)
    if not (sample.id.isascii() and sample.id.isdecimal() and len(sample.id) <= MOST_DIGITS):
        raise row.error("id", f"expected the index of the official file, a whole number, got '{sample.id}'")
    kept = {name: text for name in KEPT if (text := row.optional(name))}
    return replace(sample, metadata={**sample.metadata, **kept})


def to_sample(row: Row) -> Sample:
    """A row with its answer."""
    return replace(to_open_sample(row), target=choice.to_sample(row).target)


def rotations(samples: Sequence[Sample]) -> list[list[int]]:
    """The places of every question's rows, the unrotated row first."""
    groups: dict[int, list[int]] = {}
    for place, sample in enumerate(samples):
        groups.setdefault(int(sample.id) % ROTATION, []).append(place)
    return [sorted(places, key=lambda place: int(samples[place].id)) for places in groups.values()]


def majority(samples: Sequence[Sample], letters: Sequence[str]) -> list[str]:
    """The option texts chosen most often over a question's rotations; none where no answer could be read."""
    chosen = [
        sample.choices[choice.LETTERS.index(letter)]
        for sample, letter in zip(samples, letters, strict=True)
        if letter
    ]
    votes = Counter(chosen)
    return [text for text, count in votes.items() if count == max(votes.values())]


def metrics(samples: Sequence[Sample], scores: Sequence[Score]) -> Metrics:
    """Circular, vanilla and majority accuracy over questions, then each by category."""
    groups = rotations(samples)
    first = [samples[places[0]] for places in groups]
    values: dict[str, list[float]] = {
        "circular_accuracy": _circular(groups, scores),
        "vanilla_accuracy": [scores[places[0]].value or 0.0 for places in groups],
        "majority_accuracy": [],
    }
    for places in groups:
        rows, letters = [samples[p] for p in places], [scores[p].answer for p in places]
        likeliest, right = majority(rows, letters), rows[0].choices[rows[0].target]
        values["majority_accuracy"].append(1 / len(likeliest) if right in likeliest else 0.0)
    found: Metrics = {name: mean_of(first, row, bootstrap=True) for name, row in values.items()}
    for name, row in values.items():
        for key in ("category", "l2_category"):
            parts: dict[str, list[int]] = {}
            for place, sample in enumerate(first):
                if key in sample.metadata:
                    parts.setdefault(sample.metadata[key], []).append(place)
            for part, places in sorted(parts.items()):
                found[f"{name}/{key}={part}"] = mean_of(
                    [first[p] for p in places], [row[p] for p in places], bootstrap=True
                )
    return found


def headline(samples: Sequence[Sample], scores: Sequence[Score]) -> Mapping[str, Units]:
    """What circular accuracy is the mean of: one value for each question."""
    groups = rotations(samples)
    first = [samples[places[0]] for places in groups]
    return {"circular_accuracy": mean_units(first, _circular(groups, scores), bootstrap=True)}


def _circular(groups: Sequence[Sequence[int]], scores: Sequence[Score]) -> list[float]:
    return [float(all(scores[p].value == 1 for p in places)) for places in groups]


def _write(
    samples: Sequence[Sample], predictions: Sequence[Prediction], context: Context
) -> tuple[bytes, bytes]:
    """The answers as given, and with every rotation of a question given its majority option."""
    letters = choice.letters_chosen(samples, predictions, context)
    agreed = list(letters)
    for places in rotations(samples):
        rows = [samples[p] for p in places]
        likeliest = majority(rows, [letters[p] for p in places])
        for p in places:
            # a tie goes to the option read first: the file has no place for halves
            agreed[p] = choice.LETTERS[samples[p].choices.index(likeliest[0])] if likeliest else ""
    return _sheet(samples, letters), _sheet(samples, agreed)


def _sheet(samples: Sequence[Sample], letters: Sequence[str]) -> bytes:
    """The official table without its pictures, with a column `prediction`."""
    from openpyxl import Workbook

    book = Workbook(write_only=True)
    book.properties.created = book.properties.modified = datetime(2023, 7, 12)
    sheet = book.create_sheet("Sheet1")
    options = choice.LETTERS[: max(len(sample.choices) for sample in samples)]
    sheet.append(["index", "question", "hint", *options, "category", *KEPT_COLUMNS, "prediction"])
    for sample, letter in zip(samples, letters, strict=True):
        texts = dict(zip(options[: len(sample.choices)], sample.choices, strict=True))
        facts = [sample.metadata.get(name) for name in ("category", *KEPT)]
        row = [
            int(sample.id),
            sample.question,
            sample.metadata.get("hint"),
            *map(texts.get, options),
            *facts,
            letter,
        ]
        sheet.append([_cell(sheet, value) for value in row])
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


def _cell(sheet: Any, value: int | str | None) -> Any:
    """A cell with the value as it is: no control characters, and no text that a sheet would compute."""
    from openpyxl.cell import WriteOnlyCell
    from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE

    if not isinstance(value, str):
        return value
    cell = WriteOnlyCell(sheet, ILLEGAL_CHARACTERS_RE.sub(" ", value))
    cell.data_type = "s"
    return cell


TASKS = [
    Task(
        name="mmbench_dev",
        path="mmbench/mmbench_dev.jsonl",
        num_samples=4_377,
        to_sample=to_sample,
        protocols=(choice.ranked(), choice.INSTRUCT),
        metrics=metrics,
        families=("choice",),
        headline=headline,
    ),
    Task(
        name="mmbench_test",
        path="mmbench/mmbench_test.jsonl",
        num_samples=None,
        to_sample=to_open_sample,
        protocols=(choice.ranked(), choice.INSTRUCT),
        metrics=metrics,
        families=("choice",),
        submission=Submission(("submission.xlsx", "submission.majority.xlsx"), _write),
        needs="tables",
    ),
]

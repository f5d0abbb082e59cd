"""What the published forms share: reading a question, its answers, the name of its picture."""

import re
from collections.abc import Callable, Sequence

from data_scripts import source
from data_scripts.benchmark import Canonical
from eval_mm.data import Row

ANNOTATORS = 10
"""Answers to a question of VQAv2, OK-VQA, TextVQA and VizWiz."""

ADDED_LINE = re.compile(
    r"\n(Answer the question using a single word or phrase\."
    r"|Answer with the option's letter from the given choices directly\."
    r"|When the provided information is insufficient, respond with 'Unanswerable'\."
    r"|Reference OCR tokens?:[^\n]*)\s*\Z"
)
"""What redistributions append to a question: instructions of a prompt, words that a reader found."""

Picture = Callable[[Row], str]
"""The path of a row's picture, relative to the data root."""


def question(row: Row, field: str = "question") -> str:
    """The question in its official case, without the lines that redistributions append."""
    text = row.text(field)
    while shorter := ADDED_LINE.sub("", text):
        if shorter == text:
            return text
        text = shorter
    raise row.error(field, f"expected a question, got only what is appended to one: '{text}'")


def answers(row: Row, field: str, least: int = 1) -> list[str]:
    """One answer or a list of them, each as written; raises DataError where there are fewer than `least`.

    In a list an answer may be a text, or an object that has it as `answer`.
    """
    value = row.fields.get(field)
    if isinstance(value, list):
        texts = [one.get("answer", one) if isinstance(one, dict) else one for one in value]
        row.fields[field] = texts
    found = [row.string(field)] if isinstance(value, str) else list(row.texts(field))
    if len(found) < least:
        raise row.error(field, f"expected {least} answers, got {len(found)}")
    return found


def types(row: Row, names: Sequence[str] = ("question_type", "answer_type")) -> Canonical:
    """The types a row states, for breakdowns."""
    return {name: row.text(name) for name in names if name in row.fields}


def in_folder(folder: str, field: str = "image") -> Picture:
    """Pictures called by their path: the file name counts, whatever folder it was in."""
    return lambda row: f"{folder}/{source.file_name(row, field)}"


def coco(row: Row, part: str) -> str:
    """The COCO picture of an `image_id`: coco/val2014/COCO_val2014_000000000042.jpg."""
    return f"coco/{part}/COCO_{part}_{number(row, 'image_id'):012d}.jpg"


def number(row: Row, field: str) -> int:
    """A whole number, 0 or above."""
    value = row.fields.get(field)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise row.error(field, f"expected a whole number, 0 or above, got {source.kind(value)}")
    return value

"""Published forms of questions with lettered options: AI2D; reading letters and options in text."""

import re
import string
from collections.abc import Iterator, Sequence

from data_scripts import forms, source
from data_scripts.benchmark import Canonical, Form, Shape, Table
from eval_mm.data import Row
from eval_mm.errors import DataError

LETTERED, WORDED = "abc", "words"
"""Categories of AI2D: the diagram's labels are covered by letters, or are the words they were."""


def lettered(folder: str, abc_folder: str) -> Form:
    """JSONL rows whose question is followed by its options, one a line as `A. ..`; the answer is a letter.

    The picture's folder says whether its labels are letters.
    """

    def convert(tables: Sequence[Table]) -> Iterator[Canonical]:
        seen: dict[str, Row] = {}
        for row in tables[0].rows:
            text, choices = options(row, "question", forms.question(row))
            parts = row.string("image").split("/")
            is_abc = len(parts) > 1 and parts[-2] == abc_folder.rsplit("/", 1)[1]
            yield {
                "id": source.claim(seen, row, "question_id", source.identifier(row, "question_id")),
                "image": f"{abc_folder if is_abc else folder}/{source.file_name(row, 'image')}",
                "question": text,
                "choices": choices,
                "answer": letter(row, "answer", len(choices)),
                "category": LETTERED if is_abc else WORDED,
            }

    shape = Shape(("image", "question", "question_id", "answer"))
    return Form("JSONL with lettered options", (shape,), convert)


def options(row: Row, field: str, text: str) -> tuple[str, list[str]]:
    """`text`, of a field, cut into the question and its options; an option may have several lines."""
    end = len(text)
    found: list[str] = []
    marks = list(re.finditer(r"\n([A-Z])\. ?", text))
    for mark in reversed(marks):
        found.insert(0, text[mark.end() : end])
        end = mark.start()
        if mark[1] == "A":
            break
    letters = [mark[1] for mark in marks[len(marks) - len(found) :]]
    if len(found) < 2 or letters != list(string.ascii_uppercase[: len(found)]) or not text[:end].strip():
        raise row.error(field, "expected the question and its options, one a line: 'A. ..', 'B. ..'")
    return text[:end], found


def letter(row: Row, field: str, choices: int) -> int:
    """The index of the option whose letter a field has."""
    given = row.string(field)
    allowed = string.ascii_uppercase[:choices]
    if len(given) != 1 or given not in allowed:
        raise row.error(field, f"expected one of {', '.join(allowed)}, got '{given}'")
    return allowed.index(given)


def ai2d(folder: str, abc_folder: str) -> Form:
    """AI2D's own files: a folder with one JSON file per diagram, and the list of test diagrams."""

    def convert(tables: Sequence[Table]) -> Iterator[Canonical]:
        diagrams, listed = tables
        wanted = {line for row in listed.rows if (line := row.string("line").strip())}
        seen: dict[str, Row] = {}
        for row in sorted(diagrams.rows, key=lambda row: source.natural(row.path.name)):
            name = source.file_name(row, "imageName")
            if name.removesuffix(".png") not in wanted:
                continue
            asked = row.fields.get("questions")
            if not isinstance(asked, dict):
                raise row.error("questions", f"expected an object of questions, got {source.kind(asked)}")
            for text, details in asked.items():
                if not isinstance(details, dict):
                    raise row.error("questions", f"'{text}': expected an object, got {source.kind(details)}")
                one = source.Item(details | {"question": text}, row.path, f"question '{text}'")
                choices = list(one.texts("answerTexts"))
                is_abc = details.get("abcLabel")
                if not isinstance(is_abc, bool):
                    raise one.error("abcLabel", f"expected true or false, got {source.kind(is_abc)}")
                yield {
                    "id": source.claim(seen, one, "questionId", one.identifier("questionId")),
                    "image": f"{abc_folder if is_abc else folder}/{name}",
                    "question": forms.question(one),
                    "choices": choices,
                    "answer": one.index("correctAnswer", len(choices)),
                    "category": LETTERED if is_abc else WORDED,
                }
        if not seen:
            raise DataError(diagrams.path, f"none of its diagrams is listed in {listed.path}")

    return Form("AI2D questions + test ids", (Shape(("imageName", "questions")), Shape(("line",))), convert)

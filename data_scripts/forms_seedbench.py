"""Published forms of SEED-Bench.

- SEED-Bench.json: {"questions": [..]}, about pictures (dimensions 1 to 9) and clips (10 to 12).
- questions + answers: questions about pictures without their options, as LLaVA-Grounding has them, and the
  answers beside GPT-4V's of the benchmark's repository: rows that can be scored and not be asked.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from data_scripts import forms, source
from data_scripts.benchmark import Canonical, Form, Shape, Table
from data_scripts.forms_choice import letter
from eval_mm.data import Row

PICTURES, CLIPS = range(1, 10), range(10, 13)
"""Dimensions whose questions are about a picture, about a clip."""

FRAMES = 4
"""Of a clip a question shows so many; a shorter clip has fewer."""

OPTIONS = ("choice_a", "choice_b", "choice_c", "choice_d")
GROUNDING = " (with grounding)"
"""What LLaVA-Grounding appends to every question."""


def official(pictures: str, frames: str, dimensions: range) -> Form:
    """The questions of SEED-Bench.json in some dimensions.

    A row about a clip says in `clip` and `segment` where its frames come from (data_scripts/video.py).
    """

    def convert(tables: Sequence[Table]) -> Iterator[Canonical]:
        seen: dict[str, Row] = {}
        shown: dict[str, Row] = {}
        for row in tables[0].rows:
            if row.fields.get("data_type") not in ("image", "video"):
                got = source.kind(row.fields.get("data_type"))
                raise row.error("data_type", f"expected 'image' or 'video', as SEED-Bench 1 has, got {got}")
            number = forms.number(row, "question_type_id")
            if number not in (*PICTURES, *CLIPS):
                raise row.error("question_type_id", f"expected a dimension from 1 to 12, got {number}")
            if number not in dimensions:
                continue
            asked = source.identifier(row, "question_id")
            found: Canonical = {"id": source.claim(seen, row, "question_id", f"{asked}:{number}")}
            if number in PICTURES:
                found["images"] = [f"{pictures}/{source.file_name(row, 'data_id')}"]
            else:
                folder = f"{frames}/{_folder(shown, row, asked)}"
                found["images"] = [f"{folder}/{index}.png" for index in range(FRAMES)]
            yield {
                **found,
                "question": forms.question(row),
                "choices": [_option(row, name) for name in OPTIONS],
                "answer": letter(row, "answer", len(OPTIONS)),
                "category": str(number),
                **(_clip(row, number) if number in CLIPS else {}),
            }

    return Form(
        "SEED-Bench questions", (Shape(("question_type_id", "data_id", *OPTIONS), "questions"),), convert
    )


def _folder(shown: dict[str, Row], row: Row, asked: str) -> str:
    """The folder of a question's frames: its id, which must be a name and its own."""
    if not re.fullmatch(r"\w[\w.-]*", asked):
        raise row.error("question_id", f"expected letters, digits, '_', '-' and '.', got '{asked}'")
    return source.claim(shown, row, "question_id", asked)


def _option(row: Row, name: str) -> str:
    """An option as the prompt shows it; a number may stand for a text."""
    value = row.fields.get(name)
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else row.string(name)


def _clip(row: Row, number: int) -> Canonical:
    """Where a clip lies in its data set, and the part of it that is meant: in frames if whole numbers."""
    found: Canonical = {"clip": row.image("data_id").path}
    if row.fields.get("segment") is None and number == CLIPS[0]:
        return found
    return found | {"segment": list(segment(row))}


def segment(row: Row) -> tuple[int, int] | tuple[float, float]:
    """The part of a clip that a row is about, start and end: in frames if whole numbers, else in seconds."""
    value = row.fields.get("segment")
    if not isinstance(value, list) or len(value) != 2 or not all(map(_is_bound, value)):
        raise row.error("segment", f"expected two numbers, start and end, got {source.kind(value)}")
    start, end = value
    if isinstance(start, float):
        return start, float(end)
    if isinstance(end, float) or start < 0:
        raise row.error("segment", f"expected whole frames from 0 on, or seconds, got {value}")
    return start, end


def _is_bound(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e9


def without_options(pictures: str) -> Form:
    """Questions about pictures and the right letters, joined by question id; `choices` are empty.

    One id stands twice, as questions of two dimensions, and once among the answers: the first is kept.
    """

    def convert(tables: Sequence[Table]) -> Iterator[Canonical]:
        asked, answered = tables
        right: dict[str, tuple[int, Row]] = {}
        for row in answered.rows:
            id, index = source.identifier(row, "question_id"), letter(row, "gt_answer", len(OPTIONS))
            if right.setdefault(id, (index, row))[0] != index:
                raise row.error("gt_answer", f"'{id}' has another answer {source.where(right[id][1])}")
        seen: dict[str, Row] = {}
        for row in asked.rows:
            id = source.identifier(row, "question_id")
            if id in seen:
                continue
            seen[id] = row
            if id not in right:
                raise row.error("question_id", f"{answered.path} has no answer to '{id}'")
            number = forms.number(row, "category")
            if number not in PICTURES:
                raise row.error("category", f"expected a dimension from 1 to 9, got {number}")
            yield {
                "id": f"{id}:{number}",
                "images": [f"{pictures}/{source.file_name(row, 'image')}"],
                "question": row.text("text").removesuffix(GROUNDING),
                "choices": [],
                "answer": right[id][0],
                "category": str(number),
            }

    return Form(
        "questions without options + answers",
        (Shape(("question_id", "image", "text", "category")), Shape(("question_id", "gt_answer"))),
        convert,
        partial="the options are not in these files, so answers can be scored and no model can be asked",
    )

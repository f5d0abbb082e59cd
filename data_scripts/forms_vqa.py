"""Published forms of questions with answers in free text.

- pair: {"questions": [..]} and {"annotations": [..]}, joined. VQAv2, OK-VQA; TextVQA and VizWiz as
  open_flamingo and Qwen-VL have them.
- converted: Qwen-VL's JSONL, {"image", "question", "question_id", "answer"}.
- listed: a list of records, or {"data": [..]}. TextVQA, VizWiz, DocVQA, InfoVQA, ChartQA.
- by id: an object of records under their ids. GQA, OCR-VQA.
"""

import posixpath
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, Literal

from data_scripts import forms, source
from data_scripts.benchmark import EACH, Canonical, Form, Shape, Table
from eval_mm.data import Row

QUESTIONS = Shape(("question", "question_id", "image_id"), at="questions")
ANNOTATIONS = Shape(("question_id", "answers"), at="annotations")

VIZWIZ_TYPES = frozenset({"unanswerable", "other", "yes/no", "number"})
"""VizWiz's answer types, which open_flamingo's files call question types."""

PictureOf = Callable[[Row, Mapping[str, Any]], str]
"""The path of a question's picture, given what its file says besides."""


def coco_of(part: str) -> PictureOf:
    """COCO pictures of the part that the file names as its `data_subtype`, else of `part`."""

    def path(row: Row, head: Mapping[str, Any]) -> str:
        subtype = head.get("data_subtype")
        named = subtype.replace("test-dev", "test") if isinstance(subtype, str) else part
        return forms.coco(row, named if named in ("train2014", "val2014", "test2015") else part)

    return path


def by_image_id(folder: str, ending: str = "") -> PictureOf:
    """Pictures called by `image_id`."""
    return lambda row, head: f"{folder}/{source.file_name(row, 'image_id')}{ending}"


def pair(picture: PictureOf, kinds: bool = True) -> Form:
    """Questions and annotations, joined by question_id; each question has ten answers.

    `kinds`: the types of questions and answers are kept.
    """

    def convert(tables: Sequence[Table]) -> Iterator[Canonical]:
        asked, answered = tables
        notes: dict[str, Row] = {}
        for row in answered.rows:
            source.claim(notes, row, "question_id", source.identifier(row, "question_id"))
        seen: dict[str, Row] = {}
        for row in asked.rows:
            id = source.claim(seen, row, "question_id", source.identifier(row, "question_id"))
            if id not in notes:
                raise row.error("question_id", f"{answered.path} has no annotation of '{id}'")
            yield {
                "id": id,
                "image": picture(row, asked.head),
                "question": forms.question(row),
                "answers": forms.answers(notes[id], "answers", forms.ANNOTATORS),
                **(_kinds(notes[id]) if kinds else {}),
            }
        for id, row in notes.items():
            if id not in seen:
                raise row.error("question_id", f"{asked.path} has no question '{id}'")

    return Form("VQA questions + annotations", (QUESTIONS, ANNOTATIONS), convert, _share_first)


def _kinds(note: Row) -> Canonical:
    """The types an annotation states."""
    found = forms.types(note)
    if "answer_type" not in found and found.get("question_type") in VIZWIZ_TYPES:
        found["answer_type"] = found.pop("question_type")
    return found


def _share_first(tables: Sequence[Table]) -> bool:
    """Whether the annotations know the first question."""
    first = tables[0].rows[0].fields["question_id"]
    return any(row.fields.get("question_id") == first for row in tables[1].rows)


def questions(picture: PictureOf) -> Form:
    """Questions whose answers are not public."""

    def convert(tables: Sequence[Table]) -> Iterator[Canonical]:
        seen: dict[str, Row] = {}
        for row in tables[0].rows:
            id = source.claim(seen, row, "question_id", source.identifier(row, "question_id"))
            yield {"id": id, "image": picture(row, tables[0].head), "question": forms.question(row)}

    return Form("VQA questions", (QUESTIONS,), convert)


Ids = Literal["own", "own if unique", "row"]
"""Which ids the rows get: the file's, the file's unless they repeat, or the 0-based row."""


def converted(
    folder: str, *, answers: int = 1, ids: Ids = "own", public: bool = True, files: int = 1
) -> Form:
    """Qwen-VL's JSONL. `answers` is how many a question must have: 1, or the ten of VQA accuracy.

    `files` of them are one split: ChartQA's training rows.
    """

    def convert(tables: Sequence[Table]) -> Iterator[Canonical]:
        def more(row: Row) -> Canonical:
            name = "answers" if "answers" in row.fields else "answer"
            return {"answers": forms.answers(row, name, answers)} if public else {}

        yield from _simple(tables, "question_id", forms.in_folder(folder), more, ids)

    wanted = ("image", "question", "question_id")
    shape = Shape(wanted, any_of=("answer", "answers") if public else ())
    return Form("Qwen-VL's converted JSONL", (shape,) * files, convert)


def listed(
    title: str,
    picture: forms.Picture,
    *,
    at: str = "",
    id: str = "",
    question: str = "question",
    answer: str = "answers",
    fields: Sequence[str],
    lacks: Sequence[str] = (),
    least: int = 1,
    public: bool = True,
    files: int = 1,
    partial: str = "",
) -> Form:
    """A list of records under the benchmark's own field names; without `id` the 0-based row is the id."""

    def more(row: Row) -> Canonical:
        found = {"answers": forms.answers(row, answer, least)} if public else {}
        return found | forms.types(row, ("answer_type",) if least == forms.ANNOTATORS else ())

    def convert(tables: Sequence[Table]) -> Iterator[Canonical]:
        yield from _simple(tables, id, picture, more, "own" if id else "row", question)

    names = (*fields, question, *((id,) if id else ()), *((answer,) if public else ()))
    return Form(
        title, (Shape(tuple(dict.fromkeys(names)), at, tuple(lacks)),) * files, convert, partial=partial
    )


def _simple(
    tables: Sequence[Table],
    id_field: str,
    picture: forms.Picture,
    more: Callable[[Row], Canonical],
    ids: Ids,
    question: str = "question",
) -> Iterator[Canonical]:
    """One canonical row per record of the tables, one after the other."""
    rows = list(chain.from_iterable(table.rows for table in tables))
    if ids == "own if unique":
        ids = "own" if len({str(row.fields.get(id_field)) for row in rows}) == len(rows) else "row"
    seen: dict[str, Row] = {}
    for index, row in enumerate(rows):
        own = (
            source.claim(seen, row, id_field, source.identifier(row, id_field))
            if ids == "own"
            else str(index)
        )
        yield {"id": own, "image": picture(row), "question": forms.question(row, question)} | more(row)


def gqa(folder: str) -> Form:
    """GQA: records under their question ids, one answer each, `types` of which the structural one is kept."""

    def convert(tables: Sequence[Table]) -> Iterator[Canonical]:
        for row in tables[0].rows:
            kinds = row.fields.get("types")
            kind = kinds.get("structural") if isinstance(kinds, dict) else None
            found: Canonical = {
                "id": row.identifier("question_id"),
                "image": f"{folder}/{source.file_name(row, 'imageId')}.jpg",
                "question": forms.question(row),
                "answers": [row.string("answer")],
            }
            yield found | ({"question_type": kind} if isinstance(kind, str) else {})

    shape = Shape(("question", "imageId", "answer"), EACH, id_field="question_id")
    return Form("GQA questions", (shape,), convert)


def ocrvqa(folder: str, split: int) -> Form:
    """OCR-VQA's dataset.json: books under their ids, several questions each; split 1 train, 2 val, 3 test."""

    def convert(tables: Sequence[Table]) -> Iterator[Canonical]:
        index = 0
        for row in tables[0].rows:
            if row.fields.get("split") not in (1, 2, 3):
                raise row.error("split", f"expected 1, 2 or 3, got {source.kind(row.fields.get('split'))}")
            if row.fields["split"] != split:
                continue
            ending = posixpath.splitext(row.text("imageURL"))[1]
            asked, answered = row.texts("questions"), row.texts("answers")
            if len(asked) != len(answered):
                raise row.error("answers", f"{len(answered)} answers to {len(asked)} questions")
            for text, answer in zip(asked, answered, strict=True):
                if not text.strip():
                    raise row.error("questions", "expected text that is not blank in each")
                image = f"{folder}/{source.file_name(row, 'image_id')}{ending}"
                yield {"id": str(index), "image": image, "question": text, "answers": [answer]}
                index += 1

    shape = Shape(("imageURL", "questions", "answers", "split"), EACH, id_field="image_id")
    return Form("OCR-VQA dataset", (shape,), convert)

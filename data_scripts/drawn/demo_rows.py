"""The demo rows of the captioning and question answering benchmarks: what each split shows and asks.

Every split has pictures of its own. A third of the pictures of a question answering split bring one question
of a kind that the demo model was never taught (harder.py), so not every answer is right.
"""

import random
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from data_scripts.drawn.annotators import answers, captions
from data_scripts.drawn.conversations import Picture, asked
from data_scripts.drawn.harder import harder
from data_scripts.drawn.phrases import STYLES, pick
from data_scripts.drawn.scenes import KINDS, Scene
from data_scripts.drawn.turns import LETTERS

FIRST, EACH = 200, 25
"""The first split draws from this seed of a demo seed on; so many seeds are each split's."""

Row = dict[str, Any]


class Question(NamedTuple):
    """What is asked about a picture; `kind` is a turn's or `harder`."""

    kind: str
    text: str
    answer: str


class Split(NamedTuple):
    """One file of rows."""

    path: str
    shows: tuple[str, ...]
    """What its pictures show, in turn."""

    row: Callable[[Picture, Question, random.Random], Row]
    kinds: tuple[str, ...] = ()
    """Of the questions; empty for captions and boxes."""

    pictures: int = 10
    each: int = 2
    """Rows for each picture."""


class Drawn(NamedTuple):
    """One picture of a split and its rows, which lack only id and image."""

    path: str
    show: str
    picture: Picture
    rows: list[Row]


def _ten(picture: Picture, question: Question, rng: random.Random) -> Row:
    """Ten annotators; types as VQAv2 and VizWiz state them."""
    words = question.text.split()
    how = " ".join(words[: 2 if words[0] in ("How", "Is", "Where") else 3]).lower()
    return {
        "question": question.text,
        "answers": answers(question.answer, rng),
        "question_type": how,
        "answer_type": _answer_type(question.answer),
    }


def _ten_plain(picture: Picture, question: Question, rng: random.Random) -> Row:
    return {"question": question.text, "answers": answers(question.answer, rng)}


def _one(picture: Picture, question: Question, rng: random.Random) -> Row:
    return {"question": question.text, "answers": [question.answer]}


def _gqa(picture: Picture, question: Question, rng: random.Random) -> Row:
    how = "verify" if question.kind == "yes/no" else "query"
    return {"question": question.text, "answers": [question.answer], "question_type": how}


def _printed(picture: Picture, question: Question, rng: random.Random) -> Row:
    """As said, and as printed."""
    found = list(dict.fromkeys((question.answer, question.answer.upper())))
    return {"question": question.text, "answers": found}


def _document(picture: Picture, question: Question, rng: random.Random) -> Row:
    kinds = {"field": "form", "name": "form", "date": "form"}
    return {**_printed(picture, question, rng), "question_type": kinds.get(question.kind, "layout")}


def _infographic(picture: Picture, question: Question, rng: random.Random) -> Row:
    how = "non-extractive" if question.kind in ("largest", "harder") else "single span"
    return {**_printed(picture, question, rng), "answer_type": how}


def _unanswered(picture: Picture, question: Question, rng: random.Random) -> Row:
    return {"question": question.text}


def _choice(picture: Picture, question: Question, rng: random.Random) -> Row:
    """AI2D: four options, of which the prompt of the report shows none."""
    wrong = sorted({*(LETTERS if question.answer in LETTERS else KINDS)} - {question.answer})
    choices = rng.sample([question.answer, *rng.sample(wrong, 3)], 4)
    return {
        "question": question.text,
        "choices": choices,
        "answer": choices.index(question.answer),
        "category": question.kind,
    }


def _five_captions(picture: Picture, question: Question, rng: random.Random) -> Row:
    return {"captions": captions(picture, rng, 5)}


def _ten_captions(picture: Picture, question: Question, rng: random.Random) -> Row:
    """NoCaps: a scene of one shape is as in the training, print is what other data do not show."""
    single = isinstance(picture, Scene) and len(picture.shapes) == 1
    domain = "in-domain" if single else "near-domain" if isinstance(picture, Scene) else "out-domain"
    return {"captions": captions(picture, rng, 10), "domain": domain}


def _box(picture: Picture, question: Question, rng: random.Random) -> Row:
    """An expression of any style and the box of its shape."""
    assert isinstance(picture, Scene)
    shape, style = rng.choice(picture.shapes), rng.choice(STYLES)
    expression = pick(picture, shape, style, rng)
    assert expression is not None, f"{shape} of scene {picture.seed} has no expression in style {style}"
    return {
        "expression": expression,
        "box": list(shape.box),
        "width": picture.width,
        "height": picture.height,
    }


SCENE = ("yes/no", "count", "colour", "shape", "position")
PAGE = ("heading", "field", "name", "date", "lines")
SEEN_OR_NOT = ("colour", "shape", "unanswerable", "word", "number", "title")
COVER = ("title", "author", "cover", "yes/no")

SPLITS = (
    Split(
        "nocaps/nocaps_val.jsonl",
        ("scene", "book", "scene", "chart", "scene", "poster"),
        _ten_captions,
        (),
        20,
        1,
    ),
    Split("flickr30k/flickr30k_test.jsonl", ("scene",), _five_captions, (), 20, 1),
    Split("flickr30k/flickr30k_train.jsonl", ("scene",), _five_captions, (), 12, 1),
    Split("vqav2/vqav2_val.jsonl", ("scene",), _ten, SCENE, 12),
    Split("vqav2/vqav2_testdev.jsonl", ("scene",), _unanswered, SCENE),
    Split("vqav2/vqav2_train.jsonl", ("scene",), _ten, SCENE, 6),
    Split(
        "okvqa/okvqa_val.jsonl", ("scene", "scene", "card"), _ten_plain, ("corners", "word", "number"), 20, 1
    ),
    Split(
        "okvqa/okvqa_train.jsonl",
        ("scene", "scene", "card"),
        _ten_plain,
        ("corners", "word", "number"),
        12,
        1,
    ),
    Split("gqa/gqa_testdev.jsonl", ("scene",), _gqa, ("yes/no", "colour", "shape"), 12),
    Split("gqa/gqa_train.jsonl", ("scene",), _gqa, ("yes/no", "colour", "shape"), 6),
    Split(
        "textvqa/textvqa_val.jsonl",
        ("card", "book"),
        _ten_plain,
        ("word", "number", "title", "author"),
        20,
        1,
    ),
    Split(
        "textvqa/textvqa_train.jsonl",
        ("card", "book"),
        _ten_plain,
        ("word", "number", "title", "author"),
        12,
        1,
    ),
    Split("vizwiz/vizwiz_val.jsonl", ("scene", "card", "scene", "book"), _ten, SEEN_OR_NOT, 20, 1),
    Split("vizwiz/vizwiz_test.jsonl", ("scene", "card", "scene", "book"), _unanswered, SEEN_OR_NOT, 20, 1),
    Split("vizwiz/vizwiz_train.jsonl", ("scene", "card", "scene", "book"), _ten, SEEN_OR_NOT, 12, 1),
    Split("docvqa/docvqa_val.jsonl", ("page",), _document, PAGE, 12),
    Split("docvqa/docvqa_test.jsonl", ("page",), _unanswered, PAGE),
    Split("docvqa/docvqa_train.jsonl", ("page",), _document, PAGE, 6),
    Split("infovqa/infovqa_val.jsonl", ("poster",), _infographic, ("heading", "beside", "largest"), 12),
    Split("infovqa/infovqa_test.jsonl", ("poster",), _unanswered, ("heading", "beside", "largest")),
    Split("infovqa/infovqa_train.jsonl", ("poster",), _infographic, ("heading", "beside", "largest"), 6),
    Split("chartqa/chartqa_test_human.jsonl", ("chart",), _one, ("tallest", "value", "yes/no"), 12),
    Split("chartqa/chartqa_test_augmented.jsonl", ("chart",), _one, ("value", "bars"), 12),
    Split("chartqa/chartqa_train.jsonl", ("chart",), _one, ("tallest", "value", "bars"), 6),
    Split("ocrvqa/ocrvqa_val.jsonl", ("book",), _one, COVER, 12),
    Split("ocrvqa/ocrvqa_test.jsonl", ("book",), _one, COVER, 12),
    Split("ocrvqa/ocrvqa_train.jsonl", ("book",), _one, COVER, 6),
    Split("ai2d/ai2d_test.jsonl", ("diagram",), _choice, ("label", "part"), 12),
    Split("ai2d/ai2d_train.jsonl", ("diagram",), _choice, ("label", "part"), 6),
    Split("grit/grit_refexp.jsonl", ("scene",), _box, (), 12),
)


def drawn(first_seed: int) -> Iterator[Drawn]:
    """Every picture of every split with its rows, from this seed on."""
    for number, split in enumerate(SPLITS):
        start = first_seed + FIRST + EACH * number
        for index in range(split.pictures):
            show = split.shows[index % len(split.shows)]
            picture, turns = asked(start + index, shows=(show,))
            rng = random.Random(f"{split.path} {start + index}")
            questions = [Question("", "", "")] * split.each
            if split.kinds:
                found = [
                    Question(turn.kind, turn.question.removesuffix(" Answer:"), turn.answer.strip())
                    for turn in turns
                    if turn.kind in split.kinds
                ]
                rng.shuffle(found)
                beyond = harder(picture, rng) if index % 3 == 0 else None
                questions = ([Question("harder", *beyond)] if beyond else []) + found
            rows = [split.row(picture, question, rng) for question in questions[: split.each]]
            assert len(rows) == split.each, f"picture {start + index} of {split.path}: {len(rows)} rows"
            yield Drawn(split.path, show, picture, _distinct(rows))


def _distinct(rows: list[Row]) -> list[Row]:
    """Rows that ask different things."""
    return list({str(row.get("question", row.get("expression"))): row for row in rows}.values())


def _answer_type(answer: str) -> str:
    if answer in ("yes", "no"):
        return "yes/no"
    return "number" if answer.isdigit() else "unanswerable" if answer == "unanswerable" else "other"
